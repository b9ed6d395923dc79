// Keeps a page up to date, such as a run's: once a second, or as often as the page says, it asks for
// the page's fragments of HTML and puts those that changed in place, until the run has ended.
"use strict";

(() => {
  const INTERVAL_SECONDS = 1;

  const shown = new Map();

  function replaceFragments(fragments) {
    const focused = document.activeElement?.id;
    for (const [name, html] of Object.entries(fragments)) {
      if (shown.get(name) === html) continue;
      shown.set(name, html);
      document.getElementById(`fragment-${name}`).innerHTML = html;
    }
    if (focused && document.activeElement?.id !== focused) {
      document.getElementById(focused)?.focus();
    }
  }

  async function update(url) {
    if (document.hidden) return false;
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (response.redirected || response.status === 403 || response.status === 404) return true;
    if (!response.ok) return false;
    const answer = await response.json();
    replaceFragments(answer.fragments);
    return answer.ended;
  }

  async function watch(url, seconds) {
    let ended = false;
    while (!ended) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
      ended = await update(url).catch(() => false); // the server may be back a second later
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const page = document.querySelector("[data-progress-url]");
    const seconds = Number(page?.dataset.progressSeconds) || INTERVAL_SECONDS;
    if (page) watch(page.dataset.progressUrl + location.search, seconds);
  });
})();
