/* Paybell's live client: follows one address until you stop it. No dependencies.

   <script src="https://pay.example/web/paybell.js"></script>
   <script>
     const bell = new Paybell("bc1q…", { url: "https://pay.example" });
     bell.addEventListener("event", e => console.log(e.detail.type, e.detail.status));
     bell.start();
   </script>

   The node must allow the origin of the page (its option for allowed origins).

   Who knows only an address is told what the chain shows of it: status, flags, sums,
   depth, txids, times. With the payment's `client_secret` as the option `token`, all.

   Events (a CustomEvent each, with its matter in `detail`):
     state    the payment as it is now: first of all, and after each new connection
     event    the next event of the payment ({seq, type, status, …}), in order, once
     source   whether the chain is being read: {live, since, …}
     link     {live: true | false, over: "websocket" | "sse"}: is the connection up

   It opens a WebSocket, and Server-Sent Events where no WebSocket gets through. A lost
   connection is opened again after a growing, random time, and at once when the network
   or the page comes back; it then asks for what came after the last event it has. Where
   that is, "<epoch>-<seq>" says (the option `since`, too): a number alone would name
   another event after the node's database was restored from a backup.

   A connection can be dead without anybody noticing, and browsers hide the server's
   pings from scripts. So silence is distrusted: after 45 s `check` is called, if given
   (a function that asks the server over HTTP, and promises the newest seq); if it fails
   or knows more than we have heard, or if there is no `check`, the connection is
   replaced by a new one. */
