/* The payment service of a salon's front end, over Paybell's plain WebSocket.

     webSocketPaymentService.configure({ url: "wss://pay.example", salonId: "s1" });
     await webSocketPaymentService.connect();
     webSocketPaymentService.subscribeToPayment(invoiceId, ({ status }) => …);
     webSocketPaymentService.subscribeToTokenEvents(({ tokenId }) => …);
     webSocketPaymentService.disconnect();

   A callback is called for each change of an invoice's outcome (SUCCESS, FAILED,
   PENDING), once. Subscriptions outlive a lost connection: it is opened again, five
   times quickly and then slowly for ever, and what was missed is told then. The token
   of the shop's own backend goes into a message, never into an address. */

const QUICK = 5; // attempts
const LONGEST_WAIT_MS = 60_000;
const PING_MS = 25_000;
const [AGAIN_MS, AGAIN_MORE_MS] = [5_000, 10_000]; // until a "too many" asks again
const jitter = ms => ms * (0.5 + Math.random() / 2);
const stored = () => globalThis.localStorage?.getItem("authToken");
/* Where an invoice is, to go on from there. */
const place = body => body?.data && { since: body.data.since, paymentId: body.data.paymentId };

export class PaymentService {
  #options = { url: globalThis.location?.origin ?? "", salonId: null, merchant: null,
    token: stored, onError: null, onConnection: null };
  #payments = new Map(); // invoice id -> {callbacks, since, paymentId, told, again}
  #tokens = new Set();
  #socket = null;
  #wanted = null; // what connect() promised: {promise, resolve, reject}
  #attempt = 0;
  #timers = {};
  #heard = true; // something came since the last ping
  #wake = ({ type, persisted }) => {
    if (type === "pageshow" && !persisted) return;
    if (type !== "visibilitychange" || !this.connected) this.#open(0);
  };

  constructor(options = {}) {
    this.configure(options);
  }

  /* {url, salonId | merchant, token: text or function, onError, onConnection}. */
  configure(options) {
    Object.assign(this.#options, options);
    return this;
  }

  get connected() {
    return this.#socket?.readyState === 1;
  }

  /* Kept when the connection is up; broken after five attempts, which go on slowly. */
  connect() {
    if (this.#wanted) return this.#wanted.promise;
    const wanted = (this.#wanted = {});
    wanted.promise = new Promise((resolve, reject) => Object.assign(wanted, { resolve, reject }));
    wanted.promise.catch(() => {}); // who does not wait is told by onError
    this.#listen("addEventListener");
    this.#open(0);
    return wanted.promise;
  }

  disconnect() {
    this.#listen("removeEventListener");
    this.#wanted?.resolve();
    this.#wanted = null;
    this.#stopPauses();
    this.#payments.clear();
    this.#tokens.clear();
    this.#drop();
  }

  /* Returns a function that ends it. */
  subscribeToPayment(invoiceId, callback) {
    const id = String(invoiceId);
    const isNew = !this.#payments.has(id);
    if (isNew) this.#payments.set(id, { callbacks: new Set() });
    this.#payments.get(id).callbacks.add(callback);
    if (isNew && this.connected) this.#subscribe(id);
    return () => this.unsubscribeFromPayment(id, callback);
  }

  /* Without `callback`: all of the invoice's. */
  unsubscribeFromPayment(invoiceId, callback) {
    const id = String(invoiceId);
    const payment = this.#payments.get(id);
    if (!payment) return;
    payment.callbacks.delete(callback);
    if (callback && payment.callbacks.size) return;
    clearTimeout(payment.again);
    this.#payments.delete(id);
    this.#say({ type: "unsubscribe:payment-events", invoiceId: id });
  }

  /* Returns a function that ends it. */
  subscribeToTokenEvents(callback) {
    this.#tokens.add(callback);
    return () => this.#tokens.delete(callback);
  }

  #listen(method) {
    for (const name of ["online", "pageshow"]) globalThis[method]?.(name, this.#wake);
    for (const name of ["resume", "visibilitychange"]) {
      globalThis.document?.[method](name, this.#wake);
    }
  }

  #open(attempt) {
    this.#drop();
    this.#attempt = attempt;
    const { url, salonId, merchant } = this.#options;
    const base = url.replace(/^http/, "ws").replace(/\/+(ws)?\/*$/, "");
    const place = merchant ? encodeURIComponent(merchant)
      : "salon/" + encodeURIComponent(salonId ?? "");
    const socket = (this.#socket = new WebSocket(`${base}/ws/payments/${place}`));
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = () => this.#lost();
  }

  #opened() {
    const { token, onConnection } = this.#options;
    const text = typeof token === "function" ? token() : token;
    if (text) this.#say({ type: "authenticate", token: text });
    for (const id of this.#payments.keys()) this.#subscribe(id);
    this.#heard = true;
    this.#timers.ping = setInterval(() => this.#ping(), PING_MS);
    this.#wanted.resolve();
    onConnection?.(true);
  }

  #subscribe(id) {
    const { since, paymentId } = this.#payments.get(id);
    const wanted = { invoiceId: id, since, paymentId, ack: id };
    this.#say({ type: "subscribe:payment-events", ...wanted });
  }

  /* There may be room then. Not for all of a page's invoices at the same moment. */
  #subscribeLater(id) {
    const payment = this.#payments.get(id);
    if (!payment) return;
    clearTimeout(payment.again);
    const pause = AGAIN_MS + Math.random() * AGAIN_MORE_MS;
    payment.again = setTimeout(() => this.#subscribe(id), pause);
  }

  #stopPauses() {
    this.#payments.forEach(({ again }) => clearTimeout(again));
  }

  #say(message) {
    if (this.connected) this.#socket.send(JSON.stringify(message));
  }

  /* Browsers hide the server's pings: a line on which nothing answers is replaced. */
  #ping() {
    if (!this.#heard) return this.#open(0);
    this.#heard = false;
    this.#say({ type: "ping" });
  }

  #hear(message) {
    this.#heard = true;
    const { type, ...body } = message;
    if (type === "error") {
      this.#attempt = QUICK; // no use to hurry
      if (body.code === "too_many") this.#subscribeLater(String(body.invoiceId));
      this.#fail(body.code, body.message);
      return;
    }
    this.#attempt = 0;
    if (type === "payment:token-saved") this.#tokens.forEach(callback => callback(body));
    const payment = this.#payments.get(String(body.invoiceId));
    if (!payment) return;
    if (type === "subscribed:payment-events") {
      if (payment.since && !body.beginsAnew) return; // what was missed follows
      // Paid already: that is told. What failed is not: a new attempt may be under way.
      if (body.state?.status === "SUCCESS") this.#tell(payment, body.state);
      else Object.assign(payment, place(body.state));
    } else if (type === "payment:status-update" || type === "payment:completed") {
      this.#tell(payment, body);
    }
  }

  #tell(payment, body) {
    const { since, paymentId } = Object.assign(payment, place(body));
    const told = [paymentId ?? since, body.status].join();
    if (told === payment.told) return; // the completion repeats its update
    payment.told = told;
    payment.callbacks.forEach(callback => callback(body));
  }

  #lost() {
    this.#drop();
    const attempt = this.#attempt + 1;
    if (attempt > QUICK) {
      const message = `No connection to ${this.#options.url}. Either it is down, or it`
        + " does not allow pages of this origin (its setting allowed_origins)";
      if (attempt === QUICK + 1) this.#fail("unreachable", message);
      this.#wanted.reject(new Error(message));
    }
    this.#attempt = attempt;
    const longest = attempt > QUICK ? LONGEST_WAIT_MS : 500 * 2 ** (attempt - 1);
    this.#timers.retry = setTimeout(() => this.#open(attempt), jitter(longest));
  }

  #drop() {
    clearTimeout(this.#timers.retry);
    clearInterval(this.#timers.ping);
    this.#stopPauses();
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    const wasUp = socket.readyState === 1 || this.#timers.ping;
    this.#timers = {};
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    if (wasUp) this.#options.onConnection?.(false);
  }

  #fail(code, message) {
    this.#options.onError?.(Object.assign(new Error(message), { code }));
  }
}

export const webSocketPaymentService = new PaymentService();
export default webSocketPaymentService;
