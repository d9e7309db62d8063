/* The checkout page, brought to life. The server writes every word of it: this script
   asks for the page's parts again when the payment has moved, and shows them. It owns
   only what moves by itself: the countdown, the freshness line, the copy buttons; the
   few words for that come with the page, in its language.

   What the live connection says is a reason to ask, never shown as it is: so a page
   that missed events, or heard of another payment to the same address, is right as
   soon as one request gets through. */
"use strict";
(() => {
  const REQUEST_MS = 10_000; // longest wait for an answer
  const CALM_MS = 30_000; // ask anyway this often while the connection is up
  const ALONE_MS = 5_000; // and this often while it is not, or when time is up
  const PATIENCE_MS = 1_500; // a shorter gap in the connection is not worth a word

  const $ = id => document.getElementById(id);
  let state = JSON.parse($("state").textContent);
  const { words } = state; // the answers that follow have none
  const { lang } = document.documentElement;
  const say = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  let clock = state.now - performance.now(); // the server's; ours may be wrong
  let asking = null; // the request under way
  let again = false; // something happened meanwhile
  let asked = performance.now(); // when the last answer was asked for
  let failed = false; // the last request
  let deafSince = performance.now(); // null while the connection is up
  let isOffline = false; // says the browser

  // A proxy may serve the node below a path: all ways begin at this page, /pay/<id>.
  const url = new URL("..", location.href).href;
  const bell = state.followed_by === null ? askingOnly() : new Paybell(state.followed_by, { url, since: position(state), check: newestSeq });
  /* A gateway's payment has no stream that strangers may hear: its page asks. */
  function askingOnly() {
    deafSince = null;
    return Object.assign(new EventTarget(), { live: false, start() {}, stop() {} });
  }
  function position({ epoch, seq }) {
    return `${epoch}-${seq}`;
  }

  const now = () => performance.now() + clock;

  function ask() {
    again = asking !== null;
    asking = asking ?? answer().finally(() => {
      asking = null;
      if (again) ask();
    });
    return asking;
  }

  async function answer() {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), REQUEST_MS);
    asked = performance.now();
    try {
      const options = { cache: "no-store", signal: abort.signal };
      const got = await fetch(`${encodeURIComponent(state.id)}.json?lang=${lang}`, options);
      if (!got.ok) throw new Error("status " + got.status);
      show(await got.json());
      failed = false;
    } catch {
      failed = true; // the next tick of the clock asks again
    } finally {
      clearTimeout(timer);
    }
    tick();
  }

  async function newestSeq() {
    await ask();
    if (failed) throw new Error("no answer");
    return state.seq;
  }

  function show(next) {
    const isAnew = next.epoch !== state.epoch; // a backup was restored
    if (next.seq < state.seq && !isAnew) return;
    const moved = next.seq !== state.seq || isAnew;
    const stageMoved = next.stage !== state.stage;
    state = next;
    clock = next.now - performance.now();
    if (!moved) return;
    const focused = document.activeElement?.id;
    const way = document.querySelector("input[name=way]:checked")?.id;
    for (const [name, html] of Object.entries(next.parts)) $(name).innerHTML = html;
    if (way && $(way)) $(way).checked = true; // the tab that the payer chose
    document.body.dataset.stage = next.stage;
    document.title = next.title;
    $("announcement").textContent = next.announcement;
    if (focused) $(focused)?.focus({ preventScroll: true });
    if (stageMoved && next.stage === "paid") scrollTo(0, 0);
    localTimes();
  }

  function localTimes() {
    for (const time of document.querySelectorAll("time[data-local]")) {
      const at = new Date(time.dateTime);
      const style = { dateStyle: "medium", timeStyle: "medium" };
      time.textContent = at.toLocaleString(lang, style);
    }
  }

  /* Once a second: the countdown, the freshness line, and asking when it is time. */
  function tick() {
    const isOver = countDown();
    const wait = bell.live && !failed && !isOver ? CALM_MS : ALONE_MS;
    if (document.visibilityState !== "hidden" && performance.now() - asked > wait) ask();
    freshness();
  }

  function countDown() {
    const place = $("countdown");
    if (!place) return false;
    const left = Math.ceil((Number(place.dataset.until) - now()) / 1000);
    put(place, left > 0 ? say("left", { time: duration(left) }) : place.dataset.over);
    place.classList.toggle("soon", left <= 120);
    return left <= 0;
  }

  const days = new Intl.NumberFormat(lang, { style: "unit", unit: "day", unitDisplay: "long" });

  function duration(seconds) {
    const two = number => String(number).padStart(2, "0");
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    const rest = two(seconds % 60);
    if (hours >= 48) return days.format(Math.floor(hours / 24));
    return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
  }

  function freshness() {
    const { live, since, standing, own } = state.source;
    const isDeaf = deafSince !== null && performance.now() - deafSince > PATIENCE_MS;
    if (isDeaf || failed) mark("lost", say(isOffline ? "offline" : "lost"));
    else if (deafSince !== null) return;
    else if (live) mark("live", say("live"));
    else if (own) mark("behind", say("late"));
    else if (standing === "behind") mark("behind", say("behind"));
    else if (since === null) mark("behind", say("no_data"));
    else {
      const lag = Math.max(0, Math.round((now() - since) / 1000));
      mark("behind", say("lag", { seconds: lag.toLocaleString(lang) }));
    }
  }

  function mark(link, text) {
    $("freshness").dataset.link = link;
    put($("freshness"), text);
  }

  function put(place, text) {
    if (place.textContent !== text) place.textContent = text;
  }

  async function copy(button) {
    button.dataset.label ??= button.textContent;
    let done = true;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      done = copyOldWay(button.dataset.copy); // no clipboard without https
    }
    put(button, say(done ? "copied" : "not_copied"));
    $("announcement").textContent = button.textContent;
    setTimeout(() => put(button, button.dataset.label), 2_000);
  }

  function copyOldWay(text) {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "unseen";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }

  document.addEventListener("click", event => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  for (const [target, name] of [[document, "visibilitychange"], [window, "online"], [window, "pageshow"]]) {
    target.addEventListener(name, event => {
      const isFirst = event.type === "pageshow" && !event.persisted;
      if (document.visibilityState !== "hidden" && !isFirst) ask();
    });
  }
  bell.addEventListener("state", ({ detail }) => {
    const isAnew = detail.epoch !== state.epoch;
    const isAnother = detail.created_at !== state.created_at;
    if (isAnother || detail.seq > state.seq || isAnew) ask();
  });
  bell.addEventListener("event", ask);
  bell.addEventListener("source", ({ detail }) => {
    if (state.source.own) return; // of this address less is known than of others
    if (state.address === null) return; // it has no chain
    const since = detail.since === null ? null : Date.parse(detail.since);
    state.source = { live: detail.live, since, standing: detail.standing };
    tick();
  });
  bell.addEventListener("link", ({ detail }) => {
    const isPushed = detail.live && detail.over !== "poll"; // else it is 5 s old
    deafSince = isPushed ? null : deafSince ?? performance.now();
    isOffline = detail.offline;
    if (!detail.live) ask();
    tick();
  });
  bell.start();
  setInterval(tick, 1_000);
  localTimes();
  tick();
})();
