// The map tab: what would be liquidated at each price now, by leverage, and summed up from the price.

import { percent, price, roundUsd, usd } from "../core/format.js";
import { barsOf, colourOf, rowsBetween, ticks, usualRange } from "../core/map_bars.js";
import { RangeSlider } from "./range_slider.js";
import { themeColours } from "./theme.js";
import { Tooltip } from "./tooltip.js";

const MARGIN = { left: 64, right: 64, top: 30, bottom: 24 };
const NARROW = { left: 46, right: 46, top: 30, bottom: 24 };

export class MapView {
  /** `onView({low, high})` hears of another price range; nulls mean the usual one. */
  constructor({ panel, onView }) {
    this.panel = panel;
    this.canvas = panel.querySelector("#map-chart");
    this.names = panel.querySelector("#map-legend");
    this.tooltip = new Tooltip(panel.querySelector("#map-tooltip"));
    this.answer = null;
    this.onView = onView;
    this.slider = new RangeSlider(panel.querySelector("#map-range"), {
      onInput: (shares) => onView(this.pricesOf(shares)),
      label: (share) => (this.answer?.data.length ? price(this.priceAt(share), 1) : ""),
    });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.tooltip.hide());
  }

  show(answer, look) {
    this.answer = answer;
    this.slider.setValues(
      answer.data.map(({ long, short }) => [...long, ...short].reduce((sum, one) => sum + one, 0)),
    );
    this.showNames();
    this.applyLook(look);
  }

  /** `look`: {side, low, high} of the state. */
  applyLook(look) {
    this.look = look;
    if (!this.answer?.data.length) return;
    const usual = usualRange(this.answer);
    this.range = { low: look.low ?? usual.low, high: look.high ?? usual.high };
    this.slider.setRange({
      from: this.shareAt(this.range.low),
      to: this.shareAt(this.range.high),
    });
    this.draw();
  }

  applyTheme() {
    if (this.answer) this.showNames();
    this.slider.draw();
    this.draw();
  }

  extent() {
    const { data, meta } = this.answer;
    return { low: data[0].price, high: data.at(-1).price + meta.price_bin_size };
  }

  priceAt(share) {
    const { low, high } = this.extent();
    return low + share * (high - low);
  }

  shareAt(value) {
    const { low, high } = this.extent();
    return Math.min(Math.max((value - low) / (high - low), 0), 1);
  }

  pricesOf({ from, to }) {
    return { low: this.priceAt(from), high: this.priceAt(to) };
  }

  /** [name, colour] of the curves and of the bars' parts. */
  namedColours() {
    const { leverages = [] } = this.answer.meta;
    const colours = themeColours();
    return [
      ["Cumulative longs", colours.long],
      ["Cumulative shorts", colours.short],
      ...leverages.map((leverage, i) => [`${leverage}x`, colourOf(i, leverages.length)]),
    ];
  }

  /** Moves by a share of the prices in view, or makes them more or fewer around their middle. */
  pan(share) {
    if (!this.range) return;
    const { low, high } = this.range;
    const extent = this.extent();
    const step = Math.min(Math.max((high - low) * share, extent.low - low), extent.high - high);
    this.onView({ low: low + step, high: high + step });
  }

  zoom(factor) {
    if (!this.range) return;
    const { low, high } = this.range;
    const extent = this.extent();
    const middle = (low + high) / 2;
    const half = Math.max(((high - low) / 2) * factor, 2 * this.answer.meta.price_bin_size);
    this.onView({ low: Math.max(middle - half, extent.low), high: Math.min(middle + half, extent.high) });
  }

  showNames() {
    this.names.replaceChildren(
      ...this.namedColours().map(([name, colour]) => {
        const entry = document.createElement("span");
        const square = document.createElement("i");
        square.style.setProperty("--colour", colour);
        entry.append(square, name);
        return entry;
      }),
    );
  }

  draw() {
    const ratio = devicePixelRatio;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !height || !this.range) return;
    Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    this.layout = this.laidOut(width, height);
    drawMap(context, this.layout, this.answer.meta, this.look.side);
  }

  laidOut(width, height) {
    const margin = width < 600 ? NARROW : MARGIN;
    const { low, high } = this.range;
    const step = this.answer.meta.price_bin_size;
    const inner = { width: width - margin.left - margin.right };
    inner.height = height - margin.top - margin.bottom;
    const rows = rowsBetween(this.answer, low, high);
    const bars = barsOf(rows, step, inner.width, this.look.side);
    const most = (of) => bars.reduce((largest, bar) => Math.max(largest, of(bar)), 0);
    const { meta } = this.answer;
    const sums = {
      long: (bar) => (bar.low < meta.price ? bar.cumulativeLong : 0),
      short: (bar) => (bar.high > meta.price ? bar.cumulativeShort : 0),
    };
    const left = ticks(most((bar) => bar.total));
    const right = ticks(most((bar) => Math.max(sums.long(bar), sums.short(bar))));
    return {
      ...{ margin, inner, bars, left, right, width, height },
      x: (value) => margin.left + ((value - low) / (high - low)) * inner.width,
      priceAt: (x) => low + ((x - margin.left) / inner.width) * (high - low),
      y: (value, scale) => margin.top + inner.height * (1 - value / scale.at(-1)),
    };
  }

  point(event) {
    if (!this.layout) return;
    const at = { x: event.offsetX, y: event.offsetY };
    const value = this.layout.priceAt(at.x);
    const bar = this.layout.bars.find(({ low, high }) => value >= low && value < high);
    if (!bar) {
      this.tooltip.hide();
      return;
    }
    const { meta } = this.answer;
    const step = meta.price_bin_size;
    this.tooltip.show(at, `${price(bar.low, step)} – ${price(bar.high, step)}`, [
      ["From the price", percent((bar.low + bar.high) / 2 / meta.price - 1, 2)],
      ...meta.leverages
        .map((leverage, i) => [`${leverage}x`, `${usd(bar.amounts[i])} USD`])
        .filter((_, i) => bar.amounts[i] > 0),
      bar.high <= meta.price
        ? ["Longs down to here", `${usd(bar.cumulativeLong)} USD`, "long"]
        : ["Shorts up to here", `${usd(bar.cumulativeShort)} USD`, "short"],
    ]);
  }
}

