/* One payment: what it is, its whole story, who was told of it, and what can be done. */

import { deliveries } from "./payment_deliveries.mjs";
import { refunds } from "./payment_refunds.mjs";
import { actions } from "./payment_actions.mjs";
import { amountOf, flagOf, receivedOf, statusOf, told } from "./payment_words.mjs";
import { api, copyable, count, every, follow, h, link, put, sat, short, table, tag, when }
  from "./kit.mjs";

export const title = "Payment";

const SOON_MS = 250; // a payment that moves is read anew no oftener than this

export async function show(place, { params, signal, heading }) {
  const path = `v1/payments/${encodeURIComponent(params.id)}`;
  const parts = Object.fromEntries(["status", "actions", "facts", "receipts", "refunds", "story",
    "deliveries"].map(name => [name, h("section", { class: `part-${name}` })]));
  const story = h("ol", { class: "story" });
  let seq = 0;
  let asked = 0;
  let drawn = 0; // the question whose answer is shown

  const read = async () => {
    const turn = asked += 1;
    const payment = await api(path, { signal });
    if (turn < drawn) return; // a later one was answered first: it knows more
    drawn = turn;
    draw(payment, parts, heading);
    put(parts.actions, actions(payment, again));
  };
  const again = () => Promise.all([read(), refunds(parts.refunds, path, again, signal),
    deliveries(parts.deliveries, path, signal)]);
  const tell = events => {
    for (const event of events) {
      if (event.seq <= seq) continue;
      seq = event.seq;
      story.append(step(event));
    }
  };
  const readStory = async () => {
    let after = seq ? String(seq) : "0";
    while (after) {
      const page = await api(`${path}/events`, { query: { after, limit: 200 }, signal });
      if (page.kept_from > 1 && !seq) story.before(h("p", { class: "note" },
        `What came before event ${page.kept_from} is kept no longer.`));
      tell(page.data);
      after = page.next_after;
    }
  };

  let timer = 0;
  let isFirst = true;
  follow(events => {
    const mine = events?.filter(event => event.payment_id === params.id) ?? [];
    if (events && !mine.length) return;
    if (!isFirst && mine[0]?.seq === seq + 1) tell(mine);
    else if (!isFirst) readStory().catch(() => {});
    timer ||= setTimeout(() => {
      timer = 0;
      if (!signal.aborted) again().catch(() => {}); // the light above says that we are cut off
    }, SOON_MS);
  }, signal);

  await read();
  put(place, parts.status, h("div", { class: "two" },
    h("div", {}, parts.facts, parts.receipts, parts.refunds),
    h("div", {}, h("div", { class: "card" }, h("h2", {}, "What happened"), story), parts.deliveries)));
  heading.after(parts.actions);
  await readStory();
  isFirst = false;
  await Promise.all([refunds(parts.refunds, path, again, signal),
    every(10_000, () => deliveries(parts.deliveries, path, signal), signal)]);
}

function draw(payment, parts, heading) {
  heading.textContent = payment.external_id ?? `Payment ${short(payment.id)}`;
  document.title = `${heading.textContent} · Paybell`;
  const [word, kind, what] = statusOf(payment.status);
  put(parts.status, h("p", { class: "status-line" }, tag(word, kind), " ",
    payment.flags.map(flag => [tag(...flagOf(flag).slice(0, 2)), " "]), what),
  payment.flags.map(flag => h("p", { class: "quiet" }, flagOf(flag)[2])),
  payment.freshness ? h("p", { class: "note" },
    `Less is known of this payment than of others: ${payment.freshness.reason}`) : null);
  put(parts.facts, h("div", { class: "card" }, h("h2", {}, "Payment"), facts(payment)));
  put(parts.receipts, payment.receipts.length ? receipts(payment) : null);
}

function facts(payment) {
  const { price, derived, order, lightning } = payment;
  const rows = [
    ["Asked", [amountOf(payment), price ? ` = ${sat(payment.amount_sat)}, at ${price.rate}` : ""]],
    ["Received", receivedOf(payment)],
    payment.refunded_sat ? ["Refunded", sat(payment.refunded_sat)] : null,
    payment.method === "onchain"
      ? ["Confirmations", `${payment.confirmations} of ${payment.confirmations_required}`] : null,
    payment.description ? ["For", payment.description] : null,
    ["Created", when(payment.created_at)],
    ["Deadline", when(payment.expires_at)],
    payment.confirmed_at ? ["Paid", when(payment.confirmed_at)] : null,
    payment.completed_at ? ["Arrived at the owner", when(payment.completed_at)] : null,
    payment.address ? ["Address", copyable(payment.address, "address")] : null,
    derived ? ["From the wallet", `index ${count(derived.index)} (${derived.path})`] : null,
    lightning ? ["Invoice", copyable(lightning.bolt11, "invoice")] : null,
    payment.forwarding_tx_hash
      ? ["Sent on by", copyable(payment.forwarding_tx_hash, "transaction")] : null,
    payment.account ? ["Credits", [link(`#/ledger/${encodeURIComponent(payment.account)}`,
      payment.account), payment.package ? ` (${payment.package})` : ""]] : null,
    order ? ["The order is", [`${order.status} `, order.paid_by && order.paid_by !== payment.id
      ? link(`#/payments/${encodeURIComponent(order.paid_by)}`, "by another payment") : ""]] : null,
    ["Merchant", payment.merchant],
    ["Id", copyable(payment.id, "payment id")],
    payment.return_url ? ["Way back", payment.return_url] : null,
    ...Object.entries(payment.metadata).map(([name, value]) => [name, String(value)]),
  ];
  return [h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) =>
    [h("dt", {}, name), h("dd", {}, value)])),
  h("p", {}, h("a", { href: payment.checkout_url.replace(/^\//, ""), target: "_blank",
    rel: "noopener" }, "The payer's page"))];
}

function receipts(payment) {
  return table({ caption: "Money that came in",
    columns: [
      { name: "Transaction", cell: r => copyable(r.txid, "transaction id") },
      { name: "Amount", class: "num", cell: r => sat(r.amount_sat) },
      { name: "Block", class: "num", cell: r => (r.method === "lightning" ? "Lightning"
        : r.block_height === null ? "mempool" : count(r.block_height)) },
      { name: "Depth", class: "num", cell: r => (r.method === "lightning" ? "–"
        : count(r.confirmations)) },
    ], rows: payment.receipts });
}

function step(event) {
  const [headline, sentence, kind] = told(event);
  return h("li", { class: kind }, h("time", { datetime: event.at }, when(event.at)),
    h("b", {}, headline), sentence ? h("p", {}, sentence) : null,
    h("details", {}, h("summary", {}, `Event ${event.seq}: ${event.type}`),
      h("pre", { tabindex: 0 }, JSON.stringify(event, null, 2))));
}

