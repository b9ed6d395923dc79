// A picture of the chart with what one must know to read it written into it.

import { colourAt } from "../core/palettes.js";
import { themeColours } from "./theme.js";

const PADDING = 16;
const LINE = 20;
const LEGEND_WIDTH = 84;

/**
 * A canvas with `picture` (a canvas in screen pixels) below `title` and `lines`, `footer` below it,
 * a colour scale on its left if `legend` ({palette, top, bottom, max}) is given, and a last line of
 * coloured squares above it if `names` ([name, colour]) are.
 */
export function framed(picture, { title, lines, footer, legend = null, names = [] }) {
  const ratio = devicePixelRatio;
  const left = legend ? LEGEND_WIDTH : PADDING;
  const lineCount = lines.length + (names.length ? 1 : 0);
  const head = PADDING + 28 + lineCount * LINE;
  const size = frameSize(picture, lineCount, Boolean(legend));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, size);
  const context = canvas.getContext("2d");
  const colours = themeColours();
  context.fillStyle = colours.surface;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, left * ratio, head * ratio);
  context.scale(ratio, ratio);
  context.textBaseline = "top";
  write(context, title, PADDING, PADDING, `bold 18px ${colours.font}`, colours.text);
  lines.forEach((line, i) => {
    write(context, line, PADDING, PADDING + 28 + i * LINE, `13px ${colours.font}`, colours.muted);
  });
  writeNames(context, names, head - LINE, colours);
  const height = picture.height / ratio;
  write(context, footer, PADDING, head + height + 8, `12px ${colours.font}`, colours.muted);
  if (legend) drawLegend(context, legend, head, height - 30, colours);
  return canvas;
}

/** {width, height} in pixels of the frame around `picture`. */
export function frameSize(picture, lineCount, hasLegend) {
  const ratio = devicePixelRatio;
  const left = hasLegend ? LEGEND_WIDTH : PADDING;
  return {
    width: Math.round(picture.width + (left + PADDING) * ratio),
    height: Math.round(picture.height + (2 * PADDING + 28 + lineCount * LINE + LINE) * ratio),
  };
}

function write(context, text, x, y, font, colour) {
  context.font = font;
  context.fillStyle = colour;
  context.textAlign = "left";
  context.fillText(text, x, y);
}

function writeNames(context, names, y, colours) {
  let x = PADDING;
  for (const [name, colour] of names) {
    context.fillStyle = colour;
    context.fillRect(x, y + 1, 11, 11);
    write(context, name, x + 16, y, `13px ${colours.font}`, colours.text);
    x += Math.ceil(16 + context.measureText(name).width + 18);
  }
}

function drawLegend(context, { palette, top, bottom, max }, head, height, colours) {
  const [x, y, bar] = [PADDING + 10, head + 18, height - 62];
  const gradient = context.createLinearGradient(0, y + bar, 0, y);
  for (let i = 0; i <= 9; i += 1) {
    gradient.addColorStop(i / 9, `rgb(${colourAt(palette, i / 9).join(" ")})`);
  }
  context.fillStyle = gradient;
  context.fillRect(x, y, 26, bar);
  const font = `12px ${colours.font}`;
  write(context, top, PADDING - 6, head, font, colours.text);
  write(context, bottom, PADDING - 6, y + bar + 4, font, colours.muted);
  write(context, max, PADDING - 6, y + bar + 22, font, colours.muted);
}

export function toPng(canvas) {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
