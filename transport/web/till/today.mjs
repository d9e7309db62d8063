/* Today's sales of all the shop's tills: what they came to, and each with its state, live
   from the stream of events. The list itself is the node's; nothing is counted here that
   it would not tell anew. */

import { call, in_words } from "./api.mjs";
import { at, receipt_code, receipt_link } from "./counter.mjs";
import { $, clock, made, put } from "./dom.mjs";
import { SAT, parsed, shown, text } from "./money.mjs";
import { OPEN, line_of, moved, stage_of } from "./stages.mjs";
import { say } from "./words.mjs";

const [PAGE, PAGES] = [100, 5];
const NEWS = { "payment.late": "told_late", "payment.reversed": "gone_confirmed" };
const AGAIN_MS = 3_000;
const SOON_MS = 1_000; // many new payments at once are one look at the list

/* Tells of: "show" (the sale whose code is to be shown again), "notice" (words), "out". */
export class Today extends EventTarget {
  #till;
  #sales = new Map(); // by id, newest first
  #is_all = true;
  #soon = 0; // timer
  #turn = 0; // of the last look
  #news = []; // events that are yet to be told
  #day = "";

  constructor(till) {
    super();
    this.#till = till;
    $("today-list").addEventListener("click", ({ target }) => {
      const id = target.closest("button")?.dataset.id;
      if (id) this.#open(this.#sales.get(id));
    });
  }

  /* Read the list anew. */
  async load() {
    const turn = this.#turn += 1;
    const midnight = new Date(new Date().setHours(0, 0, 0, 0)).toISOString();
    const found = [], news = [...this.#news];
    let cursor = null, is_all = false;
    try {
      for (let page = 0; page < PAGES && !is_all; page += 1) {
        const query = new URLSearchParams({ limit: PAGE, created_after: midnight, ...(cursor && { cursor }) });
        const { data, next_cursor: next } = await call("GET", `v1/payments?${query}`);
        found.push(...data);
        is_all = !next;
        cursor = next;
      }
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error.is_out) return this.#tell("out");
      put("today-wrong", `${say("today_failed")} ${in_words(error)}`);
      return this.#look_soon(AGAIN_MS); // a sleep may have come between
    }
    if (turn !== this.#turn) return; // a later look knows more
    put("today-wrong", "");
    // An event may have come while the pages were on their way: what is newer counts.
    const sales = found.filter(is_sale).map(one => {
      const known = this.#sales.get(one.id);
      return [one.id, known && known.seq > one.seq ? moved(one, known) : one];
    });
    [this.#sales, this.#is_all, this.#day] = [new Map(sales), is_all, new Date().toDateString()];
    this.#draw();
    this.#tell_news();
    this.#news = this.#news.filter(one => !news.includes(one)); // of no sale of today
  }

  /* Something happened to a payment of the shop. */
  hear(event) {
    const known = this.#sales.get(event.payment_id), is_news = event.type in NEWS;
    if (is_news) this.#news.push(event);
    const is_another_day = this.#day !== new Date().toDateString();
    if (is_another_day || (!known && (is_news || event.type === "payment.created"))) this.#look_soon();
    if (!known) return;
    this.#sales.set(known.id, moved(known, event));
    this.#draw();
    this.#tell_news();
  }

  /* What a cashier is told who is not looking at it. Of a sale that is not known yet, it
     waits for the next look at the list. */
  #tell_news() {
    const known = this.#news.filter(event => this.#sales.has(event.payment_id));
    this.#news = this.#news.filter(event => !known.includes(event));
    for (const { type, payment_id: id } of known) {
      const sale = this.#sales.get(id);
      this.#tell("notice", say(NEWS[type], { time: clock(sale.created_at), sum: sum_of(sale) }));
    }
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #look_soon(ms = SOON_MS) {
    this.#soon ||= setTimeout(() => {
      this.#soon = 0;
      this.load();
    }, ms);
  }

  #draw() {
    const sales = [...this.#sales.values()];
    const paid = sales.filter(one => stage_of(one) === "paid");
    put("today-count", !sales.length ? say("today_none") : paid.length === 1 ? say("one_sale") : say("sales", { n: paid.length }));
    put("today-total", totals(paid, total_of).join(" + "));
    const tips = totals(paid, tip_of);
    put("today-tips", tips.length ? `${say("tips_total")} ${tips.join(" + ")}` : "");
    put("today-part", this.#is_all ? "" : say("today_first", { n: sales.length }));
    // The same buttons stay where they are: whoever is on one stays there.
    const list = $("today-list"), before = new Map([...list.children].map(one => [one.dataset.id, one]));
    const rows = sales.map(one => {
      const row = before.get(one.id) ?? made("li", { data_id: one.id });
      const key = JSON.stringify([line_of(one), one.received_sat]);
      if (row.dataset.key === key) return row;
      row.dataset.key = key;
      return fill(row, one);
    });
    const is_same = rows.length === list.children.length && rows.every((row, i) => row === list.children[i]);
    if (!is_same) list.replaceChildren(...rows);
  }

  #open(payment) {
    if (!payment) return;
    const stage = stage_of(payment), state = line_of(payment);
    put("sale-title", at(payment.created_at));
    put("sale-state", say(state));
    $("sale-state").dataset.state = state;
    const { metadata, method } = payment, tip = tip_of(payment);
    const facts = [
      [say("amount"), sum_of(payment)],
      [say("tip"), tip ? shown(tip[1], tip[0]) : ""],
      ["Bitcoin", payment.price ? shown(BigInt(payment.amount_sat), SAT) : ""],
      [say("received"), payment.received_sat !== payment.amount_sat ? shown(BigInt(payment.received_sat), SAT) : ""],
      [say("memo_short"), metadata.memo ?? ""],
      [say("paid_by"), method === "lightning" || method === "onchain" ? say(method) : method],
      [say("at_till"), metadata.till],
      [say("reference"), payment.id],
    ];
    const told = facts.filter(([, fact]) => fact);
    $("sale-facts").replaceChildren(...told.flatMap(([name, fact]) => [made("dt", { text: name }), made("dd", { text: fact })]));
    const is_paid = stage === "paid";
    $("sale-receipt").hidden = !is_paid;
    if (is_paid) $("sale-code").src = receipt_code(payment.id);
    else $("sale-code").removeAttribute("src");
    $("sale-link").href = receipt_link(payment.id);
    $("sale-show").hidden = !OPEN.includes(stage);
    $("sale-show").onclick = () => {
      $("sale").close();
      this.#tell("show", sale_of(payment));
    };
    $("sale").showModal();
  }
}

