// What is behind a cell: the positions that would be liquidated there, by entry.

import { ApiError, getJson } from "../app/api.js";
import { minute, percent, price, usd } from "../core/format.js";
import { EXPLAIN, explainQuery } from "../core/queries.js";

const MOST = 25;

export class ExplainPanel {
  constructor(root) {
    this.root = root;
    this.body = root.querySelector("#explain-body");
    root.querySelector("#explain-close").addEventListener("click", () => this.close());
  }

  get isOpen() {
    return !this.root.hidden;
  }

  close() {
    this.abort?.abort();
    this.root.hidden = true;
  }

  /** `cell`: {time (ms), price (lower edge), across (share of the chart's width, from the left)}. */
  async open(values, grid, cell) {
    this.abort?.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.root.hidden = false;
    this.root.classList.toggle("left", cell.across > 0.5); // beside the cell, not on it
    const heading = `${price(cell.price, grid.binSize)} – ${price(cell.price + grid.binSize, grid.binSize)} at ${minute(cell.time)} UTC`;
    this.fill(paragraph(heading), paragraph("Loading…"));
    try {
      const query = explainQuery(values, grid, cell.time, cell.price + grid.binSize / 2);
      const { body } = await getJson(EXPLAIN, query, { signal });
      this.fill(paragraph(heading), ...sections(body, grid, values.side));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ApiError)) throw error;
      this.fill(paragraph(heading), paragraph(error.message));
    }
  }

  fill(...parts) {
    this.body.replaceChildren(...parts);
  }
}

/** The tables of longs and shorts in `{meta: {entries, notional}, data: {long: [cohort], short: [cohort]}}`. */
function sections({ meta, data }, grid, side) {
  const sides = [
    ["Longs", "long"],
    ["Shorts", "short"],
  ].filter(([, kind]) => data[kind].length && (side === "both" || side === kind));
  if (!sides.length) return [paragraph("Nothing would be liquidated here.")];
  return sides.flatMap(([name, kind]) => section(name, kind, meta, data[kind], grid));
}

function section(name, kind, { entries, notional }, cohorts, grid) {
  const table = document.createElement("table");
  table.className = "plain";
  const caption = table.createCaption();
  caption.textContent = `${name}: ${usd(notional[kind])} USD`;
  caption.className = kind;
  const head = table.createTHead().insertRow();
  for (const title of ["Entry, UTC", "Entry price", "Leverage", "USD", "Share"]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = title;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const cohort of cohorts.slice(0, MOST)) addCohort(body, cohort, grid);
  const rest = entries[kind] - MOST;
  return rest > 0 ? [table, paragraph(`and ${rest} smaller ones`)] : [table];
}

function addCohort(body, cohort, grid) {
  const row = body.insertRow();
  const texts = [
    minute(Date.parse(cohort.entry_time)),
    price(cohort.entry_price, grid.binSize / 100),
    `${cohort.leverage}x`,
    usd(cohort.notional),
    percent(cohort.share),
  ];
  for (const text of texts) row.insertCell().textContent = text;
  const bar = document.createElement("span");
  bar.className = "share";
  bar.style.setProperty("--share", percent(cohort.share));
  row.lastElementChild.append(bar);
}

function paragraph(text) {
  const element = document.createElement("p");
  element.textContent = text;
  return element;
}
