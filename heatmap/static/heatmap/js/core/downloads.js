// Files with the numbers of what is in view.

import { decimalsOf } from "./format.js";
import { priceOf, valueOf } from "./packed.js";

export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Columns and rows of a grid that a chart shows: {firstColumn, lastColumn, firstRow, lastRow}. */
export function seenPart(grid, chart) {
  const range = chart.chart.timeScale().getVisibleLogicalRange();
  const prices = chart.chart.priceScale("right").getVisibleRange();
  const row = (value) => Math.floor((value - grid.firstPrice) / grid.binSize);
  const within = (value, size) => Math.min(Math.max(value, 0), size - 1);
  return {
    firstColumn: within(Math.round(range.from), grid.columns),
    lastColumn: within(Math.round(range.to), grid.columns),
    firstRow: within(row(prices.from), grid.rows),
    lastRow: within(row(prices.to), grid.rows),
  };
}

/** The cells that hold something, one a line. */
export function csvOf(grid, part, side) {
  const lines = ["time,price,long_usd,short_usd\n"];
  for (const cell of cells(grid, part, side)) {
    lines.push(`${cell.time},${cell.price},${cell.long},${cell.short}\n`);
  }
  return new Blob(lines, { type: "text/csv" });
}

export function jsonOf(grid, part, side) {
  const { open, high, low, close } = grid.candles;
  const candles = [];
  for (let i = part.firstColumn; i <= part.lastColumn; i += 1) {
    if (Number.isNaN(close[i])) continue;
    candles.push({ time: timeOf(grid, i), open: open[i], high: high[i], low: low[i], close: close[i] });
  }
  const body = { meta: grid.meta, side, candles, cells: [...cells(grid, part, side)] };
  return new Blob([JSON.stringify(body)], { type: "application/json" });
}

function* cells(grid, part, side) {
  const decimals = decimalsOf(grid.binSize);
  const amount = (codes, at, shown) =>
    shown ? Number(valueOf(codes[at], grid).toPrecision(3)) : 0;
  for (let column = part.firstColumn; column <= part.lastColumn; column += 1) {
    for (let row = part.firstRow; row <= part.lastRow; row += 1) {
      const at = row * grid.columns + column;
      const long = amount(grid.long, at, side !== "short");
      const short = amount(grid.short, at, side !== "long");
      if (!long && !short) continue;
      const price = Number(priceOf(row, grid).toFixed(decimals));
      yield { time: timeOf(grid, column), price, long, short };
    }
  }
}

function timeOf(grid, column) {
  return new Date(grid.firstTime + column * grid.step).toISOString().replace(".000Z", "Z");
}

/** A map as CSV, one price bucket a line. */
export function mapCsvOf({ meta, data }) {
  const names = ["long", "short"].flatMap((side) =>
    meta.leverages.map((leverage) => `${side}_${leverage}x_usd`),
  );
  const head = ["price", ...names, "cumulative_long_usd", "cumulative_short_usd"].join(",");
  const lines = data.map((row) =>
    [row.price, ...row.long, ...row.short, row.cumulative_long, row.cumulative_short].join(","),
  );
  return new Blob([head, "\n", lines.join("\n"), "\n"], { type: "text/csv" });
}
