/* The tree of what works in the node: the core, and a watcher for each open payment; and
   watchers that were set aside, which a person looks at. */

import { ago, api, ask, form, h, link, more, put, short, table, tag, time, toast, when } from "./kit.mjs";

export const title = "Supervision";

const KIND = { running: "good", alive: "good", restarting: "warn", quarantined: "bad" };

export async function show(place, { signal }) {
  const [trouble, core, found, watchers] = ["trouble", "core", "found", "watchers"].map(name =>
    h("section", { class: `part-${name}` }));
  put(place, trouble, core, found, watchers);
  put(found, h("h2", {}, "Look at one address"), h("div", { class: "card narrow" },
    form([{ name: "address", label: "Address", required: true, maxlength: 100, plain: true }],
      { action: "Look", send: ({ address }) => api(`v1/watchers/${encodeURIComponent(address)}`, { signal }),
        done: one => put(result, rowsOf([one], again)) })));
  const result = h("div");
  found.append(result);

  const again = async () => {
    const [alerts, tree] = await Promise.all([api("v1/alerts", { signal }),
      api("v1/watchers", { query: { limit: 1 }, signal })]);
    const aside = alerts.data.filter(one => one.kind === "watcher.quarantined");
    put(trouble, h("h2", {}, "Set aside"), aside.length ? await quarantined(aside, again, signal)
      : h("p", { class: "quiet" }, "None: every open payment is looked after. One whose watcher crashes again"
        + " and again is set aside, so that it disturbs no other."));
    put(core, h("h2", {}, "What all depend on"), coreOf(tree.core));
  };
  await again();
  const timer = setInterval(() => { if (!document.hidden) again().catch(() => {}); }, 10_000);
  signal.addEventListener("abort", () => clearInterval(timer));

  const rows = h("div");
  put(watchers, h("h2", {}, "Watchers of open payments"), rows);
  let made = null;
  const first = await more(watchers, "v1/watchers", { limit: 50 }, data => {
    if (made) made.add(data);
    else if (data.length) {
      made = tableOf(data, again);
      put(rows, h("div", { class: "scrolls" }, made));
    }
  }, signal);
  if (!first) put(rows, h("p", { class: "quiet" }, "No payment is open."));
}

const coreOf = rows => h("div", { class: "scrolls" }, table({ caption: "Core", hideCaption: true, columns: [
  { name: "Part", cell: one => h("b", {}, one.name) },
  { name: "State", cell: one => tag(one.state, KIND[one.state] ?? "warn") },
  { name: "Restarts", class: "num", cell: one => String(Math.max(0, one.incarnation - 1)) },
  { name: "Mailbox", class: "num", cell: one => String(one.backlog) },
], rows }));

const rowsOf = (rows, again) => h("div", { class: "scrolls" }, tableOf(rows, again));

const tableOf = (rows, again) => table({ caption: "Watchers", hideCaption: true, columns: [
  { name: "Payment", cell: one => [link(`#/payments/${encodeURIComponent(one.payment_id)}`, short(one.payment_id, 10, 4)),
    h("p", { class: "quiet" }, one.status)] },
  { name: "State", cell: one => [tag(one.state, KIND[one.state]),
    one.last_error ? h("p", { class: "wrong" }, one.last_error) : null] },
  { name: "Restarts", class: "num", cell: one => String(one.restarts) },
  { name: "Mailbox", class: "num", cell: one => String(one.backlog) },
  { name: "Last seen", class: "num", cell: one => (one.seen_at ? h("time", { title: when(one.seen_at) }, ago(one.seen_at)) : "–") },
  { name: "Next poll", class: "num", cell: one => (one.next_poll_at ? time(one.next_poll_at) : "–") },
  { name: "Deadline", class: "num", cell: one => (one.next_deadline_at ? time(one.next_deadline_at) : "–") },
  { name: "", cell: one => h("span", { class: "tags" },
    h("button", { type: "button", class: "small", onclick: () => resume(one.address, again) },
      one.state === "running" ? "Look now" : "Resume"),
    one.state === "running" ? null : h("button", { type: "button", class: "small",
      onclick: () => release(one.address, again) }, "Release")) },
], rows });

/* Of payments that were set aside, as their watchers are now. */
async function quarantined(aside, again, signal) {
  const rows = [];
  for (const alert of aside.slice(0, 50)) {
    try {
      const payment = await api(`v1/payments/${encodeURIComponent(alert.subject)}`, { signal });
      rows.push(await api(`v1/watchers/${encodeURIComponent(payment.address)}`, { signal }));
    } catch (error) {
      if (error.status !== 404) throw error; // else it is over since
    }
  }
  return rowsOf(rows, again);
}

async function resume(address, again) {
  await api(`v1/watchers/${encodeURIComponent(address)}/poll`, { method: "POST" });
  toast("It looks at the chain now.", "good");
  await again();
}

async function release(address, again) {
  const done = await ask({ title: "Release the address?", danger: true, action: "Release",
    text: ["Its payment is cancelled, unless it is paid in full, and is watched no more. What comes in"
      + " afterwards is not counted for it; the address is free for another."],
    send: () => api(`v1/watchers/${encodeURIComponent(address)}/release`, { method: "POST" }) });
  if (done) await again();
}
