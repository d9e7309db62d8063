// A shop that sells one mug for bitcoin: its page, its orders, its webhook.
//
// Two rules make it safe, whatever comes twice, late, or in the wrong order:
//
// 1. A webhook counts if it is signed, and once (its id).
// 2. Nothing is done because an event says "confirmed". The event goes into the payment's
//    state, where an older one never undoes a newer one; then the order is compared with
//    the state (`decide`). What is to be done is written down before the webhook is
//    answered.
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import express from "express";
import { Paybell, PaymentState, verifyWebhook, WebhookRefused } from "paybell-api";

const { PAYBELL_URL = "http://127.0.0.1:8080", PAYBELL_KEY, PORT = 3000 } = process.env;
const SECRETS = (process.env.WEBHOOK_SECRET ?? "").split(" ").filter(Boolean); // two while it is rotated
const FILE = process.env.SHOP_FILE ?? "shop.json";
const PRICE_SAT = 50_000;

const paybell = new Paybell({ url: PAYBELL_URL, key: PAYBELL_KEY });

// One process, one file, written whole. A shop with a database has three tables instead,
// and one transaction for each webhook.
const kept = existsSync(FILE)
  ? JSON.parse(readFileSync(FILE, "utf8"))
  : { orders: {}, webhooks: {} };

function save() {
  const file = openSync(`${FILE}.new`, "w");
  writeSync(file, JSON.stringify(kept));
  fsyncSync(file);
  closeSync(file);
  renameSync(`${FILE}.new`, FILE);
}

const app = express();
const page = body => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Mugs</title>${body}`;

app.get("/", (_, answer) => {
  answer.send(page(`<h1>A mug</h1><form method="post" action="/orders">
    <button>Buy it for ${PRICE_SAT} sat</button></form>`));
});

// The order is there before its payment is asked for. Its id is the key of the call: to ask
// again, after whatever went wrong, makes no second payment.
app.post("/orders", async (_, answer) => {
  const id = randomBytes(9).toString("base64url");
  kept.orders[id] = { todo: "waits for money", payments: {} };
  save();
  const payment = await paybell.create(
    { amount_sat: PRICE_SAT, external_id: id, confirmations: 1 },
    { idempotencyKey: id },
  );
  answer.redirect(303, new URL(payment.checkout_url, PAYBELL_URL).href);
});

app.get("/orders/:id", (request, answer) => {
  const { id } = request.params;
  if (!Object.hasOwn(kept.orders, id)) return answer.sendStatus(404);
  return answer.send(page(`<h1>Order ${id}</h1><p>${kept.orders[id].todo}</p>`));
});

// Paybell tells. 2xx means: it is on our disk. Anything else: it comes again. The raw body
// is what was signed: express.json() would have lost it.
app.post("/paybell", express.raw({ type: () => true, limit: "1mb" }), async (request, answer) => {
  let told;
  try {
    told = await verifyWebhook(request.body, request.headers, SECRETS);
  } catch (error) {
    if (error instanceof WebhookRefused) return answer.sendStatus(401);
    throw error;
  }
  // From here on nothing waits, so that no other webhook comes in between. One that is
  // known is written down all the same: the first time that may have failed.
  if (told.event) {
    if (!Object.hasOwn(kept.webhooks, told.id)) settle(told.event);
    kept.webhooks[told.id] = true;
    save();
  }
  return answer.sendStatus(204);
});

/** What is to be done with the order, now that this event is known. */
function settle(event) {
  if (event.external_id === null || !Object.hasOwn(kept.orders, event.external_id)) return;
  const order = kept.orders[event.external_id];
  const before = order.payments[event.payment_id];
  const state = before ? PaymentState.load(before) : new PaymentState();
  if (!state.apply(event)) return; // older than what we know
  order.payments[event.payment_id] = state.dump();
  const states = Object.values(order.payments).map(text => PaymentState.load(text));
  order.todo = decide(order.todo, states);
}

/** An order may have several payments: one that ran out, and the next. */
function decide(before, states) {
  if (states.some(state => state.mayShip)) {
    if (before.startsWith("stop") || before.includes("has not left")) {
      return "ship it, if it has not left: the money is back";
    }
    const isTwice = states.filter(state => state.isPaid).length > 1;
    return isTwice ? "ship it; it was paid twice: give one back" : "ship it";
  }
  if (/^(ship|stop)/.test(before)) return "stop: the money was taken back; call the customer";
  if (states.some(state => state.isPaid || state.isLate)) return "decide: the money came late";
  const over = ["expired", "cancelled", "failed"];
  if (states.every(state => over.includes(state.status))) {
    const isShort = states.some(state => state.receivedSat > 0);
    return isShort ? "decide: too little came; ask for the rest, or give it back" : "over: not paid";
  }
  return "waits for money";
}

app.listen(Number(PORT), "127.0.0.1");
