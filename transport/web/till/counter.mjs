/* The open sale, as the guest sees it: a code, what it costs, how long, what came of it;
   and the page that says that it is paid. What becomes of a payment comes over its own
   line (paybell.js), which is opened anew after a sleep and misses nothing. */

import { base, in_words } from "./api.mjs";
import { $, announce, clock, made, put, show, view } from "./dom.mjs";
import { SAT, number_of, parsed, shown } from "./money.mjs";
import { cancel, forget } from "./sale.mjs";
import { stage_of } from "./stages.mjs";
import { say } from "./words.mjs";

const SLOW_MS = 5_000; // then the cashier need not wait for the money to go on
const LAST_S = 60; // of its time, shown with more weight

/* Tells of: "over" (its words: the keypad is next), "again" (the other method, with the
   sale). */
export class Counter extends EventTarget {
  #till;
  #sale = null;
  #payment = null; // as it was told last
  #stage = "";
  #bell = null;
  #slow = 0;
  #lock = null; // that the screen stays on

  constructor(till) {
    super();
    this.#till = till;
    $("cancel").addEventListener("click", () => this.#leave());
    $("instead").addEventListener("click", () => this.#instead());
    $("next").addEventListener("click", () => this.#tell("over", ""));
    // A page that was hidden has lost what keeps its screen on.
    document.addEventListener("visibilitychange", () => {
      if (this.#sale && !document.hidden) this.#stay_awake();
    });
  }

  get is_open() {
    return this.#sale !== null;
  }

  /* Show a sale and follow it. */
  follow(sale) {
    this.#drop();
    this.#sale = sale;
    this.#stage = "";
    this.#payment = { status: "pending", flags: [], amount_sat: sale.amount_sat, received_sat: 0 };
    delete document.body.dataset.stage;
    const unit = sale.unit, total = parsed(sale.total, unit);
    put("invoice-amount", number_of(total, unit));
    put("invoice-unit", unit.currency ? "" : "sat");
    put("invoice-worth", unit.currency ? shown(BigInt(sale.amount_sat), SAT) : "");
    const tip = parsed(sale.tip, unit);
    put("invoice-tip", sale.has_tip ? say("with_tip", { base: shown(total - tip, unit), tip: shown(tip, unit) }) : "");
    put("invoice-memo", sale.memo);
    $("warnings").replaceChildren(...sale.warnings.map(text => made("li", { text })));
    const other = this.#other();
    $("instead").hidden = !other;
    if (other) put("instead", say(other === "onchain" ? "instead_onchain" : "instead_lightning"));
    this.#draw_code();
    show("invoice");
    this.#moved(this.#payment);
    $("invoice-title").focus();
    this.#bell = new Paybell({ paymentId: sale.id }, { url: base, token: sale.secret });
    this.#bell.addEventListener("state", ({ detail }) => this.#moved(detail));
    this.#bell.addEventListener("event", ({ detail }) => this.#moved(detail));
    this.#bell.addEventListener("error", ({ detail }) => {
      if (detail.code !== "unreachable") put("invoice-note", detail.message);
    });
    this.#bell.start();
    this.#stay_awake();
  }

  /* Seconds pass. */
  tick() {
    if (view() !== "invoice" || !this.#sale) return;
    if (this.#stage !== "waiting" && this.#stage !== "short") return put("left", "");
    const left = Math.round((Date.parse(this.#sale.expires_at) - Date.now() - this.#till.skew) / 1000);
    $("left").toggleAttribute("data-last", left < LAST_S);
    if (left <= 0) return put("left", say("time_over"));
    const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    return put("left", say("time_left", { time }));
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #other() {
    const sat = this.#sale.amount_sat;
    const fits = ({ name, min_sat, max_sat }) =>
      name !== this.#sale.method && sat >= min_sat && (max_sat === null || sat <= max_sat);
    return this.#till.methods.find(fits)?.name;
  }

  #draw_code() {
    const { id } = this.#sale;
    $("qr").src = `${base}v1/payments/${encodeURIComponent(id)}/qr.svg?seq=${this.#payment.seq ?? 0}`;
  }

  #goes_on() {
    return this.#sale.method === "lightning" && this.#till.accounts.some(one => one.role === "user");
  }

  #moved(said) {
    if (!this.#sale) return;
    const before = this.#payment;
    this.#payment = { ...before, ...said };
    const stage = stage_of(this.#payment, this.#goes_on());
    const is_new = stage !== this.#stage;
    const is_more = this.#payment.received_sat !== before.received_sat;
    this.#stage = stage;
    if (stage === "paid") return this.#paid();
    if (stage === "expired" || stage === "cancelled") return this.#ended(stage);
    this.#say(stage);
    if (!is_new && !is_more) return;
    document.body.dataset.stage = stage;
    if (stage === "short" || (is_new && stage === "gone")) this.#draw_code(); // of the rest
    put("cancel", this.#has_come() ? say(stage === "passing" ? "next" : "go_on") : say("cancel"));
    if (this.#has_come()) $("instead").hidden = true;
    const words = [$("invoice-title").textContent, $("invoice-note").textContent];
    if (stage === "passing") announce(say("paid_said", { title: say("paid"), sum: this.#sum() }));
    else if (stage !== "waiting") announce(words.join(". "));
    clearTimeout(this.#slow);
    if (stage === "passing") this.#slow = setTimeout(() => this.#is_slow(), SLOW_MS);
    this.tick();
  }

  /* Whether there is money that a cancelled sale would have to return. */
  #has_come() {
    return ["short", "seen", "passing"].includes(this.#stage);
  }

  #say(stage) {
    const { amount_sat: wanted, received_sat: received, confirmations: n = 0, confirmations_required: of = 0 } = this.#payment;
    const sat = sum => shown(BigInt(sum), SAT);
    const notes = {
      waiting: () => say(this.#sale.method === "lightning" ? "scan_lightning" : "scan"),
      short: () => say("short_note", { received: sat(received), sum: sat(wanted), rest: sat(wanted - received) }),
      seen: () => n === 0 ? say("seen_note_first") : say("seen_note", { n, of }),
      gone: () => say("gone_note"),
      passing: () => "",
    };
    put("invoice-title", say(stage));
    put("invoice-note", notes[stage]());
  }

  #is_slow() {
    if (this.#stage === "passing") put("invoice-note", say("passing_slow"));
  }

  #sum() {
    return shown(parsed(this.#sale.total, this.#sale.unit), this.#sale.unit);
  }

  #paid() {
    const { flags = [], status, amount_sat: wanted, received_sat: received } = this.#payment;
    const sale = this.#sale, sum = this.#sum(), goes_on = this.#goes_on();
    const till = this.#till.accounts.find(one => one.role === "till");
    const notes = [];
    if (status === "failed") notes.push(say("paid_note_failed", { account: till?.label ?? "" }));
    if (flags.includes("late")) notes.push(say("paid_note_late"));
    if (flags.includes("overpaid")) notes.push(say("paid_note_over", { extra: shown(BigInt(received - wanted), SAT) }));
    this.#drop();
    forget();
    put("done-title", say(goes_on && status === "forwarded" ? "forwarded" : "paid"));
    put("done-amount", number_of(parsed(sale.total, sale.unit), sale.unit));
    put("done-unit", sale.unit.currency ? "" : "sat");
    put("done-tip", $("invoice-tip").textContent);
    put("done-note", notes.join(" "));
    $("receipt").src = receipt_code(sale.id);
    $("receipt-link").href = receipt_link(sale.id);
    announce([say("paid_said", { title: $("done-title").textContent, sum }), ...notes].join(" "));
    show("done");
    $("next").focus();
  }

  #ended(stage) {
    const { received_sat: received, amount_sat: wanted } = this.#payment;
    const sums = { received: shown(BigInt(received), SAT), sum: shown(BigInt(wanted), SAT) };
    const words = {
      expired: received > 0 ? "expired_short" : "expired",
      cancelled: received > 0 ? "cancelled_late" : "cancelled",
    };
    this.#drop();
    forget();
    this.#tell("over", say(words[stage], sums));
  }

  /* The button below the code: cancel, or go on where money has come already. */
  async #leave() {
    if (this.#has_come()) {
      this.#drop();
      forget();
      return this.#tell("over", "");
    }
    return this.#stop();
  }

  /* Whether it was cancelled; if it was paid meanwhile its line tells. */
  async #stop() {
    $("cancel").disabled = $("instead").disabled = true;
    try {
      const payment = await cancel(this.#sale.id);
      return payment;
    } catch (error) {
      if (error.is_out) this.#tell("out");
      else put("invoice-note", in_words(error));
      return null;
    } finally {
      $("cancel").disabled = $("instead").disabled = false;
    }
  }

  /* The guest has another kind of wallet. First the one is cancelled, then the other made:
     never are there two that could be paid. */
  async #instead() {
    const sale = this.#sale, method = this.#other();
    this.#bell.stop(); // its end is no news
    const payment = await this.#stop();
    if (payment?.status !== "cancelled") return this.#sale && this.#bell.start();
    this.#drop();
    forget();
    return this.#tell("again", { ...sale, method });
  }

  #drop() {
    clearTimeout(this.#slow);
    this.#bell?.stop();
    this.#bell = this.#sale = null;
    delete document.body.dataset.stage;
    $("qr").removeAttribute("src");
    put("left", "");
    this.#lock?.release().catch(() => {});
    this.#lock = null;
  }

  /* While a code is shown the screen does not go dark, where the browser can. */
  async #stay_awake() {
    try {
      const lock = await navigator.wakeLock?.request("screen");
      if (this.#sale) this.#lock = lock ?? null;
      else lock?.release();
    } catch { /* it may not, or the page is hidden */ }
  }
}

export const receipt_code = id => `${base}pos/receipt/${encodeURIComponent(id)}.svg`;
export const receipt_link = id => `${base}pay/${encodeURIComponent(id)}/receipt`;
export const at = moment => say("sale_at", { time: clock(moment) });
