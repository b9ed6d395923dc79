// The largest levels as numbers: for people who want them, and for screen readers.

import { aboutUsd, minute, percent, price, usd } from "../core/format.js";
import { priceOf, valueOf } from "../core/packed.js";

const MOST = 12;

/** The last column of a heatmap view. */
export function showHeatmapLevels({ grid }) {
  const closes = grid.candles.close.filter((value) => !Number.isNaN(value));
  const side = (codes) =>
    Array.from({ length: grid.rows }, (_, row) => ({
      price: priceOf(row, grid),
      amount: valueOf(codes[(row + 1) * grid.columns - 1], grid),
    }));
  const last = grid.firstTime + (grid.columns - 1) * grid.step;
  show(side(grid.long), side(grid.short), {
    binSize: grid.binSize,
    current: closes.at(-1),
    time: last,
    amountText: aboutUsd,
  });
}

/** The buckets of a map. */
export function showMapLevels({ meta, data }) {
  const sum = (amounts) => amounts.reduce((total, amount) => total + amount, 0);
  const side = (name) => data.map((row) => ({ price: row.price, amount: sum(row[name]) }));
  show(side("long"), side("short"), {
    binSize: meta.price_bin_size,
    current: meta.price,
    time: Date.parse(meta.time),
    amountText: usd,
  });
}

function show(long, short, { time, ...options }) {
  const { current } = options;
  const largest = (rows) =>
    rows
      .filter(({ amount }) => amount > 0)
      .sort((a, b) => b.amount - a.amount)
      .slice(0, MOST);
  document.getElementById("levels-note").textContent =
    `At ${minute(time)} UTC, price ${price(current, 0.1)}.`;
  document
    .getElementById("levels-tables")
    .replaceChildren(
      tableOf({ name: "Shorts, above the price", kind: "short", rows: largest(short) }, options),
      tableOf({ name: "Longs, below the price", kind: "long", rows: largest(long) }, options),
    );
}

function tableOf({ name, kind, rows }, { binSize, current, amountText }) {
  const table = document.createElement("table");
  table.className = "plain";
  table.createCaption().textContent = rows.length ? name : `${name}: none`;
  if (!rows.length) return table;
  const head = table.createTHead().insertRow();
  for (const title of ["Price from", "to", "From the price now", "USD"]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = title;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const { price: low, amount } of rows) {
    const line = body.insertRow();
    const away = (low + binSize / 2) / current - 1;
    const texts = [
      price(low, binSize),
      price(low + binSize, binSize),
      `${away > 0 ? "+" : ""}${percent(away, 2)}`,
      amountText(amount),
    ];
    for (const text of texts) line.insertCell().textContent = text;
    line.lastElementChild.className = kind;
  }
  return table;
}
