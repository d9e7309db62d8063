/* What happens on the node, as it happens: one stream of /v1/events for all pages.

   It goes on from the last event that was read, whatever became of the connection, the
   node or this device in between. Events are handed on once a frame, all at once, however
   many come; a page that is hidden is told four times a second. */

import { api, base, problemOf } from "./api.mjs";
import { loginAgain } from "./session.mjs";

const [FIRST_RETRY_MS, LAST_RETRY_MS] = [500, 15_000];
const SILENT_MS = 25_000; // the node says something every 15 s
const HIDDEN_MS = 250;

const followers = new Set();
const watchers = new Set();
let state = "connecting";
let cursor = null; // of the last event that was handed on, or is waiting to be
let waiting = [];
let flushing = 0;
let attempt = null; // AbortController of the connection
let heardAt = 0;
let wake = null; // ends the pause between two attempts

/* fn(events), and fn(null) where events were missed: what is shown is to be read anew. */
export function follow(fn, signal) {
  followers.add(fn);
  signal?.addEventListener("abort", () => followers.delete(fn));
}

export function onLink(fn, signal) {
  watchers.add(fn);
  signal?.addEventListener("abort", () => watchers.delete(fn));
  fn(state);
}

/* Before anything is read that events will change: so that none is missed in between. */
export async function prime() {
  try {
    cursor = await newest({ isLogin: true });
  } catch { /* run() tries again, and has all pages read anew */ }
}

const newest = async (options = {}) => (await api("v1/events",
  { query: { after: "newest", limit: 1 }, ...options })).next;

export function start() {
  addEventListener("online", retryNow);
  addEventListener("offline", () => { attempt?.abort(); is("offline"); });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { flush(); return; }
    if (Date.now() - heardAt > SILENT_MS) retryNow(); // frozen in between
  });
  setInterval(() => {
    if (state === "live" && Date.now() - heardAt > SILENT_MS) attempt?.abort();
  }, 1_000);
  run();
}

function retryNow() {
  attempt?.abort();
  wake?.();
}

function is(next) {
  if (next === state) return;
  state = next;
  for (const fn of watchers) fn(state);
}

async function run() {
  let pauseMs = FIRST_RETRY_MS;
  for (;;) {
    attempt = new AbortController();
    try {
      if (cursor === null) {
        cursor = await newest();
        tell(null);
      }
      await listen(attempt.signal, () => { pauseMs = FIRST_RETRY_MS; });
    } catch (error) {
      if (error.status === 401) { await loginAgain(); continue; }
      if (error.status === 410) { // a restored database, or we were away for too long
        cursor = null;
        continue;
      }
    }
    is(navigator.onLine ? "connecting" : "offline");
    await new Promise(resolve => {
      wake = resolve;
      setTimeout(resolve, pauseMs * (0.8 + 0.4 * Math.random()));
    });
    pauseMs = Math.min(2 * pauseMs, LAST_RETRY_MS);
  }
}

async function listen(signal, onOpen) {
  const got = await fetch(new URL("v1/events", base), { signal, cache: "no-store",
    credentials: "same-origin",
    headers: { Accept: "text/event-stream", "Last-Event-ID": cursor } });
  if (!got.ok) throw problemOf(got, await got.text());
  onOpen();
  heardAt = Date.now();
  is("live");
  const reader = got.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heardAt = Date.now();
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) take(block);
  }
}

function take(block) {
  let text = "";
  let id = null;
  for (const line of block.split("\n")) {
    if (line.startsWith("data: ")) text += line.slice(6);
    else if (line.startsWith("id: ")) id = line.slice(4);
  }
  if (!text || id === null) return; // a comment, or how soon to come again
  cursor = id;
  waiting.push(JSON.parse(text));
  if (flushing) return;
  flushing = document.hidden ? setTimeout(flush, HIDDEN_MS) : requestAnimationFrame(flush);
}

function flush() {
  flushing = 0;
  const events = waiting;
  waiting = [];
  if (events.length) tell(events);
}

function tell(events) {
  for (const fn of followers) {
    try {
      fn(events);
    } catch (error) { // one page's mistake is not another's
      reportError(error);
    }
  }
}
