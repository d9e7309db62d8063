/* What is done again and again while a page is looked at, and what is loaded on demand. */

import { h } from "./dom.mjs";

/* Calls fn at once and then every `ms`, until `signal`; not while the tab is hidden, nor
   while the last call is under way. What it throws is shown on the page until the next
   call that succeeds; the first call's is thrown. */
export async function every(ms, fn, signal) {
  await fn();
  if (signal.aborted) return; // left just then: nothing would stop the timer
  const note = h("p", { class: "wrong stale", role: "status" });
  const timer = setInterval(async () => {
    if (document.hidden || note.busy) return;
    note.busy = true;
    try {
      await fn();
      note.remove();
    } catch (error) {
      if (signal.aborted) return;
      note.textContent = `What is shown may be old. ${error.message}`;
      document.getElementById("outlet").prepend(note);
    } finally {
      note.busy = false;
    }
  }, ms);
  signal.addEventListener("abort", () => { clearInterval(timer); note.remove(); });
}

let loading = null;

/* uPlot's constructor; its style sheet is on the page. */
export function uplot() {
  loading ??= new Promise((resolve, reject) => {
    const script = h("script", { src: document.body.dataset.uplot,
      onload: () => resolve(window.uPlot), onerror: () => {
        loading = null;
        reject(new Error("The charts could not be loaded. Please try again."));
      } });
    document.head.append(script);
  });
  return loading;
}
