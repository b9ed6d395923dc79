// The menu's exports: a picture, the numbers as CSV or JSON, a link to exactly this view.

import { amountOf } from "../core/colour_table.js";
import { aboutUsd, minute } from "../core/format.js";
import { csvOf, jsonOf, mapCsvOf, save, seenPart } from "../core/downloads.js";
import { framed, toPng } from "../view/snapshot.js";

const byId = (id) => document.getElementById(id);

export class Exporter {
  constructor({ state, heatmap, map }) {
    Object.assign(this, { state, heatmap, map });
  }

  bind() {
    const menu = byId("menu");
    const click = (id, run) => byId(id).addEventListener("click", run);
    click("snapshot", () => this.picture());
    click("download-csv", () => this.csv());
    click("download-json", () => this.json());
    click("copy-link", () => this.copyLink());
    document.addEventListener("click", ({ target }) => {
      // What became of the link is said in the menu.
      if (!target.closest("#menu > summary, #copy-link")) menu.open = false;
    });
  }

  get onMap() {
    return this.state.values.tab === "map";
  }

  async picture() {
    const canvas = this.onMap ? this.mapPicture() : this.heatmapPicture();
    if (canvas) save(this.name("png"), await toPng(canvas));
  }

  csv() {
    if (this.onMap) {
      if (this.map.answer) save(this.name("csv"), mapCsvOf(this.map.answer));
      return;
    }
    const { grid, chart } = this.heatmap;
    if (grid) save(this.name("csv"), csvOf(grid, seenPart(grid, chart), this.state.values.side));
  }

  json() {
    if (this.onMap) {
      const { answer } = this.map;
      const type = "application/json";
      if (answer) save(this.name("json"), new Blob([JSON.stringify(answer)], { type }));
      return;
    }
    const { grid, chart } = this.heatmap;
    if (grid) save(this.name("json"), jsonOf(grid, seenPart(grid, chart), this.state.values.side));
  }

  /** The address with the end of the window in it, so that it shows the same tomorrow. */
  async copyLink() {
    const { values } = this.state;
    const shown = this.onMap ? this.map.answer : this.heatmap.grid;
    const end = values.end ?? (shown && Date.parse(shown.meta.data_end));
    const url = new URL(this.state.url({ ...values, end }), location.href);
    const button = byId("copy-link");
    try {
      await navigator.clipboard.writeText(url.href);
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser refused; copy the address instead";
      this.state.set({ end });
    }
    setTimeout(() => (button.textContent = "Copy a link to this view"), 3000);
  }

  name(ending) {
    const { symbol, tab, window } = this.state.values;
    const meta = (this.onMap ? this.map.answer : this.heatmap.grid)?.meta ?? {};
    const at = (meta.end_time ?? meta.time ?? "").slice(0, 16).replace(/[-:]/g, "");
    const parts = [symbol, tab, this.onMap ? "" : window, at && `${at}Z`];
    return `${parts.filter(Boolean).join("-")}.${ending}`;
  }

  heatmapPicture() {
    const { grid, chart, look, spread } = this.heatmap;
    if (!grid) return null;
    const { symbol, window, side, palette, scale } = this.state.values;
    const { meta } = grid;
    const top = spread.maximum * this.heatmap.threshold();
    const range = chart.chart.timeScale().getVisibleLogicalRange();
    const [from, to] = [Math.max(range.from, 0), Math.min(range.to + 1, grid.columns)];
    return framed(chart.chart.takeScreenshot(), {
      title: `${symbol} liquidation heatmap, ${window}`,
      lines: [
        `${minute(chart.timeAt(from))} to ${minute(chart.timeAt(to))} UTC, columns of ${meta.interval}, price buckets of ${grid.binSize}`,
        `${this.modelLine(meta)}; ${{ both: "longs and shorts", long: "longs", short: "shorts" }[side]}; threshold ${this.heatmap.threshold()}, ${palette}, ${scale}${look.candles === "on" ? "" : ", without candles"}`,
      ],
      footer: footer(),
      legend: {
        palette,
        top: `${this.heatmap.threshold() < 1 ? "≥ " : ""}${aboutUsd(top)}`,
        bottom: scale === "log" ? `≤ ${aboutUsd(amountOf(0, top, "log"))}` : "0",
        max: `max ${aboutUsd(spread.maximum)}`,
      },
    });
  }

  mapPicture() {
    const { answer, canvas } = this.map;
    if (!answer?.data.length) return null;
    const { meta } = answer;
    return framed(canvas, {
      title: `${this.state.values.symbol} liquidation map`,
      lines: [
        `${minute(Date.parse(meta.time))} UTC, price ${meta.price}, price buckets of ${meta.price_bin_size}`,
        this.modelLine(meta),
      ],
      names: this.map.namedColours(),
      footer: footer(),
    });
  }

  modelLine({ model }) {
    const mix = model.leverage_weights.map(({ leverage, weight }) => `${leverage}x ${Math.round(weight * 100)}%`);
    const opened = document.querySelector("#history").selectedOptions[0].text;
    return `model ${model.name}: ${mix.join(", ")}; positions opened in ${opened}`;
  }
}

function footer() {
  return `liqheat, estimated from Binance USD-M data; made ${minute(Date.now())} UTC`;
}