function drawMap(context, layout, meta, side) {
  const colours = themeColours();
  context.font = `12px ${colours.font}`;
  drawAxes(context, layout, meta, colours);
  context.save();
  context.beginPath();
  context.rect(layout.margin.left, 0, layout.inner.width, layout.height);
  context.clip();
  drawBars(context, layout, meta.leverages.length);
  const below = layout.bars.filter((bar) => bar.low < meta.price);
  const above = layout.bars.filter((bar) => bar.high > meta.price);
  if (side !== "short") drawCurve(context, layout, below, "cumulativeLong", "low", colours.long);
  if (side !== "long") drawCurve(context, layout, above, "cumulativeShort", "high", colours.short);
  context.restore();
  drawPrice(context, layout, meta, colours);
}

function drawAxes(context, layout, meta, colours) {
  const { margin, inner, x, y, left, right } = layout;
  context.strokeStyle = colours.border;
  context.fillStyle = colours.text;
  context.textBaseline = "middle";
  for (const [scale, align, at] of [
    [left, "right", margin.left - 6],
    [right, "left", margin.left + inner.width + 6],
  ]) {
    context.textAlign = align;
    for (const value of scale) context.fillText(roundUsd(value), at, y(value, scale));
  }
  context.beginPath();
  for (const value of left) {
    context.moveTo(margin.left, Math.round(y(value, left)) + 0.5);
    context.lineTo(margin.left + inner.width, Math.round(y(value, left)) + 0.5);
  }
  context.stroke();
  drawPrices(context, layout, meta, x);
}

function drawPrices(context, { margin, inner, priceAt, height }, meta, x) {
  const [low, high] = [priceAt(margin.left), priceAt(margin.left + inner.width)];
  const step = ticks(high - low, Math.max(Math.floor(inner.width / 90), 2))[1];
  context.textAlign = "center";
  context.textBaseline = "bottom";
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
    context.fillText(price(value, Math.min(step, 1)), x(value), height - 4);
  }
}

function drawBars(context, { bars, x, y, left }, count) {
  for (const bar of bars) {
    const from = x(bar.low);
    const width = Math.max((x(bar.high) - from) * 0.82, 1);
    let base = 0;
    bar.amounts.forEach((amount, i) => {
      if (!amount) return;
      context.fillStyle = colourOf(i, count);
      context.fillRect(from, y(base + amount, left), width, y(base, left) - y(base + amount, left));
      base += amount;
    });
  }
}

function drawCurve(context, { x, y, right }, bars, sum, edge, colour) {
  if (!bars.length) return;
  context.beginPath();
  for (const bar of bars) context.lineTo(x(bar[edge]), y(bar[sum], right));
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.stroke();
  context.lineTo(x(bars.at(-1)[edge]), y(0, right));
  context.lineTo(x(bars[0][edge]), y(0, right));
  context.globalAlpha = 0.1;
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
}

function drawPrice(context, { margin, inner, x }, meta, colours) {
  const at = Math.round(x(meta.price)) + 0.5;
  if (at < margin.left || at > margin.left + inner.width) return;
  context.strokeStyle = colours.text;
  context.lineWidth = 1.5;
  context.setLineDash([6, 4]);
  context.beginPath();
  context.moveTo(at, margin.top - 6);
  context.lineTo(at, margin.top + inner.height);
  context.stroke();
  context.setLineDash([]);
  context.fillStyle = colours.text;
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText(`Price ${price(meta.price, 0.1)}`, at, margin.top - 8);
}
