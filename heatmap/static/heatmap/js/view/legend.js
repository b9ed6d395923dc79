// The colour scale beside the chart, with the amounts at its ends and a mark at the pointer's.

import { amountOf, shareOf } from "../core/colour_table.js";
import { aboutUsd } from "../core/format.js";
import { PALETTE_NAMES } from "../core/state.js";

export class Legend {
  constructor(root) {
    this.root = root;
    const part = (name) => root.querySelector(`#legend-${name}`);
    [this.top, this.bar, this.max, this.mark, this.bottom] = [
      "top",
      "scale",
      "max",
      "mark",
      "bottom",
    ].map(part);
    this.shown = null;
  }

  /** `top`: the amount from which on the colour is the brightest; `maximum` of what is shown. */
  show({ palette, scale, top, maximum }) {
    this.shown = { top, scale };
    this.bar.classList.remove(...PALETTE_NAMES);
    this.bar.classList.add(palette);
    this.top.textContent = top < maximum ? `≥ ${aboutUsd(top)}` : aboutUsd(top);
    this.bottom.textContent = scale === "log" ? `≤ ${aboutUsd(amountOf(0, top, "log"))}` : "0";
    this.max.textContent = `max\n${aboutUsd(maximum)}`;
    this.root.setAttribute(
      "aria-label",
      `Colours from ${this.bottom.textContent} to ${aboutUsd(top)} USD; the maximum is ${aboutUsd(maximum)} USD`,
    );
  }

  /** Marks an amount; null takes the mark away. */
  point(value) {
    this.mark.hidden = value === null || !this.shown;
    if (this.mark.hidden) return;
    const share = shareOf(value, this.shown.top, this.shown.scale);
    this.mark.style.setProperty("--at", `${share * 100}%`);
  }
}
