// The supported pairs, as the API's list has them: the choice of symbols, the badge of the chosen one,
// and the table.

import { ApiError, getJson } from "../app/api.js";
import { SYMBOLS } from "../core/queries.js";

const CELLS = ["symbol", "status", "validation", "coverage"];
const STATES = ["approved", "candidate", "ingesting", "registered", "settled", "disabled"];

/** Groups the options of `select` by state, and shows in `badge` that of `symbol` and what the
 * comparison with the outside world came to. Without an answer the badge stays hidden. */
export async function showStates(select, badge, symbol) {
  badge.hidden = true;
  const rows = await pairs();
  if (!rows) return;
  group(select, new Map(rows.map((row) => [row.symbol, row.status])));
  const row = rows.find((one) => one.symbol === symbol);
  if (!row) return;
  badge.textContent = `${row.text.status}, ${row.text.validation}`;
  badge.className = `state ${badgeKind(row)}`;
  badge.hidden = false;
}

function badgeKind({ status, validation }) {
  if (status === "approved") return "approved";
  return validation?.state === "rejected" ? "rejected" : "";
}

function group(select, states) {
  const chosen = select.value;
  const options = [...select.options];
  const groups = STATES.map((state) => {
    const members = options.filter(({ value }) => states.get(value) === state);
    const element = document.createElement("optgroup");
    element.label = state;
    element.append(...members);
    return element;
  });
  const unknown = options.filter(({ value }) => !states.has(value));
  select.replaceChildren(...groups.filter((one) => one.children.length), ...unknown);
  select.value = chosen;
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
