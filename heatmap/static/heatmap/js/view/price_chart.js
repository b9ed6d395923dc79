// The chart: candles, price and time axes, zoom and pan by lightweight-charts, and the heat below.

import {
  CandlestickSeries,
  ColorType,
  CrosshairMode,
  LineStyle,
  TickMarkType,
  createChart,
} from "../../../vendor/lightweight-charts/5.2.1/lightweight-charts.standalone.production.mjs";
import { dayOfMonth, decimalsOf, minute, month } from "../core/format.js";
import { HeatPrimitive } from "./heat_primitive.js";
import { candleColours, themeColours } from "./theme.js";

const INVISIBLE = "rgba(0, 0, 0, 0)";

/** How far beyond the candles the prices go at first, as a share, for windows up to so many hours. */
const REACH = [
  [12, 0.03],
  [24, 0.045],
  [48, 0.06],
  [72, 0.07],
  [168, 0.1],
  [336, 0.13],
  [Infinity, 0.16],
];

export class PriceChart {
  constructor(container) {
    this.container = container;
    this.grid = null;
    this.chart = createChart(container, options());
    this.series = this.chart.addSeries(CandlestickSeries, {
      autoscaleInfoProvider: (original) => this.reaching(original()),
      // The library's own label follows the last bar in view, not the last price.
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.priceLine = this.series.createPriceLine({ price: 0, lineWidth: 1, lineStyle: LineStyle.Dashed });
    this.heat = new HeatPrimitive();
    this.series.attachPrimitive(this.heat);
    this.reach = 0;
  }

  /** New data. The view is set apart, by `fit` or `setView`. */
  setGrid(grid) {
    this.grid = grid;
    const hours = (grid.columns * grid.step) / 3_600_000;
    this.reach = REACH.find(([most]) => hours <= most * 1.01)[1];
    const { open, high, low, close } = grid.candles;
    const bars = Array.from({ length: grid.columns }, (_, i) => {
      const bar = { time: (grid.firstTime - grid.step) / 1000 + (i * grid.step) / 1000 };
      if (Number.isNaN(close[i])) return bar;
      return { ...bar, open: open[i], high: high[i], low: low[i], close: close[i] };
    });
    const tick = tickOf(close);
    this.series.applyOptions({
      priceFormat: { type: "price", precision: decimalsOf(tick), minMove: tick },
    });
    this.series.setData(bars);
    const last = lastOf(close);
    const known = last !== undefined;
    this.priceLine.applyOptions({ price: last ?? 0, lineVisible: known, axisLabelVisible: known });
  }

  /** The prices that are in view at first, with all columns: {low, high}. */
  firstPrices() {
    const { low, high } = this.grid.candles;
    const known = (values) => values.filter((value) => !Number.isNaN(value));
    const least = known(low).reduce((a, b) => Math.min(a, b), Infinity);
    const most = known(high).reduce((a, b) => Math.max(a, b), -Infinity);
    return { low: least * (1 - this.reach), high: most * (1 + this.reach) };
  }

  showHeat(raster, gaps, empty) {
    this.heat.show(this.grid, raster, gaps, empty);
  }

  showCandles(shown) {
    const colours = shown ? candleColours() : { up: INVISIBLE, down: INVISIBLE };
    this.series.applyOptions({
      upColor: colours.up,
      wickUpColor: colours.up,
      downColor: colours.down,
      wickDownColor: colours.down,
      borderVisible: false,
    });
    this.priceLine.applyOptions({ color: candleColours().price });
  }

  applyTheme() {
    this.chart.applyOptions(themeOptions());
  }

  fit() {
    this.chart.timeScale().fitContent();
    this.chart.priceScale("right").setAutoScale(true);
  }

  /** What is in view: instants in ms, prices null while they follow the candles; null for all.
   * The library's range {from, to} shows the bars `from` and `to` in full. */
  view() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (!range || !this.grid) return null;
    const whole = range.from <= 0 && range.to >= this.grid.columns - 1;
    const scale = this.chart.priceScale("right");
    const prices = scale.options().autoScale ? null : scale.getVisibleRange();
    return {
      from: whole ? null : this.timeAt(range.from),
      to: whole ? null : this.timeAt(range.to + 1),
      low: prices?.from ?? null,
      high: prices?.to ?? null,
    };
  }

  setView({ from, to, low, high }) {
    const time = this.chart.timeScale();
    if (from === null || to === null || to <= from) time.fitContent();
    else time.setVisibleLogicalRange({ from: this.columnAt(from), to: this.columnAt(to) - 1 });
    const scale = this.chart.priceScale("right");
    if (low === null || high === null || high <= low) scale.setAutoScale(true);
    else scale.setVisibleRange({ from: low, to: high });
  }

  /** The visible columns as a range of shares of all of them, for the slider. */
  visibleShares() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (!range || !this.grid) return { from: 0, to: 1 };
    const share = (column) => Math.min(Math.max(column / this.grid.columns, 0), 1);
    return { from: share(range.from), to: share(range.to + 1) };
  }

