// Dark unless the visitor or the system asks for light; the choice is kept in a cookie, so that the
// server renders the page with it. Colours stand in page.css; canvases ask here for them.

const THEMES = ["auto", "dark", "light"];
const CANDLES = ["green-red", "blue-orange"];
const PRICE = "#4c8dff";
const CANDLE_KEY = "liqheat-candles";

export function themeColours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    surface: colour("surface"),
    text: colour("text"),
    muted: colour("muted"),
    border: colour("border"),
    accent: colour("accent"),
    crosshair: colour("crosshair"),
    label: colour("label"),
    long: colour("long"),
    short: colour("short"),
    font: getComputedStyle(document.body).fontFamily,
  };
}

/** The candles lie on the heat, which is dark in both themes. */
export function candleColours() {
  if (candleChoice() === "blue-orange") return { up: "#7cc7ff", down: "#ff9d3c", price: PRICE };
  return { up: "#16d68f", down: "#ff5468", price: PRICE };
}

export function candleChoice() {
  const kept = localStorage.getItem(CANDLE_KEY);
  return CANDLES.includes(kept) ? kept : CANDLES[0];
}

export function chooseCandles(choice) {
  localStorage.setItem(CANDLE_KEY, choice);
}

export function theme() {
  return document.documentElement.dataset.theme;
}

/** The next of auto, dark and light. */
export function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  document.documentElement.dataset.theme = next;
  const lifetime = 365 * 24 * 3600;
  document.cookie = `theme=${next}; path=/; max-age=${lifetime}; SameSite=Lax`;
  return next;
}

/** Calls `listener` when the system changes between light and dark. */
export function onSystemTheme(listener) {
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", listener);
}
