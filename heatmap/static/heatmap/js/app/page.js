// The page: connects state, controls, feeds and views.

import { get, getJson } from "./api.js";
import { bindControls, choices, nextPalette, nextShare, showControls } from "./controls.js";
import { Covers } from "../view/covers.js";
import { DataStatus } from "../view/data_status.js";
import { ExplainPanel } from "../view/explain_panel.js";
import { Exporter } from "./exporter.js";
import { Feed } from "./feed.js";
import { minute } from "../core/format.js";
import { HeatmapView } from "../view/heatmap_view.js";
import { listenToKeys } from "./keyboard.js";
import { showHeatmapLevels, showMapLevels } from "../view/levels.js";
import { MapView } from "../view/map_view.js";
import { decode } from "../core/packed.js";
import { DATA_FIELDS, DATE_RANGE, HEATMAP, MAP, heatmapQuery, mapQuery } from "../core/queries.js";
import { State } from "../core/state.js";
import { showPairs, showStates } from "../view/symbols.js";
import { onSystemTheme } from "../view/theme.js";

const LOOK_FIELDS = ["side", "palette", "scale", "threshold", "candles"];
const VIEW_FIELDS = ["from", "to", "low", "high"];
const MAP_FIELDS = ["symbol", "end", "model", "history"];

const byId = (id) => document.getElementById(id);
const toAdmin = { label: "Open the admin", run: () => location.assign("/admin/") };
const offered = choices();
const state = new State(offered);
const covers = new Covers();
const status = new DataStatus(byId("status"));
const explain = new ExplainPanel(byId("explain"));
const heatmap = new HeatmapView({
  panel: byId("panel-heatmap"),
  onView: (view) => state.set(view, { replace: true }),
  onCell: (cell) => explain.open(state.values, heatmap.grid, cell),
});
const map = new MapView({
  panel: byId("panel-map"),
  onView: (range) => state.set(range, { replace: true }),
});
const exporter = new Exporter({ state, heatmap, map });

const feeds = {
  heatmap: new Feed({ ask: askHeatmap, show: showGrid, report: report("heatmap") }),
  map: new Feed({ ask: askMap, show: showMap, report: report("map") }),
};

async function askHeatmap(options) {
  const { values } = state;
  const asked = async (choice) => {
    const answer = await get(HEATMAP, heatmapQuery(values, choice), options);
    return answer && { etag: answer.etag, body: decode(answer.bytes) };
  };
  try {
    return await asked({});
  } catch (error) {
    // The page's own choice may be finer than the candles that are loaded.
    if (error.parameter !== "interval" || values.interval !== null) throw error;
    return asked({ automaticInterval: true });
  }
}

function askMap(options) {
  return getJson(MAP, mapQuery(state.values), options);
}

function showGrid(grid) {
  heatmap.current = grid.columns > 0;
  status.showMeta(grid.meta);
  showOpenInterest();
  if (heatmap.current) {
    heatmap.show(grid, state.values, state.values);
    document.body.dataset.cells = `${grid.columns} x ${grid.rows}`;
    requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("drawn")));
    showHeatmapLevels(heatmap);
    showControls(state.values, heatmap.threshold());
  } else {
    heatmap.empty = grid.meta;
  }
}

function showMap(answer) {
  map.current = answer.data.length > 0;
  map.empty = answer.meta;
  status.showMeta(answer.meta);
  showOpenInterest();
  if (map.current) {
    map.show(answer, state.values);
    showMapLevels(answer);
  }
}

async function showOpenInterest() {
  const { symbol } = state.values;
  const { body } = await getJson(DATE_RANGE, { symbol });
  const table = body.tables.find((one) => one.table === "open_interest_history");
  if (symbol === state.values.symbol) status.showOpenInterest(table ? Date.parse(table.last) : null);
}

/** Says how a feed goes; only the open tab's is heard. */
function report(tab) {
  return (kind, error) => {
    if (tab !== state.values.tab) return;
    document.body.dataset.state = kind;
    const again = { label: "Try again", run: () => feeds[tab].start() };
    if (kind === "loading") covers.loading(`${state.values.symbol}, ${state.values.window}`);
    else if (kind === "ready") sayReady(tab === "map" ? map : heatmap);
    else if (kind === "late") covers.note(lateness(error), remedy(error) ?? again);
    else covers.say(failure(error, remedy(error) ?? again));
  };
}

function sayReady(view) {
  if (view.current) {
    covers.clear();
    return;
  }
  document.body.dataset.state = "empty";
  covers.say(emptiness(view.empty));
}

function emptiness(meta) {
  const { symbol, window, end } = state.values;
  const title = `No data for ${symbol} in this window`;
  if (!meta.data_end) {
    const text = "Nothing is loaded for it yet. Data are loaded in the admin.";
    return { title, text, action: toAdmin };
  }
  const [from, to] = [meta.data_start, meta.data_end].map((text) => minute(Date.parse(text)));
  const newest = { label: "Show the newest data", run: () => state.set({ end: null }) };
  return {
    title,
    text: `${window}${end === null ? "" : ` until ${minute(end)} UTC`}\nData cover ${from} to ${to} UTC.`,
    action: end === null ? null : newest,
  };
}

