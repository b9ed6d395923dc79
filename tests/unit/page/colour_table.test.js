import assert from "node:assert/strict";
import { test } from "node:test";

import { amountOf, colourTable, shareOf, spreadOf } from "page/core/colour_table.js";

const grid = { columns: 100, rows: 3, largest: 1e8, decades: 6, codesPerDecade: 100 };

test("the automatic threshold suits the prices that are shown first", () => {
  const codes = new Uint16Array(300).fill(601, 0, 100).fill(501, 100, 200);
  const [everywhere, below, nowhere] = [0, 1, 2].map((first) => spreadOf(codes, grid, { first, end: 3 }));
  assert.ok(Math.abs(everywhere.maximum - 1e8) < 1);
  assert.equal(everywhere.threshold, 1);
  assert.equal(below.threshold, 0.1);
  assert.equal(nowhere.threshold, 1);
});

test("amountOf is the inverse of shareOf", () => {
  for (const scale of ["linear", "log"]) {
    for (const amount of [2e6, 5e6, 1e7]) {
      const back = amountOf(shareOf(amount, 1e7, scale), 1e7, scale);
      assert.ok(Math.abs(back / amount - 1) < 1e-9, `${scale} ${amount}`);
    }
  }
});

test("a table has one colour for each code, the threshold and all above the brightest", () => {
  const table = colourTable(grid, "viridis", "linear", 1e7);
  assert.equal(table.length, 602);
  assert.equal(table[601], table[501]);
  assert.notEqual(table[501], table[401]);
  assert.equal(table[0], table[1]); // nothing, and a ten-thousandth of the threshold
});
