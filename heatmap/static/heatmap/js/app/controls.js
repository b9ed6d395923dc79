// The form controls: they show the state and change it.

import { fits, usesAllData } from "../core/queries.js";
import { PALETTE_NAMES } from "../core/state.js";
import { candleChoice, chooseCandles, nextTheme, theme } from "../view/theme.js";

const byId = (id) => document.getElementById(id);
const RADIOS = ["palette", "side", "scale"];
const SELECTS = ["symbol", "window", "interval", "model", "history"];
const LEAST_THRESHOLD = 0.001;

/** What the server offers: the values of the selects in the page. */
export function choices() {
  const valuesOf = (id) => [...byId(id).options].map(({ value }) => value).filter(Boolean);
  const symbols = valuesOf("symbol");
  return {
    symbol: symbols.includes("BTCUSDT") ? "BTCUSDT" : (symbols[0] ?? "BTCUSDT"),
    symbols,
    windows: valuesOf("window"),
    window: document.body.dataset.defaultWindow,
    intervals: valuesOf("interval"),
    models: valuesOf("model"),
  };
}

/** `onLook` is called when what is not in the URL changes: theme and colours of the candles. */
export function bindControls(state, { onLook, threshold }) {
  for (const id of SELECTS) {
    byId(id).addEventListener("change", ({ target }) => {
      const changes = withoutZoom(id, { [id]: target.value || null });
      const { window, interval } = { ...state.values, ...changes };
      state.set(fits(interval, window) ? changes : { ...changes, interval: null });
    });
  }
  for (const id of RADIOS) {
    byId(id).addEventListener("change", ({ target }) => state.set({ [id]: target.value }));
  }
  byId("candles").addEventListener("change", ({ target }) => {
    state.set({ candles: target.checked ? "on" : "off" });
  });
  byId("end").addEventListener("change", ({ target }) => {
    const end = target.value ? Date.parse(`${target.value}Z`) : null;
    state.set(withoutZoom("end", { end }));
  });
  byId("end-now").addEventListener("click", () => state.set(withoutZoom("end", { end: null })));
  bindThreshold(state, threshold);
  bindTabs(state);
  bindTheme(onLook);
}

/** Another market or another time is another picture: the zoom was for the last one. */
function withoutZoom(id, changes) {
  if (id === "symbol") return { ...changes, low: null, high: null };
  if (id === "window" || id === "end") {
    return { ...changes, from: null, to: null, low: null, high: null };
  }
  return changes;
}

function bindThreshold(state, threshold) {
  const slider = byId("threshold");
  slider.addEventListener("input", () => {
    state.set({ threshold: shareAt(Number(slider.value)) }, { replace: true });
  });
  byId("threshold-auto").addEventListener("click", () => {
    state.set({ threshold: state.values.threshold === null ? threshold() : null });
  });
}

/** The slider is finer where the shares are small: most levels are far below the largest. */
export function shareAt(position) {
  return Math.max(Number(((position / 100) ** 2).toPrecision(2)), LEAST_THRESHOLD);
}

/** The threshold a step of the slider further. */
export function nextShare(share, by) {
  const position = Math.round(Math.sqrt(share) * 100) + by;
  return shareAt(Math.min(Math.max(position, 1), 100));
}

function bindTabs(state) {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  for (const tab of tabs) {
    tab.addEventListener("click", () => state.set({ tab: tab.dataset.tab }));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = tabs.find((one) => one !== tab);
      state.set({ tab: other.dataset.tab });
      other.focus();
    });
  }
}

function bindTheme(onLook) {
  const button = byId("theme");
  const name = () => {
    button.title = `Theme: ${theme()}`;
    button.setAttribute("aria-label", `Theme: ${theme()}`);
  };
  name();
  button.addEventListener("click", () => {
    nextTheme();
    name();
    onLook();
  });
  const box = byId("colour-blind");
  box.checked = candleChoice() === "blue-orange";
  box.addEventListener("change", () => {
    chooseCandles(box.checked ? "blue-orange" : "green-red");
    onLook();
  });
}

/** Brings the controls in line with the state. */
export function showControls(values, threshold) {
  for (const id of SELECTS) showSelect(byId(id), values[id] ?? "");
  for (const id of RADIOS) {
    for (const radio of byId(id).querySelectorAll("input")) {
      radio.checked = radio.value === values[id];
    }
  }
  byId("candles").checked = values.candles === "on";
  byId("end").value = values.end === null ? "" : new Date(values.end).toISOString().slice(0, 16);
  byId("end-now").hidden = values.end === null;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const selected = tab.dataset.tab === values.tab;
    tab.setAttribute("aria-selected", String(selected));
    tab.tabIndex = selected ? 0 : -1;
    byId(`panel-${tab.dataset.tab}`).hidden = !selected;
  }
  for (const control of document.querySelectorAll("[data-for]")) {
    control.hidden = control.dataset.for !== values.tab;
  }
  byId("window").hidden = values.tab === "map" && usesAllData(values);
  showThreshold(values.threshold ?? threshold, values.threshold === null);
}

export function showThreshold(share, automatic) {
  byId("threshold").value = String(Math.round(Math.sqrt(share) * 100));
  byId("threshold-value").textContent = share < 0.1 ? share.toFixed(3) : share.toFixed(2);
  byId("threshold-auto").setAttribute("aria-pressed", String(automatic));
}

/** A symbol of the URL may be one that is not enabled; it is shown as it is. */
function showSelect(select, value) {
  if (![...select.options].some((option) => option.value === value)) {
    select.add(new Option(value, value));
  }
  select.value = value;
}

export function nextPalette(palette) {
  return PALETTE_NAMES[(PALETTE_NAMES.indexOf(palette) + 1) % PALETTE_NAMES.length];
}
