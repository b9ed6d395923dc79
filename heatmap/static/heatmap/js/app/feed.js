// Keeps one answer of the API up to date: asks, asks again now and then whether it has changed, and
// tells how that goes.

import { ApiError } from "./api.js";

const POLL_MS = 20_000;
const RETRY_MS = { busy: 1_500, offline: 5_000, server: 15_000 };

export class Feed {
  /**
   * `ask({etag, signal})` gives {etag, body}, or null where nothing changed; `show(body)` gets every
   * new body; `report(state, error)` hears "loading", "ready", "late" (what is shown could not be
   * renewed) and "failed" (there is nothing to show).
   */
  constructor({ ask, show, report }) {
    Object.assign(this, { ask, show, report });
    this.stop();
    addEventListener("online", () => this.again());
    document.addEventListener("visibilitychange", () => this.again());
  }

  /** Starts anew, with other parameters. */
  start() {
    this.stop();
    this.running = true;
    this.report("loading");
    return this.renew();
  }

  stop() {
    this.running = false;
    this.etag = null;
    this.shown = false;
    this.abort?.abort();
    clearTimeout(this.timer);
  }

  /** Asks now whether there is something new. */
  again() {
    if (this.running && !document.hidden) this.renew();
  }

  async renew() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    let pause = POLL_MS;
    try {
      const answer = await this.ask({ etag: this.etag, signal });
      if (signal.aborted) return;
      if (answer) {
        this.show(answer.body);
        this.etag = answer.etag;
        this.shown = true;
      }
      this.report("ready");
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      if (!(error instanceof ApiError)) throw error;
      pause = RETRY_MS[error.kind] ?? POLL_MS;
      this.report(this.shown ? "late" : "failed", error);
    }
    this.timer = setTimeout(() => this.tick(), pause);
  }

  tick() {
    if (document.hidden) return; // visibilitychange asks again
    this.renew();
  }
}
