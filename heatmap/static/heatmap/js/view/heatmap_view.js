// The heatmap tab: chart, legend, slider and tooltip over one grid.

import { colourTable, spreadOf } from "../core/colour_table.js";
import { aboutUsd, minute, price, span } from "../core/format.js";
import { Legend } from "./legend.js";
import { priceOf, rowOf, sideCodes, valueOf } from "../core/packed.js";
import { cssColour } from "../core/palettes.js";
import { PriceChart } from "./price_chart.js";
import { RangeSlider } from "./range_slider.js";
import { Raster } from "./raster.js";
import { Tooltip } from "./tooltip.js";

const SETTLED_MS = 250;

export class HeatmapView {
  /** `onView({from, to, low, high})` hears of zoom and pan, `onCell({time, price,
   * across})` of clicks, `across` being the share of the width. */
  constructor({ panel, onView, onCell }) {
    this.grid = null;
    this.look = null;
    this.panel = panel;
    this.chart = new PriceChart(panel.querySelector("#chart"));
    this.legend = new Legend(panel.querySelector("#legend"));
    this.tooltip = new Tooltip(panel.querySelector("#tooltip"));
    this.slider = new RangeSlider(panel.querySelector("#range"), {
      onInput: (shares) => this.chart.setVisibleShares(shares),
      label: (share) => (this.grid ? minute(this.chart.timeAt(share * this.grid.columns)) : ""),
    });
    this.onView = onView;
    this.listen(onCell);
  }

