// The parts of paybell.js that need no browser, under Node: when it tries again, and how
// it hands over what was missed. The network is the double here. Run by
// test_client_package.py; CLIENT names the folder of the client.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Clock } from "./clock.mjs";

// Debian's Node 18 has none of its own.
globalThis.CustomEvent ??= class extends Event {
  constructor(name, { detail }) { super(name); this.detail = detail; }
};
const { Paybell, watchPayment } = await import(`${process.env.CLIENT}/paybell.mjs`);
const EPOCH = "0a1b2c3d";
let sockets, answer, now;

let clock;

class Network extends EventTarget {
  constructor(url) {
    super();
    this.url = url;
    this.at = now();
    sockets.push(this);
  }
  send() {}
  close() {}
  hear(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}

beforeEach(() => {
  clock = new Clock();
  clock.install();
  now = () => clock.ms;
  sockets = [];
  answer = () => Promise.reject(new TypeError("fetch failed"));
  globalThis.WebSocket = Network;
  globalThis.fetch = url => answer(url);
});
afterEach(() => clock.remove());

// Let promises be kept, then time pass in steps.
async function pass(ms, step = 50) {
  for (let left = ms; left > 0; left -= step) {
    clock.tick(Math.min(step, left));
    for (let turn = 0; turn < 8; turn += 1) await null;
  }
}
async function loseAll(ms) {
  let seen = 0;
  for (let left = ms; left > 0; left -= 50) {
    if (sockets.length > seen) {
      seen = sockets.length;
      sockets.at(-1).onclose?.({});
    }
    await pass(50);
  }
}
const state = (seq, more) => (
  { type: "state", epoch: EPOCH, seq, created_at: "t", status: "pending", receipts: [], ...more });

test("five quick attempts with growing pauses, then slowly for ever", async () => {
  const watch = watchPayment({ address: "a", url: "http://node" });
  await loseAll(200_000);
  const pauses = sockets.slice(1).map(({ at }, index) => at - sockets[index].at);
  const longest = [500, 1_000, 2_000, 4_000, 8_000];
  longest.forEach((most, index) => {
    assert.ok(pauses[index] >= most / 2 - 50, `${pauses}`);
    assert.ok(pauses[index] <= most + 150, `${pauses}`);
  });
  const slow = pauses.slice(5);
  assert.ok(slow.length >= 3, `${pauses}`);
  assert.ok(slow.every(ms => ms >= 29_900 && ms <= 60_150), `${pauses}`);
  watch.stop();
  const before = sockets.length;
  await loseAll(200_000);
  assert.equal(sockets.length, before);
});

test("who is not to go on for ever gives up after the attempts, and says why", async () => {
  const errors = [];
  watchPayment({ address: "a", url: "http://node", forever: false,
    onError: error => errors.push([error.code, error.cause]) });
  await loseAll(200_000);
  assert.equal(sockets.length, 6);
  assert.deepEqual(errors, [["unreachable", undefined], ["gave_up", "unreachable"]]);
});

test("10,000 missed events: the state first, drawn once, then the story in batches", async () => {
  const drawn = [], events = [], tasks = new Set();
  let task = 0;
  const watch = watchPayment({ address: "a", url: "http://node", since: `${EPOCH}-1`,
    onState: ({ seq }) => drawn.push([seq, events.length]),
    onEvent: ({ seq }, missed) => { events.push([seq, missed]); tasks.add(task); } });
  sockets[0].hear(state(10_001));
  for (let seq = 2; seq <= 10_001; seq += 1) {
    task += 1; // a browser gives each message a task of its own
    sockets[0].hear({ type: "payment.confirming", seq, status: "confirming" });
  }
  assert.deepEqual(drawn, [[10_001, 0]]);
  assert.deepEqual(events.map(([seq]) => seq), Array.from({ length: 10_000 }, (_, n) => n + 2));
  assert.ok(events.every(([, missed]) => missed));
  assert.equal(tasks.size, 10);
  sockets[0].hear({ type: "payment.confirmed", seq: 10_002, status: "confirmed" });
  assert.deepEqual(drawn[1], [10_002, 10_000]); // from now on each is drawn
  watch.stop();
});

test("a line that is cut in the middle of the story goes on where it was", async () => {
  const seqs = [], drawn = [];
  const watch = watchPayment({ address: "a", url: "http://node", since: `${EPOCH}-1`,
    onState: ({ seq }) => drawn.push(seq), onEvent: ({ seq }) => seqs.push(seq) });
  sockets[0].hear(state(6));
  for (const seq of [2, 3, 4]) sockets[0].hear({ type: "payment.confirming", seq });
  sockets[0].onclose({});
  assert.deepEqual(seqs, [2, 3, 4]);
  await pass(1_000);
  assert.match(sockets[1].url, new RegExp(`since=${EPOCH}-4`));
  sockets[1].hear(state(6));
  for (const seq of [4, 5, 6]) sockets[1].hear({ type: "payment.confirming", seq });
  assert.deepEqual(seqs, [2, 3, 4, 5, 6]);
  assert.deepEqual(drawn, [6]);
  watch.stop();
});

test("after a restore the payment begins anew", () => {
  const bell = new Paybell("a", { url: "http://node", since: `${EPOCH}-900` });
  const seqs = [];
  bell.addEventListener("event", ({ detail }) => seqs.push(detail.seq));
  bell.start();
  sockets[0].hear({ type: "error", code: "begins_anew", message: "" });
  sockets[0].hear(state(3, { epoch: "zzzzzzzz" }));
  sockets[0].hear({ type: "payment.detected", seq: 4 });
  assert.deepEqual(seqs, [4]);
  assert.equal(bell.position, "zzzzzzzz-4");
  bell.stop();
});

test("a slept machine opens a new line though the old one looks alive", async () => {
  const watch = watchPayment({ address: "a", url: "http://node" });
  sockets[0].hear(state(1));
  await pass(20_000);
  assert.equal(sockets.length, 1);
  clock.sleep(3_600_000);
  await pass(6_000);
  assert.equal(sockets.length, 2);
  watch.stop();
});

test("while only HTTP gets through it is asked, and a payment is told once", async () => {
  const told = [], links = [];
  const paid = { type: "payment", status: "paid", paymentHash: "h", amountSat: 1 };
  answer = async url => {
    assert.match(url, /^http:\/\/node\/poll\/order\?/);
    return { ok: true, json: async () => ({ messages: [{ type: "identified" }, paid] }) };
  };
  const watch = watchPayment({ externalId: "o", url: "http://node",
    onPayment: message => told.push(message), onLink: ({ live, over }) => links.push([live, over]) });
  await loseAll(60_000);
  assert.deepEqual(told, [paid]);
  assert.deepEqual(links, [[true, "poll"]]);
  answer = () => Promise.reject(new TypeError("fetch failed"));
  await loseAll(60_000);
  assert.deepEqual(links[1], [false, "websocket"]);
  watch.stop();
});

test("an event stream that is lost is followed by a WebSocket, which may get through", async () => {
  const streams = [];
  globalThis.EventSource = class extends EventTarget {
    constructor(url) { super(); this.url = url; streams.push(this); }
    close() {}
  };
  answer = async () => ({ ok: true, json: async () => ({ messages: [state(1)] }) });
  const watch = watchPayment({ address: "a", url: "http://node" });
  for (let n = 0; n < 2; n += 1) {
    sockets.at(-1).onclose({});
    await pass(1_200);
  }
  assert.deepEqual([sockets.length, streams.length], [2, 1]);
  streams[0].dispatchEvent(Object.assign(new Event("state"), { data: JSON.stringify(state(1)) }));
  streams[0].onerror();
  await pass(600);
  assert.deepEqual([sockets.length, streams.length], [3, 1]);
  watch.stop();
});

test("a node that hangs is unreachable, whatever number the browser has for it", async () => {
  const codes = [];
  answer = () => Promise.reject(new DOMException("timed out", "TimeoutError"));
  const watch = watchPayment({ address: "a", url: "http://node",
    onError: ({ code }) => codes.push(code) });
  await loseAll(5_000);
  assert.deepEqual(codes, ["unreachable"]);
  watch.stop();
});

test("a line that was up and is lost costs no request: it is opened again", async () => {
  let asked = 0;
  answer = () => Promise.reject(new TypeError(`failed ${asked += 1}`));
  const watch = watchPayment({ address: "a", url: "http://node" });
  sockets[0].hear(state(1));
  sockets[0].onclose({});
  await pass(600);
  sockets[1].hear(state(1));
  await pass(10_000);
  assert.deepEqual([sockets.length, asked], [2, 0]);
  watch.stop();
});

test("the network, the page and the machine wake it at once, and nothing else does", async t => {
  const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const events = new EventTarget();
  globalThis.document = page;
  for (const name of ["addEventListener", "removeEventListener"]) {
    globalThis[name] = events[name].bind(events);
  }
  t.after(() => {
    for (const name of ["document", "addEventListener", "removeEventListener"]) delete globalThis[name];
  });
  const watch = watchPayment({ address: "a", url: "http://node" });
  const opened = act => {
    const before = sockets.length;
    sockets.at(-1).hear(state(1));
    act();
    return sockets.length - before;
  };
  const show = visibilityState => {
    Object.assign(page, { visibilityState }).dispatchEvent(new Event("visibilitychange"));
  };
  const pageshow = persisted => events.dispatchEvent(Object.assign(new Event("pageshow"), { persisted }));
  assert.equal(opened(() => page.dispatchEvent(new Event("resume"))), 1);
  assert.equal(opened(() => events.dispatchEvent(new Event("online"))), 1);
  assert.equal(opened(() => pageshow(true)), 1);
  assert.equal(opened(() => pageshow(false)), 0);
  show("hidden");
  await pass(10_000);
  assert.equal(opened(() => show("visible")), 0);
  show("hidden");
  await pass(20_000);
  assert.equal(opened(() => show("visible")), 1);
  sockets.at(-1).hear(state(1));
  sockets.at(-1).onclose({}); // it waits for its next attempt
  const before = sockets.length;
  show("visible");
  assert.equal(sockets.length, before + 1);
  watch.stop();
  events.dispatchEvent(new Event("online"));
  assert.equal(sockets.length, before + 1);
});

test("nothing to follow is a mistake that is said at once", () => {
  assert.throws(() => watchPayment({ url: "http://node" }), /address, a paymentId or an externalId/);
});
