// What the salon's service does when it is refused, and of saved cards, under Node. The
// network and the clock are the doubles here. Run by test_client_package.py; CLIENT names
// the client's folder.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Clock } from "./clock.mjs";

const { PaymentService } = await import(`${process.env.CLIENT}/paybell-salon.mjs`);
const SUBSCRIBE = "subscribe:payment-events";
let clock, sockets, service, told, errors;

class Network {
  readyState = 0;
  said = [];
  constructor() {
    sockets.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen();
  }
  send(text) {
    this.said.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
  hear(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
  refuse(invoiceId, code = "too_many") {
    this.hear({ type: "error", code, message: "come back in 9 s", invoiceId });
  }
  asked(invoiceId) {
    return this.said.filter(one => one.type === SUBSCRIBE && one.invoiceId === invoiceId).length;
  }
}

beforeEach(() => {
  clock = new Clock();
  clock.install();
  [sockets, told, errors] = [[], [], []];
  globalThis.WebSocket = Network;
  service = new PaymentService({ url: "ws://node", salonId: "s1", token: null,
    onError: ({ code }) => errors.push(code) });
  service.connect();
  sockets[0].open();
});
afterEach(() => {
  service.disconnect();
  clock.remove();
});
const follow = id => service.subscribeToPayment(id, ({ status }) => told.push([id, status]));

test("who was refused as one too many asks again, after a pause, until it is let in", () => {
  follow("inv-1");
  follow("inv-2");
  const [line] = sockets;
  line.refuse("inv-1");
  assert.deepEqual(errors, ["too_many"]);
  clock.tick(4_900);
  assert.equal(line.asked("inv-1"), 1);
  clock.tick(10_100);
  assert.equal(line.asked("inv-1"), 2);
  line.refuse("inv-1");
  clock.tick(15_000);
  assert.equal(line.asked("inv-1"), 3);
  line.hear({ type: "subscribed:payment-events", invoiceId: "inv-1", state: null });
  clock.tick(20_000);
  assert.deepEqual([line.asked("inv-1"), line.asked("inv-2")], [3, 1]);
  line.hear({ type: "payment:completed", invoiceId: "inv-1", status: "SUCCESS",
    data: { since: "simulate-3", paymentId: "p" } });
  assert.deepEqual(told, [["inv-1", "SUCCESS"]]);
});

test("a page's invoices do not all ask again at the same moment", () => {
  const names = Array.from({ length: 50 }, (_, n) => `inv-${n}`);
  names.forEach(follow);
  names.forEach(name => sockets[0].refuse(name));
  const at = new Set();
  for (let ms = 0; ms < 15_000; ms += 100) {
    const before = sockets[0].said.length;
    clock.tick(100);
    if (sockets[0].said.length > before) at.add(ms);
  }
  assert.ok(names.every(name => sockets[0].asked(name) === 2));
  assert.ok(at.size > 10, `${[...at]}`);
  assert.ok(Math.min(...at) >= 4_900);
});

test("two refusals of one invoice are one more question", () => {
  follow("inv-1");
  sockets[0].refuse("inv-1");
  sockets[0].refuse("inv-1");
  clock.tick(15_000);
  assert.equal(sockets[0].asked("inv-1"), 2);
});

test("what is wanted no more, or refused for another reason, is not asked again", () => {
  follow("left")();
  const end = follow("ended");
  follow("forbidden");
  for (const name of ["left", "ended", "of nobody"]) sockets[0].refuse(name);
  sockets[0].refuse("forbidden", "not_allowed");
  sockets[0].refuse(undefined);
  end();
  const before = sockets[0].said.length;
  clock.tick(20_000);
  assert.equal(sockets[0].said.length, before);
});

test("a disconnected service asks nothing, and leaves no timer", () => {
  follow("inv-1");
  sockets[0].refuse("inv-1");
  service.disconnect();
  assert.equal(clock.timers.size, 0);
});

test("a new line asks at once, and the pause of the old one is over", () => {
  follow("inv-1");
  sockets[0].refuse("inv-1");
  sockets[0].hear({ type: "pong" }); // all is well: it hurries when the line is lost
  sockets[0].onclose();
  clock.tick(500);
  assert.equal(sockets.length, 2);
  sockets[1].open();
  assert.equal(sockets[1].asked("inv-1"), 1);
  clock.tick(20_000);
  assert.equal(sockets[1].asked("inv-1"), 1);
});

const saved = (tokenId = "tok_1") => ({ type: "payment:token-saved", tokenId, timestamp: 1,
  data: { brand: "VISA", last4: "4242", invoiceId: "inv-1" } });

test("a saved card is told to who subscribed to token events, and to no payment's callback", () => {
  const cards = [];
  follow("inv-1");
  service.subscribeToTokenEvents(card => cards.push(card));
  service.subscribeToTokenEvents(({ tokenId }) => cards.push(tokenId));
  const before = sockets[0].said.length;
  sockets[0].hear(saved());
  const { type, ...event } = saved();
  assert.deepEqual(cards, [event, "tok_1"]);
  assert.deepEqual([told, errors], [[], []]);
  assert.equal(sockets[0].said.length, before); // the server knows whose it is
});

test("who ends its subscription to token events hears nothing more, and others do", () => {
  const cards = [];
  const end = service.subscribeToTokenEvents(() => cards.push("ended"));
  service.subscribeToTokenEvents(({ tokenId }) => cards.push(tokenId));
  end();
  end();
  sockets[0].hear(saved());
  assert.deepEqual(cards, ["tok_1"]);
});

test("token events go on over a new line, and end with disconnect", () => {
  const cards = [];
  service.subscribeToTokenEvents(({ tokenId }) => cards.push(tokenId));
  sockets[0].onclose();
  clock.tick(500);
  sockets[1].open();
  sockets[1].hear(saved("tok_2"));
  assert.deepEqual(cards, ["tok_2"]);
  service.disconnect();
  service.connect();
  sockets[2].open();
  sockets[2].hear(saved("tok_3"));
  assert.deepEqual(cards, ["tok_2"]);
});

test("the token goes first on each line, so that its user's cards are told", () => {
  service.configure({ token: () => "a.b.c" });
  sockets[0].onclose();
  clock.tick(500);
  sockets[1].open();
  assert.deepEqual(sockets[1].said, [{ type: "authenticate", token: "a.b.c" }]);
});

test("a payment is told its outcome after the card that was saved with it", () => {
  follow("inv-1");
  sockets[0].hear(saved());
  const data = { since: "simulate-3", paymentId: "p" };
  for (const type of ["payment:status-update", "payment:completed"]) {
    sockets[0].hear({ type, invoiceId: "inv-1", status: "SUCCESS", data });
  }
  assert.deepEqual(told, [["inv-1", "SUCCESS"]]);
});
