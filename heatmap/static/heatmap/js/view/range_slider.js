// A strip with a curve of everything and two handles around what is in view.

import { themeColours } from "./theme.js";

const LEAST = 0.01;
const STEP = 0.02;

export class RangeSlider {
  /** `root` holds a canvas and two handles (role slider); `onInput` gets {from, to} in 0..1. */
  constructor(root, { onInput, label }) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.window = root.querySelector(".range-window");
    this.handles = [...root.querySelectorAll("[role=slider]")];
    this.onInput = onInput;
    this.label = label;
    this.values = [];
    this.range = { from: 0, to: 1 };
    this.handles.forEach((handle, i) => {
      handle.addEventListener("pointerdown", (event) => this.drag(event, i));
      handle.addEventListener("keydown", (event) => this.key(event, i));
    });
    this.window.addEventListener("pointerdown", (event) => this.drag(event, null));
    new ResizeObserver(() => this.draw()).observe(root);
  }

  setValues(values) {
    this.values = values;
    this.draw();
  }

  setRange(range) {
    this.range = range;
    const { style } = this.root;
    style.setProperty("--from", `${range.from * 100}%`);
    style.setProperty("--to", `${range.to * 100}%`);
    this.handles.forEach((handle, i) => {
      const share = i ? range.to : range.from;
      handle.setAttribute("aria-valuenow", String(Math.round(share * 100)));
      handle.setAttribute("aria-valuetext", this.label(share));
    });
  }

  drag(event, which) {
    event.preventDefault();
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    const start = { x: event.clientX, ...this.range };
    const width = this.canvas.clientWidth;
    const move = (moved) => {
      const by = (moved.clientX - start.x) / width;
      if (which === null) this.shift(start, by);
      else this.moveHandle(which, (which ? start.to : start.from) + by);
    };
    target.addEventListener("pointermove", move);
    const end = () => target.removeEventListener("pointermove", move);
    target.addEventListener("pointerup", end, { once: true });
    target.addEventListener("pointercancel", end, { once: true });
  }

  shift(start, by) {
    const step = Math.min(Math.max(by, -start.from), 1 - start.to);
    this.input({ from: start.from + step, to: start.to + step });
  }

  moveHandle(which, to) {
    const { range } = this;
    if (which) this.input({ ...range, to: Math.min(Math.max(to, range.from + LEAST), 1) });
    else this.input({ ...range, from: Math.max(Math.min(to, range.to - LEAST), 0) });
  }

  key(event, which) {
    const now = which ? this.range.to : this.range.from;
    const steps = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP };
    let to = null;
    if (event.key in steps) to = now + steps[event.key];
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = 1;
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.moveHandle(which, to);
  }

  input(range) {
    this.setRange(range);
    this.onInput(range);
  }

  draw() {
    const ratio = devicePixelRatio;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !height) return;
    Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const { values } = this;
    const [low, high] = extent(values);
    if (!(high > low)) return;
    const colours = themeColours();
    const x = (i) => (i / (values.length - 1)) * width;
    const y = (value) => height - 3 - ((value - low) / (high - low)) * (height - 8);
    context.beginPath();
    context.moveTo(0, height);
    for (let i = 0; i < values.length; i += 1) {
      if (!Number.isNaN(values[i])) context.lineTo(x(i), y(values[i]));
    }
    context.lineTo(width, height);
    context.globalAlpha = 0.25;
    context.fillStyle = colours.accent;
    context.fill();
    context.globalAlpha = 0.9;
    context.strokeStyle = colours.accent;
    context.stroke();
  }
}

function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
