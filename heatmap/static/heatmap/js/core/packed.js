// Decodes `format=packed`; heatmap/api/packed.py says what is where.

import { ApiError } from "../app/api.js";

/** The layout that is read here: LAYOUT_NUMBER of heatmap/api/packed.py. */
const LAYOUT = 2;

/**
 * {meta, columns, rows, firstTime, step, firstPrice, binSize, largest, decades, codesPerDecade,
 *  candles: {open, high, low, close}, created, consumed, long, short}
 * Times in ms; candles and flows Float32Array per column; long and short Uint16Array, row by row,
 * the lowest price first. Throws ApiError where the server has another layout.
 */
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  if (header.layout !== LAYOUT) {
    throw new ApiError("outdated", "The server has another version than this page.");
  }
  const { meta, columns, rows } = header;
  if (!columns) return { meta, columns: 0, rows: 0 };
  let offset = 4 + length;
  const series = header.series.map(() => {
    const values = new Float32Array(buffer, offset, columns);
    offset += values.byteLength;
    return values;
  });
  const plane = () => {
    const codes = new Uint16Array(buffer, offset, rows * columns);
    offset += codes.byteLength;
    addUp(codes, columns);
    return codes;
  };
  const [open, high, low, close, created, consumed] = series;
  return {
    meta,
    columns,
    rows,
    firstTime: header.first_time,
    step: header.interval_ms,
    firstPrice: header.first_price,
    binSize: header.price_bin_size,
    largest: header.largest,
    decades: header.decades,
    codesPerDecade: header.codes_per_decade,
    candles: { open, high, low, close },
    created,
    consumed,
    long: plane(),
    short: plane(),
  };
}

/** Turns the differences within each row into the codes; the array's 16 bits wrap as they should. */
function addUp(codes, columns) {
  for (let row = 0; row < codes.length; row += columns) {
    for (let i = row + 1; i < row + columns; i += 1) codes[i] += codes[i - 1];
  }
}

/** USDT of a code. */
export function valueOf(code, grid) {
  if (!code) return 0;
  return grid.largest * 10 ** ((code - 1) / grid.codesPerDecade - grid.decades);
}

/** The nearest code of an amount in USDT. */
export function codeOf(value, grid) {
  const floor = grid.largest / 10 ** grid.decades;
  if (!(value >= floor)) return 0;
  return Math.round(Math.log10(value / floor) * grid.codesPerDecade) + 1;
}

/** The codes of one side, or of both together. */
export function sideCodes(grid, side) {
  if (side !== "both") return grid[side];
  const { long, short } = grid;
  const both = new Uint16Array(long.length);
  for (let i = 0; i < both.length; i += 1) {
    // Almost everywhere one of the two is nothing.
    if (!short[i]) both[i] = long[i];
    else if (!long[i]) both[i] = short[i];
    else both[i] = codeOf(valueOf(long[i], grid) + valueOf(short[i], grid), grid);
  }
  return both;
}

/** The row that holds a price, or -1. */
export function rowOf(price, grid) {
  const row = Math.floor((price - grid.firstPrice) / grid.binSize + 1e-9);
  return row >= 0 && row < grid.rows ? row : -1;
}

/** The lower edge of a row. */
export function priceOf(row, grid) {
  return Number((grid.firstPrice + row * grid.binSize).toPrecision(12));
}
