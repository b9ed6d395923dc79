// What to ask of the API for the values of the state.

/** The page's own choice: 500 to 900 columns, about one for each two pixels of a usual screen. */
const INTERVAL_OF_WINDOW = {
  "12h": "5m",
  "24h": "5m",
  "48h": "5m",
  "3d": "5m",
  "7d": "15m",
  "14d": "30m",
  "30d": "1h",
  "60d": "2h",
  "90d": "4h",
  "180d": "6h",
  "1y": "12h",
};
/** What can be chosen under "positions opened in", besides all data: hours before the window. */
export const HOURS_BEFORE_WINDOW = { window: 0, "7d": 168, "30d": 720 };
const HOURS = { m: 1 / 60, h: 1, d: 24, y: 8760 };
const LEAST_COLUMNS = 8;

export const HEATMAP = "/liquidations/heatmap-timeseries";
export const MAP = "/liquidations/map";
export const EXPLAIN = "/liquidations/explain";
export const SYMBOLS = "/symbols";
export const DATE_RANGE = "/data/date-range";

/** The fields of the state that the data depend on; the others only change how they look. */
export const DATA_FIELDS = ["symbol", "window", "end", "interval", "model", "history"];

export function heatmapQuery(values, { automaticInterval = false } = {}) {
  const asked = fits(values.interval, values.window) ? values.interval : null;
  const chosen = asked ?? (automaticInterval ? null : INTERVAL_OF_WINDOW[values.window]);
  return {
    symbol: values.symbol,
    time_window: values.window,
    end_time: iso(values.end),
    interval: chosen,
    model: values.model,
    lookback: lookback(values, 0),
    format: "packed",
  };
}

export function mapQuery(values) {
  return {
    symbol: values.symbol,
    time: iso(values.end),
    model: values.model,
    lookback: lookback(values, hoursOf(values.window)),
  };
}

/** What is behind the cell that holds `price` in the column at `time` (ms). */
export function explainQuery(values, grid, time, price) {
  const hours = Math.round((time - grid.firstTime + grid.step) / 3_600_000);
  return {
    symbol: values.symbol,
    time: iso(time),
    price: String(price),
    price_bin_size: String(grid.binSize),
    model: values.model,
    lookback: lookback(values, Math.max(hours, 1)),
  };
}

/** How long before an instant that lies `hoursShown` after the window's start the book begins
 * empty; null is all data. */
function lookback(values, hoursShown) {
  if (usesAllData(values)) return null;
  const hours = hoursShown + (HOURS_BEFORE_WINDOW[values.history] ?? 0);
  return hours ? `${hours}h` : "0";
}

/** Coinglass's rule begins empty with a window, whatever is loaded. */
export function usesAllData({ history, model }) {
  return history === "all" && model !== "coinglass-3";
}

/** Whether an interval, which may be null, cuts a window into columns enough to be a picture. */
export function fits(interval, window) {
  return interval === null || hoursOf(interval) * LEAST_COLUMNS <= hoursOf(window);
}

export function hoursOf(window) {
  return Number.parseInt(window, 10) * HOURS[window.at(-1)];
}

function iso(ms) {
  return ms === null ? null : new Date(ms).toISOString().replace(".000Z", "Z");
}