function lateness(error) {
  if (error.kind === "outdated") return `${error.message} Reload it to go on.`;
  const reason = error.kind === "offline" ? "No connection to the server." : error.message;
  return `${reason} This is what was there last. Trying again.`;
}

function failure(error, action) {
  const titles = {
    offline: "No connection to the server",
    busy: "The server is busy",
    server: "The server failed",
    refused: "This can't be shown",
    outdated: "This page is out of date",
  };
  const text = error.kind === "offline" ? "It is tried again every few seconds." : error.message;
  return { title: titles[error.kind], text, action, spinning: error.kind === "busy" };
}

/** A way out of what asking again does not help; null where it may. */
function remedy(error) {
  if (error.kind === "outdated") return { label: "Reload", run: () => location.reload() };
  if (error.kind !== "refused") return null;
  const { symbol, interval } = state.values;
  const other = offered.symbols.find((name) => name !== symbol);
  if (error.status === 404 && other) {
    return { label: `Show ${other}`, run: () => state.set({ symbol: other }) };
  }
  if (error.status === 404) return toAdmin;
  if (interval === null) return null;
  return { label: "Choose the interval automatically", run: () => state.set({ interval: null }) };
}

/** What has to be done for changed fields of the state. */
function update(values, changed) {
  const any = (names) => names.some((name) => changed.has(name));
  const feed = feeds[values.tab];
  const fresh = any(values.tab === "map" ? MAP_FIELDS.concat("window") : DATA_FIELDS);
  if (changed.has("tab") || changed.has("symbol")) explain.close();
  if (any([...LOOK_FIELDS, "tab"]) && !fresh) heatmap.applyLook(values);
  showControls(values, heatmap.threshold());
  if (changed.has("tab")) switchFeeds(values.tab);
  else if (fresh) feed.start();
  else if (any(VIEW_FIELDS) && !heatmap.isAt(values)) heatmap.setView(values);
  if (any([...VIEW_FIELDS, "side", "tab"]) && values.tab === "map") map.applyLook(values);
  if (changed.has("symbol")) showSymbol(values.symbol);
}

function switchFeeds(tab) {
  for (const [name, feed] of Object.entries(feeds)) if (name !== tab) feed.stop();
  feeds[tab].start();
}

function showSymbol(symbol) {
  byId("title").textContent = `${symbol} liquidations`;
  document.title = `${symbol} liquidation heatmap`;
  showStates(byId("symbol"), byId("approval"), symbol);
}

function look() {
  heatmap.applyTheme();
  map.applyTheme();
}

function keys() {
  const set = (changes) => () => state.set(changes);
  const view = () => (state.values.tab === "map" ? map : heatmap);
  const step = (by) => () =>
    state.set({ threshold: nextShare(heatmap.threshold(), by) }, { replace: true });
  return {
    ArrowLeft: ({ shiftKey }) => view().pan(shiftKey ? -0.5 : -0.1),
    ArrowRight: ({ shiftKey }) => view().pan(shiftKey ? 0.5 : 0.1),
    ArrowUp: (event) => onChart(event) && heatmap.panPrices(event.shiftKey ? 0.5 : 0.1),
    ArrowDown: (event) => onChart(event) && heatmap.panPrices(event.shiftKey ? -0.5 : -0.1),
    "+": () => view().zoom(0.8),
    "=": () => view().zoom(0.8),
    "-": () => view().zoom(1.25),
    0: set({ from: null, to: null, low: null, high: null }),
    "[": step(-2),
    "]": step(2),
    b: set({ side: "both" }),
    l: set({ side: "long" }),
    x: set({ side: "short" }),
    c: () => state.set({ candles: state.values.candles === "on" ? "off" : "on" }),
    p: () => state.set({ palette: nextPalette(state.values.palette) }),
    m: () => state.set({ tab: state.values.tab === "map" ? "heatmap" : "map" }),
    r: () => feeds[state.values.tab].again(),
    s: () => exporter.picture(),
    "?": () => byId("help").showModal(),
    Escape: () => {
      explain.close();
      byId("menu").open = false;
    },
  };
}

/** Elsewhere these keys scroll the page. */
function onChart({ target }) {
  return Boolean(target.closest?.("#chart"));
}

function start() {
  bindControls(state, { onLook: look, threshold: () => heatmap.threshold() });
  onSystemTheme(look);
  listenToKeys(keys());
  byId("refresh").addEventListener("click", () => feeds[state.values.tab].again());
  byId("pairs-button").addEventListener("click", () => {
    showPairs(byId("pairs-body"));
    byId("pairs").showModal();
  });
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  exporter.bind();
  state.onChange(update);
  showControls(state.values, heatmap.threshold());
  if (matchMedia("(max-width: 760px), (max-height: 500px)").matches) byId("settings").open = false;
  if (offered.symbols.length || new URLSearchParams(location.search).has("symbol")) {
    history.replaceState(null, "", state.url());
    showSymbol(state.values.symbol);
    feeds[state.values.tab].start();
  } else {
    document.body.dataset.state = "empty";
    covers.say({
      title: "No symbol is enabled yet",
      text: "Enable one in the admin, and load its candles and open interest.",
      action: toAdmin,
    });
  }
}

start();
