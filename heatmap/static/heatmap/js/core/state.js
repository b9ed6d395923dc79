// What the page shows, as one object, and its form in the URL.

import { HOURS_BEFORE_WINDOW } from "./queries.js";

export const PALETTE_NAMES = ["viridis", "magma", "cividis"];
const SYMBOL = /^[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}0-9_]{2,30}$/u;

const oneOf = (values) => ({
  read: (text) => (values.includes(text) ? text : undefined),
  write: String,
});
const instant = {
  read: (text) => {
    const ms = Date.parse(/[Zz]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`);
    return Number.isNaN(ms) ? undefined : ms;
  },
  write: (ms) => new Date(ms).toISOString().replace(/(:00)?\.000Z$/, "Z"),
};
const number = (low, high) => ({
  read: (text) => {
    const value = Number(text);
    return text.trim() && value >= low && value <= high ? value : undefined;
  },
  write: (value) => String(Number(value.toPrecision(10))),
});

/** Name, default and form of everything in the URL. `null` as a default: chosen by the page. */
export function fields(choices) {
  return {
    tab: [oneOf(["heatmap", "map"]), "heatmap"],
    symbol: [
      { read: (text) => (SYMBOL.test(text) ? text : undefined), write: String },
      choices.symbol,
    ],
    window: [oneOf(choices.windows), choices.window],
    end: [instant, null],
    interval: [oneOf(choices.intervals), null],
    model: [oneOf(choices.models), choices.models[0]],
    history: [oneOf(["all", ...Object.keys(HOURS_BEFORE_WINDOW)]), "all"],
    side: [oneOf(["both", "long", "short"]), "both"],
    threshold: [number(0.001, 1), null],
    palette: [oneOf(PALETTE_NAMES), "viridis"],
    scale: [oneOf(["linear", "log"]), "linear"],
    candles: [oneOf(["on", "off"]), "on"],
    from: [instant, null],
    to: [instant, null],
    low: [number(0, 1e12), null],
    high: [number(0, 1e12), null],
  };
}

/** The names under which older pages and the API know some of the fields. */
const ALIASES = { time_window: "window", end_time: "end" };

export class State {
  constructor(choices) {
    this.fields = fields(choices);
    this.listeners = [];
    this.values = this.read(location.search);
    addEventListener("popstate", () => this.adopt(this.read(location.search)));
  }

  read(search) {
    const given = new URLSearchParams(search);
    for (const [alias, name] of Object.entries(ALIASES)) {
      if (given.has(alias) && !given.has(name)) given.set(name, given.get(alias));
    }
    const values = {};
    for (const [name, [form, standard]] of Object.entries(this.fields)) {
      const read = given.has(name) ? form.read(given.get(name)) : undefined;
      values[name] = read === undefined ? standard : read;
    }
    return values;
  }

  /** The URL of these values; what is at its default is left out, but for symbol and window. */
  url(values = this.values) {
    const parts = new URLSearchParams();
    for (const [name, [form, standard]] of Object.entries(this.fields)) {
      const always = name === "symbol" || name === "window";
      const value = values[name];
      if (value !== null && (always || value !== standard)) parts.set(name, form.write(value));
    }
    return `${location.pathname}?${parts.toString().replaceAll("%3A", ":")}`;
  }

  /** Changes some values. A step that "back" should undo is a new entry of the history. */
  set(changes, { replace = false } = {}) {
    const next = { ...this.values, ...changes };
    if (this.url(next) === this.url()) return;
    if (replace) history.replaceState(null, "", this.url(next));
    else history.pushState(null, "", this.url(next));
    this.adopt(next);
  }

  adopt(next) {
    const before = this.values;
    this.values = next;
    const changed = new Set(Object.keys(next).filter((name) => next[name] !== before[name]));
    if (changed.size) for (const listener of this.listeners) listener(next, changed);
  }

  onChange(listener) {
    this.listeners.push(listener);
  }
}
