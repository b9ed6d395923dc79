// The approval state of a symbol, as the API's list has it.

import { ApiError, getJson } from "./api.js";
import { percent } from "./format.js";
import { SYMBOLS } from "./queries.js";

/** Shows it in `badge`, which stays hidden where it can't be asked. */
export async function showApproval(badge, symbol) {
  badge.hidden = true;
  try {
    const { body } = await getJson(SYMBOLS, {});
    const row = body.symbols.find((one) => one.symbol === symbol);
    if (!row) return;
    const { text, kind } = approvalOf(row.validation);
    badge.textContent = text;
    badge.className = `state ${kind}`;
    badge.hidden = false;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

function approvalOf(validation) {
  if (!validation) return { text: "not validated", kind: "" };
  const { state = "validated", hit_rate: hitRate } = validation;
  const kind = { approved: "approved", rejected: "rejected" }[state] ?? "";
  return { text: hitRate === undefined ? state : `${state}, hit rate ${percent(hitRate, 0)}`, kind };
}
