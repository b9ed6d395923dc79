import assert from "node:assert/strict";
import { test } from "node:test";

import { codeOf, decode, priceOf, rowOf, sideCodes, valueOf } from "page/core/packed.js";

const grid = { largest: 1e8, decades: 6, codesPerDecade: 100, firstPrice: 100, binSize: 0.1, rows: 3 };

function answer(header, columns = 0, planes = []) {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = text.length + ((4 - (text.length % 4)) % 4);
  const series = (header.series ?? []).map(() => new Float32Array(columns).fill(7));
  const parts = [...series, ...planes.map((plane) => Uint16Array.from(plane))];
  const size = parts.reduce((sum, { byteLength }) => sum + byteLength, 4 + padded);
  const bytes = new Uint8Array(size).fill(32);
  new DataView(bytes.buffer).setUint32(0, padded, true);
  bytes.set(text, 4);
  let offset = 4 + padded;
  for (const part of parts) {
    bytes.set(new Uint8Array(part.buffer), offset);
    offset += part.byteLength;
  }
  return bytes.buffer;
}

test("differences along a row add up, also when they wrap", () => {
  const header = { layout: 2, meta: {}, columns: 3, rows: 1, series: ["open"] };
  const found = decode(answer(header, 3, [[5, 65_535, 1], [0, 2, 0]]));
  assert.deepEqual([...found.long], [5, 4, 5]);
  assert.deepEqual([...found.short], [0, 2, 2]);
  assert.deepEqual([...found.candles.open], [7, 7, 7]);
});

test("another layout is refused as outdated", () => {
  assert.throws(() => decode(answer({ layout: 1, meta: {} })), { kind: "outdated" });
});

test("without columns there are no planes", () => {
  assert.deepEqual(decode(answer({ layout: 2, meta: { gaps: [] }, columns: 0, rows: 0 })), {
    meta: { gaps: [] },
    columns: 0,
    rows: 0,
  });
});

test("a code stands for its amount", () => {
  for (const code of [1, 250, 601]) assert.equal(codeOf(valueOf(code, grid), grid), code);
  assert.deepEqual([valueOf(0, grid), codeOf(99, grid), codeOf(NaN, grid)], [0, 0, 0]);
});

test("both sides of a cell add up", () => {
  const long = Uint16Array.of(0, 501, 401);
  const short = Uint16Array.of(301, 0, 401);
  const both = sideCodes({ ...grid, long, short }, "both");
  assert.deepEqual([...both], [301, 501, codeOf(2 * valueOf(401, grid), grid)]);
});

test("prices at the edges of rows belong to the row above", () => {
  assert.deepEqual([99.9, 100, 100.1, 100.29, 100.3].map((price) => rowOf(price, grid)), [-1, 0, 1, 2, -1]);
  assert.equal(priceOf(2, grid), 100.2);
});