"use strict";
(() => {
  const SILENCE_MS = 45_000; // then the connection is questioned
  const GREETING_MS = 10_000; // from opening to the first message
  const AWAY_MS = 15_000; // hidden for longer: a phone may have cut the line
  const LONGEST_WAIT_MS = 30_000;
  const GRACE_MS = 2_000; // an event may be on its way while `check` is answered
  const TYPES = ["created", "detected", "confirming", "confirmed", "credited",
    "forwarding", "forwarded", "expired", "underpaid", "overpaid", "late", "replaced",
    "reorged", "reversed", "failed", "cancelled"].map(name => "payment." + name);

  class Paybell extends EventTarget {
    constructor(address, { url = location.origin, token = null, since = null, check = null } = {}) {
      super();
      this.address = address;
      const [, epoch, seq] = /^(?:([0-9a-z]{8})-)?([0-9]+)$/.exec(since ?? "") ?? [];
      this.seq = seq === undefined ? null : Number(seq); // last heard; null: none yet
      this.epoch = epoch ?? null; // in which it counts
      this.live = false;
      this.over = "websocket";
      this._url = url.replace(/\/+$/, "");
      this._token = token;
      this._check = check;
      this._line = null; // {close} of the present connection
      this._attempt = 0; // connections that failed in a row
      this._retry = 0; // timer
      this._greeting = 0; // timer
      this._heard = 0; // when the last message came
      this._hidden = null; // since when the page is hidden
      this._wake = this._wake.bind(this);
    }

    start() {
      if (this._watch) return this;
      this._watch = setInterval(() => this._question(), 5_000);
      for (const [target, name] of this._signals()) {
        target.addEventListener(name, this._wake);
      }
      this.reconnect();
      return this;
    }

    stop() {
      clearInterval(this._watch);
      this._watch = 0;
      for (const [target, name] of this._signals()) {
        target.removeEventListener(name, this._wake);
      }
      this._drop();
    }

    /* Open a new connection now, whatever state the old one is in. */
    reconnect() {
      this._drop();
      const failedTwice = this._attempt && this._attempt % 2 === 0;
      if (failedTwice) this.over = this.over === "websocket" ? "sse" : "websocket";
      const line = (this._line = { close() {} });
      const current = handler => value => {
        if (this._line === line) handler(value);
      };
      const heard = current(message => this._hear(message));
      const lost = current(() => this._lost());
      this._greeting = setTimeout(lost, GREETING_MS);
      try {
        line.close = this.over === "websocket"
          ? this._openWebSocket(heard, lost)
          : this._openEvents(heard, lost);
      } catch {
        lost();
      }
    }

    _signals() {
      return [[document, "visibilitychange"], [window, "online"], [window, "pageshow"]];
    }

    _openWebSocket(heard, lost) {
      const path = "/ws/balance/" + encodeURIComponent(this.address) + this._query();
      const socket = new WebSocket(this._url.replace(/^http/, "ws") + path);
      socket.onmessage = ({ data }) => heard(data);
      socket.onclose = lost;
      return () => {
        socket.onmessage = socket.onclose = null;
        socket.close();
      };
    }

    _openEvents(heard, lost) {
      const path = "/events/balance/" + encodeURIComponent(this.address);
      const stream = new EventSource(this._url + path + this._query());
      const hear = ({ data }) => heard(data);
      for (const type of ["state", "source", "problem", ...TYPES]) {
        stream.addEventListener(type, hear);
      }
      stream.onerror = lost;
      return () => stream.close();
    }

    _query() {
      const query = new URLSearchParams();
      if (this._token !== null) query.set("token", this._token);
      const epoch = this.epoch === null ? "" : this.epoch + "-";
      if (this.seq !== null) query.set("since", epoch + this.seq);
      return String(query) && "?" + query;
    }

    _hear(text) {
      let message;
      try {
        message = JSON.parse(text);
      } catch {
        return;
      }
      this._heard = performance.now();
      if (message === null || typeof message !== "object") return;
      clearTimeout(this._greeting);
      this._attempt = 0;
      this._setLive(true);
      const type = String(message.type);
      if (type === "state") this._hearState(message);
      else if (type.startsWith("payment.")) this._hearEvent(message);
      else if (type === "source") this._tell("source", message);
      else if (["begins_anew", "since_in_future"].includes(message.code)) {
        this.seq = this.epoch = null; // the state follows
      }
    }

    _hearState(state) {
      // With `since` the events up to the state's seq still follow, one by one.
      if (this.seq === null) this.seq = state.seq;
      this.epoch = state.epoch;
      this._tell("state", state);
    }

    _hearEvent(event) {
      if (this.seq !== null && event.seq <= this.seq) return;
      this.seq = event.seq;
      this._tell("event", event);
    }

    _lost() {
      this._drop();
      this._attempt += 1;
      const longest = Math.min(LONGEST_WAIT_MS, 500 * 2 ** Math.min(this._attempt, 10));
      const wait = longest * (0.5 + Math.random() / 2);
      this._retry = setTimeout(() => this.reconnect(), wait);
    }

    _drop() {
      clearTimeout(this._retry);
      clearTimeout(this._greeting);
      const line = this._line;
      this._line = null;
      if (line) line.close();
      this._setLive(false);
    }

    _wake(event) {
      if (event.type === "pageshow" && !event.persisted) return; // the first showing
      if (document.visibilityState === "hidden") {
        this._hidden = performance.now();
        return;
      }
      const away = this._hidden === null ? 0 : performance.now() - this._hidden;
      this._hidden = null;
      if (!this.live || away > AWAY_MS || !this._line) {
        this._attempt = 0;
        this.reconnect();
      }
    }

    async _question() {
      if (!this.live || performance.now() - this._heard < SILENCE_MS) return;
      this._heard = performance.now(); // asked once per silence
      const line = this._line;
      if (this._check && (await this._isBorneOut())) return;
      if (this._line === line) this.reconnect();
    }

    async _isBorneOut() {
      try {
        const seq = await this._check();
        if (seq > (this.seq ?? 0)) await new Promise(go => setTimeout(go, GRACE_MS));
        return seq <= (this.seq ?? 0);
      } catch {
        return false;
      }
    }

    _setLive(live) {
      if (live === this.live) return;
      this.live = live;
      this._tell("link", { live, over: this.over });
    }

    _tell(name, detail) {
      this.dispatchEvent(new CustomEvent(name, { detail }));
    }
  }

  window.Paybell = Paybell;
})();
