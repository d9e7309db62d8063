/* The line to the node: how the accounts stand and what a bitcoin is worth (`/ws/pos`),
   and what happens to any of the shop's payments (`/v1/events`).

   A tablet sleeps, and a line that was cut meanwhile looks open. So both are opened anew
   whenever the page comes back, and while it is awake the node is asked now and then
   whether it is there: what does not answer is not "ready". */

import { base, call, session } from "./api.mjs";

const [FIRST_RETRY_MS, LAST_RETRY_MS] = [500, 15_000];
const OPENING_MS = 10_000;
const ASK_MS = 10_000;
const PATIENCE_MS = 8_000; // it is answered from memory
const TICK_MS = 5_000;
const ASLEEP_MS = 15_000; // a tick that comes so much late: the page was frozen

/* Tells of: "till" ({accounts, rate, now}), "link" (whether it is up), "event" (of a
   payment), "fresh" (events may have been missed: what they would have told is to be
   read), "out" (the session is over). */
export class Link extends EventTarget {
  is_up = false;
  #socket = null;
  #events = null;
  #retry = 0;
  #retry_ms = FIRST_RETRY_MS;
  #cursor = null;
  #asked = 0;
  #ticked = Date.now();

  start(cursor) {
    this.#cursor = cursor;
    const wake = ({ type, persisted }) => {
      if (type === "offline") return this.#set(false);
      if (type === "pageshow" && !persisted) return undefined;
      return document.visibilityState === "hidden" ? undefined : this.again();
    };
    for (const name of ["online", "offline", "pageshow"]) addEventListener(name, wake);
    for (const name of ["visibilitychange", "resume"]) document.addEventListener(name, wake);
    setInterval(() => this.#tick(), TICK_MS);
    this.#renew();
  }

  /* Open both lines anew, now. What was asked for before a sleep may be lost. */
  again() {
    this.#renew();
    this.#tell("fresh");
  }

  #renew() {
    clearTimeout(this.#retry);
    this.#retry_ms = FIRST_RETRY_MS;
    this.#open();
    this.#follow();
    this.#ask();
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #set(is_up) {
    if (this.is_up === is_up) return;
    this.is_up = is_up;
    this.#tell("link", is_up);
  }

  #open() {
    if (this.#socket) {
      this.#socket.onclose = this.#socket.onmessage = null;
      this.#socket.close();
    }
    const mine = this.#socket = new WebSocket(base.replace(/^http/, "ws") + "ws/pos");
    setTimeout(() => mine.readyState === WebSocket.CONNECTING && mine.close(), OPENING_MS);
    mine.onopen = () => mine.send(JSON.stringify({ type: "open" }));
    mine.onmessage = ({ data }) => {
      const said = JSON.parse(data);
      if (said.type !== "till") return;
      this.#retry_ms = FIRST_RETRY_MS;
      this.#set(true);
      this.#tell("till", said);
    };
    mine.onclose = () => {
      this.#set(false);
      // Whether the session is over or the node is away, it says itself when asked.
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#come_back(), this.#retry_ms * (0.5 + Math.random() / 2));
      this.#retry_ms = Math.min(2 * this.#retry_ms, LAST_RETRY_MS);
    };
  }

  async #come_back() {
    try {
      if (!await session()) return this.#tell("out");
    } catch { /* it is away: the next attempt will tell */ }
    this.#open();
    this.#follow();
  }

  /* The browser comes back to this stream by itself, and asks for what it missed. */
  #follow() {
    this.#events?.close();
    const mine = this.#events = new EventSource(`${base}v1/events?after=${encodeURIComponent(this.#cursor)}`);
    const hear = ({ data, lastEventId }) => {
      this.#cursor = lastEventId || this.#cursor;
      this.#tell("event", JSON.parse(data));
    };
    for (const type of Paybell.TYPES) mine.addEventListener(type, hear);
    // It was refused: its place is kept no more, or the node is away. See #ask.
    mine.onerror = () => {
      if (mine === this.#events && mine.readyState === EventSource.CLOSED) this.#events = null;
    };
  }

  #tick() {
    const late = Date.now() - this.#ticked - TICK_MS;
    this.#ticked = Date.now();
    if (document.visibilityState === "hidden") return;
    if (late > ASLEEP_MS) this.again();
    else if (performance.now() - this.#asked > ASK_MS) this.#ask();
  }

  /* A node that hangs keeps its lines open and says nothing. */
  async #ask() {
    this.#asked = performance.now();
    try {
      const told = await call("GET", "v1/pos", undefined, {}, PATIENCE_MS);
      this.#tell("till", told);
      if (this.#socket.readyState === WebSocket.OPEN) this.#set(true);
      if (this.#events) return;
      this.#cursor = told.cursor;
      this.#follow();
      this.#tell("fresh");
    } catch (error) {
      if (error.is_out) this.#tell("out");
      else if (error.is_lost) {
        this.#set(false);
        this.#open();
      }
    }
  }
}
