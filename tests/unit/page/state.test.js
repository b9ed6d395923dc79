import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.location = { search: "", pathname: "/heatmap/" };
globalThis.addEventListener = () => {};
const { State } = await import("page/core/state.js");
const { explainQuery, heatmapQuery, mapQuery } = await import("page/core/queries.js");

const choices = {
  symbol: "BTCUSDT",
  windows: ["24h", "7d"],
  window: "24h",
  intervals: ["5m", "1h", "1d"],
  models: ["turnover", "coinglass-3"],
};

function stateOf(search) {
  globalThis.location.search = search;
  return new State(choices);
}

test("an address leads to values and back", () => {
  const search = "?symbol=ETHUSDT&window=7d&end=2026-01-28T14:00Z&side=long&threshold=0.25";
  assert.equal(stateOf(search).url(), `/heatmap/${search}`);
});

test("what cannot be is left at its default", () => {
  const { values } = stateOf("?symbol=<script>&window=9w&threshold=7&end=never&model=magic");
  assert.deepEqual(
    [values.symbol, values.window, values.threshold, values.end, values.model],
    ["BTCUSDT", "24h", null, null, "turnover"],
  );
});

test("a symbol may have letters of any script, but no lower case", () => {
  assert.equal(stateOf("?symbol=币安人生USDT").values.symbol, "币安人生USDT");
  assert.equal(stateOf("?symbol=ethusdt").values.symbol, "BTCUSDT");
});

test("the names of older pages are understood", () => {
  assert.equal(stateOf("?time_window=7d").values.window, "7d");
  assert.equal(stateOf("?time_window=7d&window=24h").values.window, "24h");
});

test("all data are asked for without a lookback, the window alone with one", () => {
  const { values } = stateOf("");
  assert.deepEqual([heatmapQuery(values).lookback, mapQuery(values).lookback], [null, null]);
  const window = { ...values, history: "window" };
  assert.deepEqual([heatmapQuery(window).lookback, mapQuery(window).lookback], ["0", "24h"]);
  const week = { ...values, history: "7d" };
  assert.deepEqual([heatmapQuery(week).lookback, mapQuery(week).lookback], ["168h", "192h"]);
});

test("Coinglass's rule begins with the window, whatever is loaded", () => {
  const { values } = stateOf("?model=coinglass-3");
  assert.equal(heatmapQuery(values).lookback, "0");
  const grid = { firstTime: 0, step: 300_000, binSize: 5 };
  assert.equal(explainQuery(values, grid, 7_200_000, 102.5).lookback, "2h");
});

test("an interval that is too long for its window gives way to the window's own", () => {
  assert.equal(heatmapQuery(stateOf("?window=7d&interval=1h").values).interval, "1h");
  assert.equal(heatmapQuery(stateOf("?window=24h&interval=1d").values).interval, "5m");
});