const is_sale = payment => typeof payment.metadata?.till === "string" && payment.amount_sat !== null;

const unit_of = ({ price }) => price ? { currency: price.currency, decimals: price.decimals } : SAT;

/* [unit, sum]; of a tip null, if there is none that can be read. */
const total_of = payment => {
  const unit = unit_of(payment);
  return [unit, BigInt(unit.currency ? payment.price.amount_minor : payment.amount_sat)];
};
const tip_of = payment => {
  const { tip, tip_currency: currency } = payment.metadata, unit = unit_of(payment);
  const sum = currency === (unit.currency ?? "SAT") && typeof tip === "string" ? parsed(tip, unit) : null;
  return sum ? [unit, sum] : null;
};
const sum_of = payment => {
  const [unit, sum] = total_of(payment);
  return shown(sum, unit);
};

/* One text for each unit. */
function totals(sales, of) {
  const found = new Map();
  for (const [unit, sum] of sales.map(of).filter(Boolean)) {
    const [, before] = found.get(unit.currency) ?? [unit, 0n];
    found.set(unit.currency, [unit, before + sum]);
  }
  return [...found.values()].map(([unit, sum]) => shown(sum, unit));
}

function fill(row, payment) {
  const state = line_of(payment);
  const button = row.firstChild ?? made("button", { type: "button", data_id: payment.id });
  button.replaceChildren(
    made("time", { text: clock(payment.created_at), datetime: payment.created_at }),
    made("b", { text: sum_of(payment) }),
    made("span", { text: payment.metadata.memo ?? "", class: "memo" }),
    made("span", { text: say(state), class: "state", data_state: state }),
  );
  row.replaceChildren(button);
  return row;
}

/* As `counter.follow` takes it; the session opens it, in place of its secret. */
function sale_of(payment) {
  const [unit, total] = total_of(payment), tip = tip_of(payment);
  return {
    unit,
    total: text(total, unit),
    tip: text(tip ? tip[1] : 0n, unit),
    has_tip: tip !== null,
    memo: String(payment.metadata.memo ?? ""),
    id: payment.id,
    secret: null,
    method: payment.method,
    amount_sat: payment.amount_sat,
    expires_at: payment.expires_at,
    warnings: [],
  };
}
