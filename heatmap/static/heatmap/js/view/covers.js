// What is said instead of a chart, or above it: loading, no data, errors, no connection.

const PATIENCE_MS = 200;

export class Covers {
  constructor() {
    const part = (name) => document.getElementById(name);
    this.cover = part("cover");
    this.spinner = part("cover-spinner");
    this.title = part("cover-title");
    this.text = part("cover-text");
    this.action = part("cover-action");
    this.notice = part("notice");
    this.noticeText = part("notice-text");
    this.noticeAction = part("notice-action");
  }

  clear() {
    clearTimeout(this.timer);
    this.cover.hidden = true;
    this.notice.hidden = true;
  }

  /** After a moment, so that a quick answer does not flicker. */
  loading(what) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.fill({ title: `Loading ${what}`, spinning: true });
    }, PATIENCE_MS);
  }

  /** `action`: {label, run}; `solid` hides the chart behind it. */
  say({ title, text = "", action = null, solid = true, spinning = false }) {
    clearTimeout(this.timer);
    this.notice.hidden = true;
    this.fill({ title, text, action, solid, spinning });
  }

  fill({ title, text = "", action = null, solid = false, spinning = false }) {
    this.cover.hidden = false;
    this.cover.classList.toggle("solid", solid);
    this.spinner.hidden = !spinning;
    this.title.textContent = title;
    this.text.textContent = text;
    offer(this.action, action);
  }

  /** A line above the chart, which stays. */
  note(text, action = null) {
    clearTimeout(this.timer);
    this.cover.hidden = true;
    this.notice.hidden = false;
    this.noticeText.textContent = text;
    offer(this.noticeAction, action);
  }
}

function offer(button, action) {
  button.hidden = !action;
  if (!action) return;
  button.textContent = action.label;
  button.onclick = action.run;
}
