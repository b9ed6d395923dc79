import assert from "node:assert/strict";
import { test } from "node:test";

import { aboutUsd, age, dayOfMonth, price, roundUsd, span, usd } from "page/core/format.js";

test("amounts of codes have three digits", () => {
  const amounts = [0, 7.4, 950, 999.6, 20_890, 999_600, 66_070_000, 426_580_000, 5.771e9];
  const texts = ["0", "7", "950", "1.00K", "20.9K", "1.00M", "66.1M", "427M", "5.77B"];
  assert.deepEqual(amounts.map(aboutUsd), texts);
});

test("amounts have the largest unit that fits", () => {
  assert.deepEqual([950, 88_280_000, 5.77e9].map(usd), ["950", "88.28M", "5.77B"]);
  assert.deepEqual([2.5e9, 88e6].map(roundUsd), ["2.5B", "88M"]);
});

test("a price has the decimals of its step", () => {
  assert.equal(price(3481.883, 0.01), "3,481.88");
  assert.equal(price(97_000, 50), "97,000");
});

test("instants are written in UTC", () => {
  assert.equal(dayOfMonth(1_769_644_799_000), "28 Jan");
  const midnight = Date.UTC(2026, 0, 29);
  assert.equal(span(midnight - 300_000, midnight), "2026-01-28 23:55 – 00:00");
  assert.equal(span(midnight - 300_000, midnight + 60_000), "2026-01-28 23:55 – 2026-01-29 00:01");
  assert.equal(span(midnight, midnight + 300_000), "2026-01-29 00:00 – 00:05");
});

test("ages have one unit", () => {
  const minutes = [0.5, 12, 300, 4320].map((value) => value * 60_000);
  assert.deepEqual(minutes.map(age), ["30 s", "12 min", "5 h", "3 d"]);
});