  setVisibleShares({ from, to }) {
    const { columns } = this.grid;
    this.chart.timeScale().setVisibleLogicalRange({ from: from * columns, to: to * columns - 1 });
  }

  /** Moves by a share of what is visible, or makes that larger or smaller around its middle. */
  pan(share) {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (!range) return;
    const most = this.grid.columns - 1 - range.to;
    const least = -range.from;
    const step = Math.min(Math.max((range.to - range.from) * share, least), most);
    this.chart.timeScale().setVisibleLogicalRange({ from: range.from + step, to: range.to + step });
  }

  panPrices(share) {
    const scale = this.chart.priceScale("right");
    const range = scale.getVisibleRange();
    if (!range) return;
    const step = (range.to - range.from) * share;
    scale.setVisibleRange({ from: range.from + step, to: range.to + step });
  }

  zoom(factor) {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (!range) return;
    const middle = (range.from + range.to) / 2;
    const half = Math.max(((range.to - range.from) / 2) * factor, 2);
    this.chart.timeScale().setVisibleLogicalRange({
      from: Math.max(middle - half, 0),
      to: Math.min(middle + half, this.grid.columns - 1),
    });
  }

  /** Bars stand at the open of their candle. To a second, as it is written in the address. */
  timeAt(index) {
    return Math.round((this.grid.firstTime + (index - 1) * this.grid.step) / 1000) * 1000;
  }

  columnAt(time) {
    return (time - this.grid.firstTime) / this.grid.step + 1;
  }

  reaching(info) {
    if (!info) return info;
    const { minValue, maxValue } = info.priceRange;
    return {
      ...info,
      priceRange: {
        minValue: minValue * (1 - this.reach),
        maxValue: maxValue * (1 + this.reach),
      },
    };
  }
}

function options() {
  return {
    autoSize: true,
    rightPriceScale: { scaleMargins: { top: 0, bottom: 0 }, borderVisible: false },
    timeScale: {
      timeVisible: true,
      secondsVisible: false,
      borderVisible: false,
      minBarSpacing: 0.02,
      tickMarkFormatter: timeMark,
      fixLeftEdge: true,
      fixRightEdge: true,
    },
    grid: { vertLines: { visible: false }, horzLines: { visible: false } },
    localization: {
      locale: "en-GB",
      timeFormatter: (seconds) => `${minute(seconds * 1000)} UTC`,
      tickmarksPriceFormatter: axisPrices,
    },
    handleScale: { axisDoubleClickReset: true },
    ...themeOptions(),
  };
}

function themeOptions() {
  const colours = themeColours();
  const line = { color: colours.crosshair, labelBackgroundColor: colours.label };
  return {
    layout: {
      background: { type: ColorType.Solid, color: colours.surface },
      textColor: colours.text,
      fontFamily: colours.font,
      fontSize: 12,
      attributionLogo: false,
    },
    crosshair: { mode: CrosshairMode.Normal, vertLine: line, horzLine: line },
  };
}

/** The axis' own prices with no more decimals than they differ by. */
function axisPrices(prices) {
  const sorted = [...prices].sort((a, b) => a - b);
  const step = sorted.length > 1 ? sorted[1] - sorted[0] : 1;
  return prices.map((value) => value.toFixed(decimalsOf(Math.max(Number(step.toPrecision(2)), 1e-10))));
}

/** A day with its month; null leaves a mark to the library. */
function timeMark(seconds, type) {
  if (type === TickMarkType.Month) return month(seconds * 1000);
  return type === TickMarkType.DayOfMonth ? dayOfMonth(seconds * 1000) : null;
}

function lastOf(closes) {
  return closes.findLast((value) => !Number.isNaN(value));
}

/** The step of prices: they get about six digits. */
function tickOf(closes) {
  const close = lastOf(closes) ?? 1;
  return 10 ** Math.min(Math.ceil(Math.log10(close)) - 6, 0);
}
