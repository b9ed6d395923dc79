// The supported pairs, as the API's list has them: the badge of the chosen one, and the table.

import { ApiError, getJson } from "./api.js";
import { percent } from "./format.js";
import { SYMBOLS } from "./queries.js";

const CELLS = ["symbol", "status", "validation", "coverage"];

/** Shows the approval of `symbol` in `badge`, which stays hidden where it can't be asked. */
export async function showApproval(badge, symbol) {
  badge.hidden = true;
  const row = (await pairs())?.find((one) => one.symbol === symbol);
  if (!row) return;
  const { text, kind } = approvalOf(row.validation);
  badge.textContent = text;
  badge.className = `state ${kind}`;
  badge.hidden = false;
}

/** Fills `body`, a table's, with a row for every pair; says where they can't be asked. */
export async function showPairs(body) {
  const rows = await pairs();
  const texts = rows ? rows.map((row) => CELLS.map((cell) => row.text[cell])) : [["No answer"]];
  body.replaceChildren(
    ...texts.map((cells) => {
      const line = document.createElement("tr");
      for (const text of cells) line.insertCell().textContent = text;
      return line;
    }),
  );
}

/** The rows; null where the API does not answer. */
async function pairs() {
  try {
    return (await getJson(SYMBOLS, {})).body.symbols;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null;
  }
}

function approvalOf(validation) {
  if (!validation) return { text: "not validated", kind: "" };
  const { state, hit_rate: hitRate } = validation;
  const kind = { approved: "approved", rejected: "rejected" }[state] ?? "";
  const words = state.replace("_", " ");
  return { text: hitRate === null ? words : `${words}, hit rate ${percent(hitRate, 0)}`, kind };
}
