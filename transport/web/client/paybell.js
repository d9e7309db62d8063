/* Paybell's live client: follows one payment until you stop it. No dependencies.

   <script src="https://pay.example/web/paybell.js"></script>
   <script>
     watchPayment({ address: "bc1q…", url: "https://pay.example", onState: show });
   </script>

   The node must allow the page's origin (its setting allowed_origins). docs/clients.md
   has the options, and `new Paybell(address, options)` below it.

   One file, as a shop adds one tag and nothing is built.

   It opens a WebSocket, and Server-Sent Events where no WebSocket gets through; while
   neither is there it asks over HTTP, which also tells what browsers hide: why. A lost
   connection is opened again after a growing, random time, five times quickly and then
   slowly for ever, and at once when the network or the page comes back. It asks for what
   came after "<epoch>-<seq>": a number alone would name another event after a restore.
   After a sleep the present state comes first, then what was missed, in batches, a task
   each: a page draws once, not for each event.

   Browsers hide the server's pings, so silence is distrusted: after 45 s the node is
   asked over HTTP (or `check`, which promises the newest seq); if that fails or knows
   more than we have heard, the connection is replaced. */
"use strict";
(() => {
  const SILENCE_MS = 45_000; // then the connection is questioned
  const GREETING_MS = 10_000; // from opening to the first message
  const IMPATIENCE_MS = 3_000; // from opening to asking over HTTP
  const AWAY_MS = 15_000; // hidden or asleep for longer: the line may have been cut
  const [POLL_MS, TICK_MS, LONGEST_WAIT_MS] = [5_000, 5_000, 60_000];
  const GRACE_MS = 2_000; // an event may be on its way while `check` is answered
  const BATCH = 1_000; // missed events handed over in one task
  const BATCH_MS = 100;
  const TYPES = ["created", "detected", "confirming", "confirmed", "credited",
    "forwarding", "forwarded", "expired", "underpaid", "overpaid", "late", "replaced",
    "reorged", "reversed", "failed", "cancelled", "token_saved",
    "refunded", "updated"].map(name => "payment." + name);

  const env = globalThis;
  const isHidden = () => env.document?.visibilityState === "hidden";
  const isOffline = () => env.navigator?.onLine === false;
  const jitter = ms => ms * (0.5 + Math.random() / 2);

  class Paybell extends EventTarget {
    static TYPES = TYPES;

    /* `what`: an address, or {address} | {paymentId} | {externalId, merchant?}. */
    constructor(what, { url = env.location?.origin ?? "", token = null, since = null,
      check = null, attempts = 5, forever = true } = {}) {
      super();
      const { address, paymentId, externalId, merchant } =
        typeof what === "object" ? what : { address: what };
      if (!address && !paymentId && !externalId) {
        throw new TypeError("Paybell wants an address, a paymentId or an externalId");
      }
      this.address = address;
      this.paymentId = paymentId ?? null; // of an order: once the server has told it
      const [, epoch, seq] = /^(?:([0-9a-z]{8})-)?([0-9]+)$/.exec(since ?? "") ?? [];
      this.seq = seq === undefined ? null : Number(seq); // last heard; null: none yet
      this.epoch = epoch ?? null; // in which it counts
      this.live = false;
      this.catchingUp = false; // the event that is told was missed: `state` knows it
      this.over = "websocket"; // how the next line is opened
      this._order = externalId && { externalId, merchant };
      this._url = url.replace(/\/+$/, "");
      this._token = token;
      this._check = check;
      this._attempts = attempts;
      this._forever = forever;
      this._line = null; // {close, say?} of the present connection
      this._pushed = false; // it has been greeted
      this._attempt = 0; // connections that failed in a row
      this._missed = false; // the last line failed; whose fault it was is not known yet
      this._misses = 0; // times that only HTTP got through
      this._heard = 0; // when the last message came
      this._hidden = null; // since when the page is hidden
      this._until = 0; // events up to this seq are in the state that was told
      this._batch = [];
      this._paid = ""; // the last `payment` that was told
      this._error = ""; // the last error that was told, until all is well
      this._link = "false,false,false"; // as it was told last
      this._timers = {};
      this._wake = this._wake.bind(this);
    }

    /* Where it is: the option `since` of the next visit. */
    get position() {
      return this.seq === null ? null : (this.epoch ? this.epoch + "-" : "") + this.seq;
    }

    start() {
      if (this._watch) return this;
      this._ticked = Date.now();
      this._watch = setInterval(() => this._tick(), TICK_MS);
      this._listen("addEventListener");
      this.reconnect();
      return this;
    }

    stop() {
      clearInterval(this._watch);
      this._watch = 0;
      this._listen("removeEventListener");
      this._drop();
      this._setLive(false);
    }

    /* Open a new connection now, whatever state the old one is in. */
    reconnect() {
      this._drop();
      const line = (this._line = { close() {} });
      const current = handler => value => {
        if (this._line === line) handler(value);
      };
      const heard = current(text => this._hearText(text));
      const lost = current(() => this._lost());
      this._after("greeting", GREETING_MS, lost);
      this._after("poll", IMPATIENCE_MS, () => this._poll());
      try {
        if (this.over === "websocket") this._openWebSocket(line, heard, lost);
        else this._openEvents(line, heard, lost);
      } catch {
        lost();
      }
    }

    _listen(method) {
      const pairs = { visibilitychange: env.document, resume: env.document, online: env,
        offline: env, pageshow: env, pagehide: env };
      for (const name in pairs) pairs[name]?.[method]?.(name, this._wake);
    }

    _after(name, ms, act) {
      clearTimeout(this._timers[name]);
      this._timers[name] = setTimeout(act, ms);
    }

    _openWebSocket(line, heard, lost) {
      const path = this.address ? "/ws/balance/" + this._path(this.address) : "/ws";
      const socket = new WebSocket(this._url.replace(/^http/, "ws") + path);
      line.say = message => socket.send(JSON.stringify(message));
      socket.onopen = () => {
        if (this._order) line.say({ type: "identify", ...this._order, token: this._token });
        else if (this.paymentId) this._subscribe();
      };
      socket.onmessage = ({ data }) => heard(data);
      socket.onclose = lost;
      line.close = () => {
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
      };
    }

    _subscribe() {
      const wanted = { payment_id: this.paymentId, token: this._token };
      this._line.say({ type: "subscribe", ...wanted, since: this.position });
    }

    _openEvents(line, heard, lost) {
      const path = this.address ? "balance/" + this._path(this.address)
        : "payment/" + this._path(this.paymentId);
      const stream = new EventSource(this._url + "/events/" + path);
      const hear = ({ data }) => heard(data);
      for (const type of ["state", "source", "problem", ...TYPES]) {
        stream.addEventListener(type, hear);
      }
      stream.onerror = lost;
      line.close = () => stream.close();
    }

    _path(name) {
      return encodeURIComponent(name) + this._query({ since: this.position });
    }

    _query(parameters) {
      const query = new URLSearchParams();
      const all = { token: this._token, ...parameters };
      for (const name in all) if (all[name] != null) query.set(name, all[name]);
      return String(query) && "?" + query;
    }

    /* Messages as a connection begins with them. Throws an Error with its `code`. */
    async _ask() {
      const paths = [];
      if (this._order) {
        const { externalId, merchant } = this._order;
        paths.push("order" + this._query({ external_id: externalId, merchant }));
      }
      if (this.address) paths.push("balance/" + this._path(this.address));
      else if (this.paymentId) paths.push("payment/" + this._path(this.paymentId));
      const messages = [];
      for (const path of paths) {
        const signal = AbortSignal.timeout(GREETING_MS);
        const got = await fetch(this._url + "/poll/" + path, { cache: "no-store", signal });
        const body = await got.json();
        if (!got.ok) throw Object.assign(new Error(body.detail), { code: body.code });
        messages.push(...body.messages);
      }
      return messages;
    }

    /* Ask over HTTP, again and again until a line is up. */
    async _poll() {
      if (this._polling || this._pushed || !this._watch) return;
      this._polling = true;
      const wasOffline = isOffline();
      let wait = POLL_MS;
      try {
        const messages = await this._ask();
        if (this._pushed || !this._watch) return;
        messages.forEach(message => this._hear(message, "poll"));
        this._flush();
        if (this.seq < this._until) wait = 0; // there is more of the story
        // HTTP gets through and the line does not: another kind of line may.
        this._misses += Number(this._missed);
        if (this._misses > 1) {
          this._misses = 0;
          this.over = this.over === "websocket" && !this._order ? "sse" : "websocket";
        }
      } catch (error) {
        if (this._pushed || !this._watch) return;
        wait = Math.min(LONGEST_WAIT_MS, POLL_MS * Math.max(1, this._attempt));
        this._setLive(false);
        // A browser's own codes are numbers.
        if (typeof error.code === "string") this._fail(error.code, error.message);
        else if (!wasOffline && !isOffline()) this._fail("unreachable", this._unreachable());
        if (!this._forever && this._attempt > this._attempts && !isOffline()) {
          this.stop();
          this._tell("error", { code: "gave_up", cause: this._error,
            message: `No connection after ${this._attempts} attempts: ` + error.message });
        }
      } finally {
        this._polling = this._missed = false;
        if (this._watch && !this._pushed) this._after("poll", jitter(wait), () => this._poll());
      }
    }

    _unreachable() {
      const { origin } = env.location ?? {};
      const isOurs = !origin || this._url.startsWith(origin);
      const orElse = `, or does not allow pages of ${origin} (its setting allowed_origins)`;
      return `${this._url} cannot be reached` + (isOurs ? "" : orElse);
    }

    _fail(code, message) {
      if (code === this._error || !["", "unreachable"].includes(this._error)) return;
      this._error = code;
      this._tell("error", { code, message });
    }

    _hearText(text) {
      this._heard = performance.now();
      let message;
      try {
        message = JSON.parse(text);
      } catch { /* not from us */ }
      if (message && typeof message === "object") this._hear(message, this.over);
    }

    _hear(message, over) {
      const type = String(message.type);
      if (type === "connected" || type === "pong") return;
      if (type === "error") return this._hearError(message);
      if (over !== "poll") {
        this._pushed = true;
        this._attempt = this._misses = 0;
        clearTimeout(this._timers.greeting);
        clearTimeout(this._timers.poll);
      }
      this._error = "";
      this._setLive(true, over);
      if (type === "state") this._hearState(message);
      else if (type === "subscribed") {
        this._hearState({ type: "state", epoch: message.epoch, ...message.state });
      } else if (type === "identified") {
        if (!message.paymentId) return;
        this.paymentId = message.paymentId;
        if (over === "websocket") this._subscribe();
      }
      else if (type.startsWith("payment.")) this._hearEvent(message);
      else if (type === "payment") this._hearPayment(message);
      else if (type === "source") this._tell("source", message);
    }

    _hearError({ code, message }) {
      if (["begins_anew", "since_in_future"].includes(code)) {
        this._flush();
        this.seq = this.epoch = null; // the state follows
      } else {
        this._attempt = Math.max(this._attempt, this._attempts); // no use to hurry
        this._fail(code, message);
        if (!this._pushed) this._lost();
      }
    }

    _hearState(state) {
      // With `since` the events up to the state's seq still follow, one by one.
      if (this.seq === null) this.seq = state.seq;
      this.epoch = state.epoch;
      this._until = state.seq;
      this._tell("state", state);
    }

    _hearEvent(event) {
      if (this.seq !== null && event.seq <= this.seq) return;
      this.seq = event.seq;
      this._batch.push(event);
      if (event.seq >= this._until || this._batch.length >= BATCH) this._flush();
      else if (this._batch.length === 1) this._after("batch", BATCH_MS, () => this._flush());
    }

    _flush() {
      clearTimeout(this._timers.batch);
      for (const event of this._batch.splice(0)) {
        this.catchingUp = event.seq <= this._until;
        this._tell("event", event);
      }
      this.catchingUp = false;
    }

    /* Told again after each connection; what the page knows it is not told. */
    _hearPayment(message) {
      const { status, paymentHash, amountSat } = message;
      const paid = [status, paymentHash, amountSat].join();
      if (paid === this._paid) return;
      this._paid = paid;
      this._tell("payment", message);
    }

    _lost() {
      this._missed = !this._pushed;
      if (this._pushed) this.over = "websocket"; // it may get through by now
      this._drop();
      this._attempt += 1;
      const isQuick = this._attempt <= this._attempts;
      const longest = isQuick ? 500 * 2 ** (this._attempt - 1) : LONGEST_WAIT_MS;
      this._after("retry", jitter(longest), () => this.reconnect());
      if (this._missed) this._poll();
    }

    /* What is heard over HTTP goes on counting, until that fails too. */
    _drop() {
      Object.values(this._timers).forEach(clearTimeout);
      this._flush();
      const { _line: line, _pushed: wasUp } = this;
      this._line = null;
      this._pushed = false;
      line?.close();
      if (wasUp) this._setLive(false);
    }

    _wake({ type, persisted }) {
      const now = Date.now();
      if (type === "offline") return this._setLive(false);
      if (type === "pagehide") return this._drop(); // else the browser keeps no such page
      if (type === "pageshow" && !persisted) return; // the first showing
      const isVisibility = type === "visibilitychange";
      const away = this._hidden === null ? 0 : now - this._hidden;
      this._hidden = isVisibility && isHidden() ? now : null;
      if (this._hidden) return;
      if (!isVisibility || !this.live || away > AWAY_MS || !this._line) this._again();
    }

    _again() {
      this._attempt = this._misses = 0;
      this.over = "websocket";
      this.reconnect();
    }

    _tick() {
      const slept = Date.now() - this._ticked - TICK_MS;
      this._ticked = Date.now();
      if (slept > AWAY_MS && !isHidden()) this._again();
      else this._question();
    }

    async _question() {
      if (!this._pushed || performance.now() - this._heard < SILENCE_MS) return;
      this._heard = performance.now(); // asked once per silence
      const line = this._line;
      let isBorneOut = false;
      try {
        const seq = await (this._check ? this._check() : this._newest());
        if (seq > (this.seq ?? 0)) await new Promise(go => setTimeout(go, GRACE_MS));
        isBorneOut = seq <= (this.seq ?? 0);
      } catch { /* it is not */ }
      if (this._line === line && !isBorneOut) this.reconnect();
    }

    async _newest() {
      const before = this._paid;
      let seq = 0;
      for (const message of await this._ask()) {
        if (message.type === "payment") this._hearPayment(message);
        if (message.type === "state") seq = message.seq;
      }
      return before === this._paid ? seq : Infinity; // the line should have told that
    }

    _setLive(live, over = this.over) {
      const link = { live, over: live ? over : this.over, offline: !live && isOffline() };
      const key = [live, live && over, link.offline].join();
      this.live = live;
      if (key === this._link) return;
      this._link = key;
      this._tell("link", link);
    }

    _tell(name, detail) {
      this.dispatchEvent(new CustomEvent(name, { detail }));
    }
  }

  /* What an event says of the payment, put into what was known; what it does not say
     (receipts, confirmed_sat) is left out until the server tells it again. */
  const SAID = ["status", "flags", "amount_sat", "received_sat", "confirmations",
    "confirmations_required", "seq"];
  function moved({ receipts, confirmed_sat, ...state }, event) {
    for (const name of SAID) if (name in event) state[name] = event[name];
    return state;
  }

  /* Follow a payment. `onState` is for drawing: the payment as it is, once for however
     much was missed. Returns {stop, reconnect, position, live, bell}. */
  function watchPayment({ address, paymentId, externalId, merchant, onState, onEvent,
    onPayment, onSource, onLink, onError, ...options }) {
    const bell = new Paybell({ address, paymentId, externalId, merchant }, options);
    const key = state => [state.epoch, state.seq, state.created_at].join();
    let state = null;
    const show = next => {
      state = next;
      onState?.(next);
    };
    const on = (name, act) => act && bell.addEventListener(name, e => act(e.detail));
    on("state", next => {
      if (state === null || key(state) !== key(next) || !state.receipts) show(next);
    });
    on("event", event => {
      if (!bell.catchingUp && state) show(moved(state, event));
    });
    on("event", event => onEvent?.(event, bell.catchingUp));
    on("payment", message => {
      if (bell.paymentId) return; // its whole story is told
      show(message);
      onEvent?.(message, false);
    });
    on("payment", onPayment);
    on("source", onSource);
    on("link", onLink);
    on("error", onError);
    bell.start();
    return {
      bell,
      stop: () => bell.stop(),
      reconnect: () => bell.reconnect(),
      get live() { return bell.live; },
      get position() { return bell.position; },
    };
  }

  Object.assign(env, { Paybell, watchPayment });
})();
