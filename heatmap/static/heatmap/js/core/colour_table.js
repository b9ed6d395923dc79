// From codes to colours: one table entry per code, so that a new threshold or palette costs a few
// thousand steps and one pass over the picture.

import { colourAt } from "./palettes.js";
import { valueOf } from "./packed.js";

const SHADES = 256;
const LOG_DECADES = 2;
const AUTOMATIC_QUANTILE = 0.99;

/** Share of a palette (0 to 1) for an amount, when `top` gets the brightest colour. */
export function shareOf(value, top, scale) {
  if (value <= 0) return 0;
  if (scale === "linear") return Math.min(value / top, 1);
  return Math.min(Math.max(1 + Math.log10(value / top) / LOG_DECADES, 0), 1);
}

/** The amount that has a share of the palette: the inverse of shareOf. */
export function amountOf(share, top, scale) {
  return scale === "linear" ? share * top : top * 10 ** ((share - 1) * LOG_DECADES);
}

/** Uint32Array of RGBA pixels, one per code. */
export function colourTable(grid, palette, scale, top) {
  const shades = new Uint32Array(SHADES);
  const bytes = new Uint8Array(shades.buffer);
  for (let i = 0; i < SHADES; i += 1) {
    bytes.set([...colourAt(palette, i / (SHADES - 1)), 255], i * 4);
  }
  const table = new Uint32Array(grid.decades * grid.codesPerDecade + 2);
  for (let code = 0; code < table.length; code += 1) {
    const share = shareOf(valueOf(code, grid), top, scale);
    table[code] = shades[Math.round(share * (SHADES - 1))];
  }
  return table;
}

/**
 * How the amounts of a plane are spread: {maximum, threshold}, the threshold a share of the maximum
 * that suits the rows from `first` to before `end`.
 */
export function spreadOf(codes, grid, { first, end }) {
  let largest = 0;
  for (let i = 0; i < codes.length; i += 1) if (codes[i] > largest) largest = codes[i];
  const counts = new Uint32Array(grid.decades * grid.codesPerDecade + 2);
  const part = codes.subarray(first * grid.columns, end * grid.columns);
  for (let i = 0; i < part.length; i += 1) counts[part[i]] += 1;
  const wanted = (part.length - counts[0]) * (1 - AUTOMATIC_QUANTILE);
  let code = largest;
  for (let above = counts[code]; above < wanted && code > 1; above += counts[code]) code -= 1;
  const maximum = valueOf(largest, grid);
  const share = maximum ? valueOf(code, grid) / maximum : 1;
  return { maximum, threshold: Math.min(Math.max(Number(share.toPrecision(2)), 0.001), 1) };
}
