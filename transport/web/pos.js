/* The page of a till: an amount, an invoice's code, and what becomes of it.

   The key of the till stays in this tab (sessionStorage) and goes to this page's own
   node only. How the accounts stand comes over /ws/pos; what becomes of an invoice over
   /ws, as everybody who follows a payment hears it (paybell.js). Text from outside is
   put in as text, never as HTML. */
"use strict";
(() => {
  const REQUEST_MS = 20_000; // an invoice is made at a node far away
  const [FIRST_RETRY_MS, LAST_RETRY_MS] = [500, 15_000];
  const SLOW_MS = 5_000; // then the cashier need not wait for the money to go on
  const MOST_DIGITS = 10;
  const [KEY, INVOICE] = ["paybell.till.key", "paybell.till.invoice"];

  const $ = id => document.getElementById(id);
  const base = new URL(".", location.href).href; // a proxy may serve us below a path
  let key = sessionStorage.getItem(KEY);
  let digits = "";
  let accounts = []; // as the node told them last
  let socket = null; // to /ws/pos
  let isLinked = false; // it has told something
  let retryMs = FIRST_RETRY_MS;
  let shownStatus = null;
  let attempt = null; // {amount, id}: the same invoice if the answer was lost
  let invoice = null; // {id, secret, amount}: the one on the screen
  let bell = null; // follows it
  let slow = 0; // timer

  const sum = sat => Number(sat).toLocaleString();
  const show = name => { document.body.dataset.view = name; };
  const put = (id, text) => {
    if ($(id).textContent !== text) $(id).textContent = text;
  };
  const account = role => accounts.find(one => one.role === role);

  /* Ask the API. Throws an Error whose message is for the cashier. */
  async function call(method, path, body, headers = {}) {
    const options = { method, cache: "no-store", signal: AbortSignal.timeout(REQUEST_MS),
      headers: { Authorization: `Bearer ${key}`, ...headers } };
    if (body !== undefined) {
      options.body = JSON.stringify(body);
      options.headers["Content-Type"] = "application/json";
    }
    let got;
    try {
      got = await fetch(base + path, options);
    } catch {
      throw Object.assign(new Error("The server gives no answer. Please try again."), { isLost: true });
    }
    const answer = await got.json().catch(() => ({}));
    if (got.ok) return answer;
    throw Object.assign(new Error(answer.detail ?? `The server answered ${got.status}.`),
      { status: got.status, errors: answer.errors ?? [] });
  }

  // -- opening and closing the till -------------------------------------------------

  async function open(wanted) {
    key = wanted;
    put("enter-wrong", "");
    try {
      const till = await call("GET", "v1/pos");
      sessionStorage.setItem(KEY, key);
      put("shop", till.shop || till.merchant);
      put("network", till.network === "mainnet" ? "" : `${till.network}: test money`);
      accounts = till.accounts;
    } catch (error) {
      if (!error.isLost) sessionStorage.removeItem(KEY);
      put("enter-wrong", error.message);
      show("enter");
      $("key").value = error.isLost ? key : "";
      $("key").focus();
      return;
    }
    $("key").value = "";
    show("keypad");
    listen();
    const kept = JSON.parse(sessionStorage.getItem(INVOICE) ?? "null");
    if (kept) follow(kept, []);
  }

  function leave() {
    sessionStorage.removeItem(KEY);
    sessionStorage.removeItem(INVOICE);
    location.reload();
  }

  // -- how the accounts stand -------------------------------------------------------

  function listen() {
    const mine = socket = new WebSocket(base.replace(/^http/, "ws") + "ws/pos");
    let refused = "";
    mine.onopen = () => mine.send(JSON.stringify({ type: "open", key }));
    mine.onmessage = ({ data }) => {
      const said = JSON.parse(data);
      if (said.type === "error") refused = said.message;
      if (said.type !== "till") return;
      [accounts, isLinked, retryMs] = [said.accounts, true, FIRST_RETRY_MS];
      showStatus();
    };
    mine.onclose = ({ code }) => {
      isLinked = false;
      showStatus();
      if (code === 1008) { // the key is no good any more
        sessionStorage.removeItem(KEY);
        put("enter-wrong", refused || "The key of this till was revoked.");
        show("enter");
        return;
      }
      setTimeout(listen, retryMs * (0.5 + Math.random() / 2));
      retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
    };
    showStatus();
  }

  const isDown = one => one.state !== "live";

  function troubles() {
    if (!isLinked) return [{ text: "⚠ No connection to the server" }];
    if (!accounts.length) return [{ text: "⚠ This shop has no Lightning account" }];
    return accounts.filter(isDown).reverse()
      .map(({ label, name }) => ({ text: `⚠ ${label} disconnected`, name }));
  }

  function showStatus() {
    showBalance();
    const told = troubles();
    const key = JSON.stringify(told);
    if (key === shownStatus) return; // whoever is on a button stays there
    shownStatus = key;
    const lines = told.map(({ text, name }) => line(text, name));
    const labels = accounts.map(one => one.label).reverse().join(" + ");
    $("status").replaceChildren(...(lines.length ? lines : [line(`✓ Ready (${labels} connected)`)]));
  }

  function line(text, name) {
    const place = document.createElement("p");
    const words = document.createElement("span");
    words.textContent = text;
    place.append(words);
    if (text.startsWith("⚠")) place.dataset.down = "";
    if (name !== undefined) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Reconnect";
      button.setAttribute("aria-label", `Reconnect ${text.split(" ")[1]}`);
      button.addEventListener("click", () => reconnect(button, name));
      place.append(button);
    }
    return place;
  }

  async function reconnect(button, name) {
    button.disabled = true;
    put("announcement", "Reconnecting…");
    try {
      await call("POST", `v1/upstreams/${encodeURIComponent(name)}/reconnect`);
    } catch (error) {
      put("announcement", error.message);
    }
    button.disabled = false;
  }

  function showBalance() {
    const told = [account("user"), account("till")].filter(one => one && one.balance_sat !== null);
    put("balance", told.map(one => `${one.label}: ${sum(one.balance_sat)} sat`).join(" · "));
  }

  // -- the keypad -------------------------------------------------------------------

  function press(what) {
    put("wrong", "");
    if (what === "back") digits = digits.slice(0, -1);
    else digits = (digits + what).replace(/^0+/, "").slice(0, MOST_DIGITS);
    put("amount", sum(digits || 0));
  }

  async function create() {
    const amount = Number(digits);
    if (!amount) return put("wrong", "Please enter an amount.");
    const known = troubles().map(({ text }) => text);
    if (known.length && !await isWanted(known)) return;
    $("create").disabled = true;
    try {
      follow(...await make(amount, known.length ? "create" : "refuse"));
    } catch (error) {
      const warnings = (error.errors ?? []).filter(one => one.path === "/on_warning");
      if (warnings.length) await createAllTheSame(amount, warnings.map(one => one.message.replace(/^refuses: \w+: /, "")));
      else put("wrong", error.message);
    } finally {
      $("create").disabled = false;
    }
  }

  async function createAllTheSame(amount, warnings) {
    if (!await isWanted(warnings)) return;
    try {
      follow(...await make(amount, "create"));
    } catch (error) {
      put("wrong", error.message);
    }
  }

  async function make(amount, onWarning) {
    const wanted = `${amount} ${onWarning}`;
    if (attempt?.wanted !== wanted) attempt = { wanted, id: random() };
    const body = { method: "lightning", amount_sat: amount, expires_in_s: 600, on_warning: onWarning };
    let made;
    try {
      made = await call("POST", "v1/payments", body, { "Idempotency-Key": attempt.id });
    } catch (error) {
      if (!error.isLost) attempt = null;
      throw error;
    }
    attempt = null;
    const { id, client_secret: secret, warnings } = made;
    return [{ id, secret, amount }, (warnings ?? []).map(one => one.message)];
  }

  function random() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("");
  }

  /* Ask the cashier. Escape and the first button are no. */
  function isWanted(warnings) {
    const items = warnings.map(text => Object.assign(document.createElement("li"), { textContent: text }));
    $("warning-list").replaceChildren(...items);
    const dialog = $("warning");
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise(answer => {
      dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
    });
  }

  // -- the invoice ------------------------------------------------------------------

  function follow(wanted, warnings) {
    invoice = wanted;
    sessionStorage.setItem(INVOICE, JSON.stringify(invoice));
    delete document.body.dataset.stage;
    put("invoice-title", "Waiting for payment");
    put("invoice-amount", sum(invoice.amount));
    put("invoice-note", "");
    put("cancel", "Cancel the invoice");
    $("qr").src = `${base}v1/payments/${encodeURIComponent(invoice.id)}/qr.svg`;
    const items = warnings.map(text => Object.assign(document.createElement("li"), { textContent: text }));
    $("warnings").replaceChildren(...items);
    show("invoice");
    bell?.stop();
    bell = new Paybell({ paymentId: invoice.id }, { url: base, token: invoice.secret });
    bell.addEventListener("state", ({ detail }) => moved(detail.status));
    bell.addEventListener("event", ({ detail }) => moved(detail.status));
    bell.addEventListener("error", ({ detail }) => {
      if (detail.code !== "unreachable") put("invoice-note", detail.message);
    });
    bell.start();
  }

  function moved(status) {
    if (invoice === null) return;
    if (status === "forwarded" || (status === "confirmed" && !account("user"))) return done();
    if (status === "confirmed") return passing();
    if (status === "failed") return done(`The money has arrived at ${account("till")?.label} and stays there.`);
    if (status === "expired") return over("The invoice has expired unpaid.");
    if (status === "cancelled") return over("The invoice is cancelled.");
  }

  /* Paid; not yet at the user's account. */
  function passing() {
    if (document.body.dataset.stage === "paid") return;
    document.body.dataset.stage = "paid";
    put("invoice-title", "Paid. Passing it on…");
    put("cancel", "Next payment"); // nobody has to wait for it
    put("announcement", `Paid: ${sum(invoice.amount)} sat.`);
    slow = setTimeout(() => {
      if (document.body.dataset.stage !== "paid") return;
      put("invoice-note", "The money has arrived and goes on by itself, later.");
    }, SLOW_MS);
  }

  function done(note) {
    const { amount } = invoice;
    clear();
    put("done-title", note ? "Paid" : account("user") ? "Paid and forwarded" : "Paid");
    put("done-amount", sum(amount));
    put("done-note", note ?? "");
    put("announcement", `${$("done-title").textContent}: ${sum(amount)} sat.`);
    show("done");
    $("next").focus();
    refresh();
  }

  function over(text) {
    clear();
    show("keypad");
    put("wrong", text);
  }

  function clear() {
    clearTimeout(slow);
    bell?.stop();
    bell = invoice = null;
    sessionStorage.removeItem(INVOICE);
    delete document.body.dataset.stage;
    $("qr").removeAttribute("src");
    digits = "";
    put("amount", "0");
    put("wrong", "");
  }

  /* What is on the accounts now; /ws/pos tells it too. */
  async function refresh() {
    try {
      accounts = (await call("GET", "v1/pos")).accounts;
      showStatus();
    } catch { /* it is told when there is a connection again */ }
  }

  async function cancel() {
    if (document.body.dataset.stage === "paid") return over("");
    try {
      await call("POST", `v1/payments/${encodeURIComponent(invoice.id)}/cancel`, {});
    } catch (error) {
      put("invoice-note", error.message);
    }
  }

  // -- what a person does -----------------------------------------------------------

  $("enter").addEventListener("submit", event => {
    event.preventDefault();
    open($("key").value.trim());
  });
  $("leave").addEventListener("click", leave);
  $("keypad").addEventListener("click", ({ target }) => {
    const what = target.closest("[data-key]")?.dataset.key;
    if (what) press(what);
  });
  $("create").addEventListener("click", create);
  $("cancel").addEventListener("click", cancel);
  $("next").addEventListener("click", () => show("keypad"));
  document.addEventListener("keydown", event => {
    if (document.body.dataset.view !== "keypad" || $("warning").open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[0-9]$/.test(event.key)) press(event.key);
    else if (event.key === "Backspace") press("back");
    else if (event.key === "Enter" && !event.target.closest("button")) create();
    else return;
    event.preventDefault();
  });
  if (key) open(key);
})();
