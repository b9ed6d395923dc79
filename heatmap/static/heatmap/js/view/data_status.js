// How new the data are: last candle, last open interest, their age, and a warning when they are old.

import { age, minute, percent } from "../core/format.js";

const FRESH_MS = 20 * 60_000;
const LATE_MS = 36 * 3_600_000; // the archive publishes a day in the morning of the next one
const LAG_MS = 15 * 60_000;

export class DataStatus {
  constructor(root) {
    this.root = root;
    this.parts = { meta: null, openInterest: null };
    setInterval(() => this.draw(), 30_000);
  }

  /** `meta` of what is shown. */
  showMeta(meta) {
    this.parts.meta = meta;
    this.draw();
  }

  /** The instant (ms) of the last open interest, or null. */
  showOpenInterest(time) {
    this.parts.openInterest = time;
    this.draw();
  }

  draw() {
    const { meta, openInterest } = this.parts;
    if (!meta?.data_end) {
      this.root.replaceChildren();
      return;
    }
    const end = Date.parse(meta.data_end);
    const lines = [verdict(Date.now() - end), part(`Candles to ${minute(end)} UTC`)];
    if (openInterest !== null) {
      lines.push(part(`open interest to ${minute(openInterest)} UTC`));
      if (end - openInterest > LAG_MS) {
        lines.push(part("open interest lags behind: nothing new opens in the last columns", "late"));
      }
    }
    if (Date.parse(meta.start_time) < Date.parse(meta.data_start)) {
      lines.push(part(`data begin ${minute(Date.parse(meta.data_start))} UTC`));
    }
    if (meta.unplaced_share > 0) {
      lines.push(part(`${percent(meta.unplaced_share)} of open interest older than the data`));
    }
    this.root.replaceChildren(...lines);
  }
}

function verdict(old) {
  if (old < FRESH_MS) return part(`● live, ${age(old)} old`, "fresh");
  if (old < LATE_MS) return part(`● ${age(old)} old`, "late");
  return part(`⚠ Stale: the data are ${age(old)} old`, "stale");
}

function part(text, kind = "") {
  const element = document.createElement("span");
  element.textContent = text;
  element.className = kind;
  return element;
}
