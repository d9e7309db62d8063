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
  const STREAM_MS = 10_000; // the same of an event stream, which no ping can prove
  const PATIENCE_MS = 1_500; // a shorter gap in the connection is not worth a word
  const PULSE_MS = 5_000; // after so long a silence a WebSocket is pinged
  const PONG_MS = 3_000; // longest wait for its answer, and for one that is overdue
  const SOON_S = 120; // the countdown is loud from here on
  const ENDED = ["paid", "late", "expired", "cancelled", "failed"];

  const $ = id => document.getElementById(id);
  let state = JSON.parse($("state").textContent);
  const { words, frames } = state; // the answers that follow have none
  const { lang } = document.documentElement;
  const say = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  let clock = state.now - performance.now(); // the server's; ours may be wrong
  const shown = {}; // the parts as they came last
  let asking = null; // the request under way
  let again = false; // something happened meanwhile
  let asked = performance.now(); // when the last answer was asked for
  let failed = false; // the last request
  let deafSince = performance.now(); // null while the connection is up
  let wasSoon = false; // the last minutes were told

  /* Says "Live" only while somebody answers: a hung server keeps its sockets open. */
  class Line extends Paybell {
    pulse() {
      const { _line: line, _heard: heard } = this;
      const isQuiet = performance.now() - heard >= PULSE_MS && heard !== this.pinged;
      if (!this._pushed || !line.say || !isQuiet || isHidden()) return;
      this.pinged = heard; // once per silence
      line.say({ type: "ping" });
      setTimeout(() => {
        if (this._line === line && this._heard === heard && !isHidden()) this._lost();
      }, PONG_MS);
    }
  }
  const isHidden = () => document.visibilityState === "hidden";

  // A proxy may serve the node below a path: all ways begin at this page, /pay/<id>.
  const url = new URL("..", location.href).href;
  const bell = state.followed_by === null ? askingOnly() : new Line(state.followed_by, { url, since: position(state), check: newestSeq });
  /* A gateway's payment has no stream that strangers may hear: its page asks. */
  function askingOnly() {
    deafSince = null;
    return Object.assign(new EventTarget(), { live: false, start() {}, stop() {}, pulse() {} });
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
    // Without an event a way to pay may end, as its invoice does, and an offer of one
    // come and go, as the shop's Lightning account does.
    const waysMoved = next.ways !== state.ways || next.offers_rest !== state.offers_rest;
    const moved = next.seq !== state.seq || isAnew || waysMoved;
    const stageMoved = next.stage !== state.stage;
    state = next;
    clock = next.now - performance.now();
    if (!moved) return;
    replaceParts(next.parts);
    document.body.dataset.stage = next.stage;
    document.title = next.title;
    announce(next.announcement);
    if (stageMoved) arrive(next.stage);
    localTimes();
    tellFrame();
  }

  /* A part that says something else becomes a new element: what is new does not shift.
     What the payer opened and chose stays so, and the focus never falls to the body. */
  function replaceParts(parts) {
    const focused = document.activeElement;
    const kept = [...document.querySelectorAll("details[open], input:checked")];
    for (const [name, html] of Object.entries(parts)) {
      if (shown[name] === html) continue;
      shown[name] = html;
      const part = $(name).cloneNode(false);
      part.innerHTML = html;
      $(name).replaceWith(part);
    }
    for (const { id } of kept) {
      if ($(id)) $(id)[$(id).localName === "details" ? "open" : "checked"] = true;
    }
    if (!focused || focused.isConnected) return;
    const again = focused.id && $(focused.id);
    (again || $("headline")).focus({ preventScroll: true });
    if (document.activeElement === document.body) $("headline").focus({ preventScroll: true });
  }

  function arrive(stage) {
    const { top, bottom } = $("headline").getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) scrollTo(0, 0);
    document.body.classList.toggle("arrives", stage === "paid");
    if (stage === "paid" && $("sound")?.checked) chime();
  }

  /* The same twice ("Copied") is said twice. */
  function announce(text) {
    const place = $("announcement");
    if (place.textContent !== text) return put(place, text);
    place.textContent = "";
    requestAnimationFrame(() => put(place, place.textContent || text));
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
    const calm = bell.over === "sse" ? STREAM_MS : CALM_MS;
    const wait = bell.live && !failed && !isOver ? calm : ALONE_MS;
    if (!isHidden() && performance.now() - asked > wait) ask();
    bell.pulse();
    freshness();
  }

  function countDown() {
    const place = $("countdown");
    if (!place) return false;
    const left = Math.ceil((Number(place.dataset.until) - now()) / 1000);
    const text = left > 0 ? say("left", { time: duration(left) }) : place.dataset.over;
    put(place, text);
    const isSoon = left <= SOON_S;
    place.classList.toggle("soon", isSoon);
    if (isSoon && !wasSoon && left > 0) announce(text);
    wasSoon = isSoon;
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
    const { live, own } = state.source;
    const isDeaf = deafSince !== null && performance.now() - deafSince > PATIENCE_MS;
    // Of a stream only an answer shows that somebody is there.
    const isOverdue = asking && bell.over === "sse" && performance.now() - asked > PONG_MS;
    if (ENDED.includes(state.stage)) mark("ended", "");
    else if (navigator.onLine === false) mark("lost", say("offline"));
    else if (isDeaf || failed || isOverdue) mark("lost", say("lost"));
    else if (deafSince !== null) return;
    else if (live) mark("live", say("live"));
    else mark("behind", say(own ? "late" : "behind"));
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
    announce(button.textContent);
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
    // No page is told whether a wallet took a link. So what else to do is said at once.
    const hint = event.target.closest(".wallet")?.nextElementSibling;
    if (hint?.hidden) {
      hint.hidden = false;
      announce(hint.textContent);
    }
  });

  /* Two notes, if the payer asked for them. Browsers let a page sound only after a touch. */
  let audio = null;
  function chime() {
    audio ??= new AudioContext();
    for (const [at, pitch] of [[0, 659.26], [0.14, 987.77]]) {
      const [start, tone, volume] = [audio.currentTime + at, audio.createOscillator(), audio.createGain()];
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.0001, start);
      volume.gain.exponentialRampToValueAtTime(0.2, start + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.7);
      tone.connect(volume).connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.7);
    }
  }
  $("sound")?.addEventListener("change", ({ target }) => target.checked && chime());
  for (const [target, name] of [[document, "visibilitychange"], [document, "resume"], [window, "online"], [window, "pageshow"]]) {
    target.addEventListener(name, event => {
      const isFirst = event.type === "pageshow" && !event.persisted;
      if (!isHidden() && !isFirst) ask();
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
    if (!detail.live) ask();
    tick();
    if (deafSince !== null) setTimeout(tick, PATIENCE_MS + 10);
  });
  /* In a frame: a page that the shop has named, and that says hello, is told how the
     payment stands (paybell-checkout.js). */
  let framedBy = null;
  function tellFrame() {
    const { id, stage, status } = state;
    const said = { type: "paybell:state", id, stage, status, isPaid: stage === "paid" };
    if (framedBy) parent.postMessage(said, framedBy);
  }
  window.addEventListener("message", ({ source, origin, data }) => {
    if (source !== parent || data?.type !== "paybell:hello" || !frames.includes(origin)) return;
    framedBy = origin;
    tellFrame();
  });

  window.addEventListener("offline", tick);
  bell.start();
  setInterval(tick, 1_000);
  localTimes();
  tick();
})();
