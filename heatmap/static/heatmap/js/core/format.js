// Numbers and instants as people read them; instants in UTC.

const UNITS = [
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "K"],
];
const MINUTE = 60_000;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const pad = (value) => String(value).padStart(2, "0");

/** 88.28M, 5.77B, 950. */
export function usd(value) {
  const [size, unit] = unitOf(value);
  return `${(value / size).toFixed(unit ? 2 : 0)}${unit}`;
}

/** 88.3M, 427M, 950: for amounts that are known to a percent or so, as those of codes are. */
export function aboutUsd(value) {
  const rounded = Number(value.toPrecision(3));
  const [size, unit] = unitOf(rounded);
  return unit ? `${(rounded / size).toPrecision(3)}${unit}` : usd(rounded);
}

function unitOf(value) {
  return UNITS.find(([least]) => Math.abs(value) >= least * 0.99995) ?? [1, ""];
}

/** 88M, 2.5B: for axes, whose numbers are round. */
export function roundUsd(value) {
  return usd(value).replace(/\.?0+(?=[KMB]$)/, "");
}

/** A price with as many decimals as the step between prices asks for. */
export function price(value, step = 0.01) {
  return value.toLocaleString("en-US", {
    minimumFractionDigits: decimalsOf(step),
    maximumFractionDigits: decimalsOf(step),
  });
}

export function decimalsOf(step) {
  return Math.min(Math.max(Math.ceil(-Math.log10(step) - 1e-9), 0), 10);
}

/** 2026-01-28 14:05. */
export function minute(ms) {
  const at = new Date(ms);
  return `${day(ms)} ${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}`;
}

/** 2026-01-28 14:05 – 14:10, with the second date where it is another day. */
export function span(from, to) {
  const end = day(from) === day(to - 1) ? minute(to).slice(11) : minute(to);
  return `${minute(from)} – ${end}`;
}

export function day(ms) {
  const at = new Date(ms);
  return `${at.getUTCFullYear()}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())}`;
}

/** 28 Jan. */
export function dayOfMonth(ms) {
  return `${new Date(ms).getUTCDate()} ${month(ms)}`;
}

export function month(ms) {
  return MONTHS[new Date(ms).getUTCMonth()];
}

/** 35 s, 12 min, 5 h, 3 d. */
export function age(ms) {
  if (ms < MINUTE) return `${Math.max(Math.round(ms / 1000), 0)} s`;
  if (ms < 90 * MINUTE) return `${Math.round(ms / MINUTE)} min`;
  if (ms < 48 * 60 * MINUTE) return `${Math.round(ms / 60 / MINUTE)} h`;
  return `${Math.round(ms / 1440 / MINUTE)} d`;
}

export function percent(share, digits = 1) {
  return `${(share * 100).toFixed(digits)}%`;
}
