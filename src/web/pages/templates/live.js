// Keeps a page up to date: when the controller says that something has changed, the page is
// fetched again, and the parts that differ are exchanged. Forms, focus, scroll positions and
// what is folded open stay. Without this script every page works, and shows what was known
// when it was made.
"use strict";
(() => {
  const body = document.body;
  const state = document.getElementById("link-state");
  if (!window.EventSource || !body.dataset.version) return;

  const APART = 1000; // milliseconds between two fetches
  let shown = Number(body.dataset.version);
  let known = shown;
  let last = 0;
  let timer = 0;
  let isFetching = false;

  function say(text, isLive) {
    if (!state) return;
    state.hidden = false;
    if (state.textContent !== text) state.textContent = text;
    state.classList.toggle("live", isLive);
  }

  // What the reader has done to a part of the page, by the element's id or place.
  function keep(part) {
    const open = [...part.querySelectorAll("details")].map((details) => details.open);
    const scrolled = [...part.querySelectorAll(".scroll, pre")].map((box) => [box.scrollLeft, box.scrollTop]);
    const active = document.activeElement;
    let focus = -1;
    if (part.contains(active)) focus = focusable(part).indexOf(active);
    const href = focus >= 0 && active.getAttribute("href");
    return (now) => {
      now.querySelectorAll("details").forEach((details, i) => { if (i in open) details.open = open[i]; });
      now.querySelectorAll(".scroll, pre").forEach((box, i) => {
        if (i in scrolled) [box.scrollLeft, box.scrollTop] = scrolled[i];
      });
      if (focus < 0) return;
      const all = focusable(now);
      const same = href && all.find((element) => element.getAttribute("href") === href);
      const target = same || all[focus] || document.getElementById("main");
      target.focus({ preventScroll: true });
    };
  }

  function focusable(part) {
    return [...part.querySelectorAll("a[href], button, input, select, summary, [tabindex]")];
  }

  function exchange(fresh) {
    const parts = [...document.querySelectorAll("[data-live]")];
    const ids = (root) => [...root.querySelectorAll("[data-live]")].map((part) => part.id).join(" ");
    if (ids(document) !== ids(fresh)) {
      const main = document.getElementById("main");
      const busy = main.contains(document.activeElement) && document.activeElement.matches("input, select");
      // Somebody is writing: the parts that both pages have are exchanged.
      if (!busy) parts.splice(0, parts.length, main);
    }
    for (const part of parts) {
      const other = fresh.getElementById(part.id);
      if (!other || part.outerHTML === other.outerHTML) continue;
      const restore = keep(part);
      const selection = String(document.getSelection());
      if (selection && document.getSelection().containsNode(part, true)) continue;
      if (!part.querySelector("[role=status]")) {
        part.replaceChildren(...other.childNodes);
        restore(part);
        continue;
      }
      // A region that is read aloud has to stay in the page for that.
      const old = part.querySelector("[role=status]");
      const text = other.querySelector("[role=status]");
      const heard = text && text.textContent;
      if (text) text.replaceWith(old);
      part.replaceChildren(...other.childNodes);
      if (heard !== null && old.textContent !== heard) old.textContent = heard;
      restore(part);
    }
    document.title = fresh.title;
    body.dataset.version = fresh.body.dataset.version;
    body.dataset.running = fresh.body.dataset.running;
  }

  async function refresh() {
    timer = 0;
    if (isFetching || document.hidden) return;
    isFetching = true;
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        shown = Number(fresh.body.dataset.version);
        exchange(fresh);
      }
    } catch {
      // The event stream tells when the controller is back.
    } finally {
      isFetching = false;
      if (known > shown) soon();
    }
  }

  function soon() {
    if (timer || document.hidden) return;
    timer = setTimeout(refresh, Math.max(0, last + APART - Date.now()));
  }

  const events = new EventSource("/live");
  events.onopen = () => say("live", true);
  events.onerror = () => say("not connected", false);
  events.addEventListener("version", (event) => {
    known = Number(event.data);
    // While bytes move the same version comes again: progress has no version of its own.
    if (known !== shown || body.dataset.running === "true") soon();
  });
  document.addEventListener("visibilitychange", () => { if (known !== shown) soon(); });
  addEventListener("pagehide", () => events.close());
})();