  listen(onCell) {
    const { chart } = this.chart;
    chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.moved());
    chart.subscribeCrosshairMove((event) => this.point(event));
    chart.subscribeClick((event) => {
      const cell = this.cellAt(event);
      if (cell) onCell({ ...cell, across: event.point.x / chart.timeScale().width() });
    });
    // The library tells nothing of changes of the price axis.
    const container = this.panel.querySelector("#chart");
    for (const name of ["pointerup", "wheel", "touchend", "dblclick"]) {
      container.addEventListener(name, () => this.moved(), { passive: true });
    }
    new ResizeObserver(() => this.alignSlider()).observe(container);
  }

  /** A new grid; what is in view stays, unless `view` says something else. */
  show(grid, look, view) {
    const before = this.grid && grid.meta.symbol === this.grid.meta.symbol ? this.grid : null;
    this.grid = grid;
    const followed = this.following(view, before);
    this.quiet(() => {
      this.chart.setGrid(grid);
      this.applyLook(look, { renewed: true });
      this.chart.setView(followed);
    });
    this.slider.setValues(grid.candles.close);
    this.alignSlider();
    if (followed !== view) this.onView(followed);
  }

  /** A view that ends at the newest column goes on to do so when there are newer ones. */
  following(view, before) {
    if (view.to === null || !before) return view;
    const end = (grid) => grid.firstTime + (grid.columns - 1) * grid.step;
    const by = end(this.grid) - end(before);
    if (by <= 0 || view.to < end(before)) return view;
    const { low, high } = view;
    return { from: view.from + by, to: view.to + by, low, high };
  }

  /** `look`: {side, palette, scale, threshold, candles} of the state. */
  applyLook(look, { renewed = false } = {}) {
    const { grid } = this;
    const before = this.look;
    this.look = look;
    this.chart.showCandles(look.candles === "on");
    if (!grid) return;
    if (renewed || look.side !== before?.side) {
      this.codes = sideCodes(grid, look.side);
      this.spread = spreadOf(this.codes, grid, this.firstRows());
      this.raster = new Raster(this.codes, grid.columns, grid.rows);
    }
    const { maximum } = this.spread;
    const top = maximum * this.threshold() || 1;
    this.raster.paint(colourTable(grid, look.palette, look.scale, top));
    this.chart.showHeat(this.raster, this.gaps(), cssColour(look.palette, 0));
    this.legend.show({ ...look, top, maximum });
  }

  /** The rows of the prices that are in view at first: {first, end}. */
  firstRows() {
    const { low, high } = this.chart.firstPrices();
    const { firstPrice, binSize, rows } = this.grid;
    const row = (value) => Math.min(Math.max((value - firstPrice) / binSize, 0), rows);
    return { first: Math.floor(row(low)), end: Math.ceil(row(high)) };
  }

  /** The threshold in force, chosen or automatic. */
  threshold() {
    return this.look?.threshold ?? this.spread?.threshold ?? 1;
  }

  pan(share) {
    this.chart.pan(share);
  }

  panPrices(share) {
    this.chart.panPrices(share);
    this.moved();
  }

  zoom(factor) {
    this.chart.zoom(factor);
  }

  setView(view) {
    this.quiet(() => this.chart.setView(view));
  }

  /** Whether the chart shows this view already, to a bar and to a pixel or so. */
  isAt(wanted) {
    const view = this.chart.view();
    const near = (a, b, most) => (a === null || b === null ? a === b : Math.abs(a - b) <= most);
    if (!view) return false;
    return (
      near(view.from, wanted.from, this.grid.step) &&
      near(view.to, wanted.to, this.grid.step) &&
      near(view.low, wanted.low, this.grid.binSize) &&
      near(view.high, wanted.high, this.grid.binSize)
    );
  }

  applyTheme() {
    this.chart.applyTheme();
    this.slider.draw();
    if (this.look) this.applyLook(this.look);
  }

  gaps() {
    const column = (text) => this.chart.columnAt(Date.parse(text));
    // Without a volume only the turnover is off: the levels are there, so nothing is hatched.
    return this.grid.meta.gaps
      .filter(({ kind }) => kind !== "volume")
      .map(({ start, end, kind }) => ({ kind, from: column(start), to: column(end) }))
      .map((gap) => ({
        ...gap,
        from: Math.max(gap.from, 0),
        to: Math.min(gap.to, this.grid.columns),
      }))
      .filter(({ from, to }) => to > from);
  }

  /** Changes the view without telling of it: it is the state that asked. */
  quiet(change) {
    this.silent = true;
    change();
    // The chart applies a new range with its next frame.
    clearTimeout(this.settled);
    this.settled = setTimeout(() => {
      this.silent = false;
      this.alignSlider();
    }, SETTLED_MS);
    this.alignSlider();
  }

  moved() {
    this.slider.setRange(this.chart.visibleShares());
    if (this.silent) return;
    clearTimeout(this.settled);
    this.settled = setTimeout(() => {
      this.alignSlider();
      const view = this.chart.view();
      if (view) this.onView(view);
    }, SETTLED_MS);
  }

  /** The slider ends where the price axis begins, which grows with its prices after they are drawn. */
  alignSlider() {
    const axis = this.chart.chart.priceScale("right").width();
    if (axis) this.panel.style.setProperty("--axis", `${axis}px`);
    this.slider.setRange(this.chart.visibleShares());
  }

  /** {column, row, time, price} under the pointer; null beside the grid. */
  cellAt({ point, logical }) {
    if (!point || logical === undefined || logical === null || !this.grid) return null;
    const column = Math.round(logical);
    const at = this.chart.series.coordinateToPrice(point.y);
    const row = at === null ? -1 : rowOf(at, this.grid);
    if (row < 0 || column < 0 || column >= this.grid.columns) return null;
    const time = this.grid.firstTime + column * this.grid.step;
    return { column, row, time, price: priceOf(row, this.grid) };
  }

  point(event) {
    const cell = this.cellAt(event);
    if (!cell) {
      this.tooltip.hide();
      this.legend.point(null);
      return;
    }
    const { grid } = this;
    const at = cell.row * grid.columns + cell.column;
    const [long, short] = [grid.long, grid.short].map((codes) => valueOf(codes[at], grid));
    this.legend.point(valueOf(this.codes[at], grid));
    const amounts = grid.meta.calibration ? "expected" : "open";
    this.tooltip.show(event.point, `${span(cell.time - grid.step, cell.time)} UTC`, [
      ["Price", `${price(cell.price, grid.binSize)} – ${price(cell.price + grid.binSize, grid.binSize)}`],
      [`Longs, ${amounts}`, `${aboutUsd(long)} USD`, "long"],
      [`Shorts, ${amounts}`, `${aboutUsd(short)} USD`, "short"],
      ...this.candleLines(cell.column),
    ]);
  }

  candleLines(column) {
    const { open, high, low, close } = this.grid.candles;
    const missing = this.gaps().filter(({ from, to }) => column + 1 > from && column < to);
    const lines = missing.map(({ kind }) => ["No data", kind.replace("_", " ")]);
    if (Number.isNaN(close[column])) return lines;
    const tick = this.chart.series.options().priceFormat.minMove;
    return [
      ...lines,
      ["Open", price(open[column], tick)],
      ["High", price(high[column], tick)],
      ["Low", price(low[column], tick)],
      ["Close", price(close[column], tick)],
    ];
  }
}
