/* The keypad: a sum in the shop's currency or in satoshi, a tip, what it is for, and how
   it is to be paid. It knows of no sale: `wanted` is what one would be made of. */

import { $, kept, made, put } from "./dom.mjs";
import { SAT, in_currency, in_sat, number_of, percent_of, shown, text, typed } from "./money.mjs";
import { say } from "./words.mjs";

const LATE_S = 600; // a rate that is older is shown as a doubt

export class Keypad {
  #till;
  #digits = "";
  #tip_digits = ""; // of the guest's own sum
  #tip = "0"; // a percentage, or "own"
  #is_in_tip = false; // the keys go into the tip
  #unit = SAT;
  #method = null;

  constructor(till) {
    this.#till = till;
    $("keypad").addEventListener("click", ({ target }) => {
      const { key, tip, unit, method } = target.closest("button")?.dataset ?? {};
      if (key !== undefined) this.press(key);
      if (tip !== undefined) this.#choose_tip(tip);
      if (unit !== undefined) this.#choose_unit(unit);
      if (method !== undefined) this.#choose_method(method);
    });
    this.#offer();
  }

  /* The sale that is on the keypad. Sums are text as the API takes them. */
  wanted() {
    const base = BigInt(this.#digits || 0), tip = this.#tip_of(base);
    const unit = { ...this.#unit };
    return {
      unit,
      base,
      total: text(base + tip, unit),
      tip: text(tip, unit),
      has_tip: tip > 0n,
      sat: this.#in_sat(base + tip),
      memo: $("memo").value.trim(),
      method: this.#method,
    };
  }

  /* What is wrong with it, in words; "": nothing that is known here. */
  mistake({ base, sat, method }) {
    if (base === 0n) return say("enter_amount");
    if (sat === null) return say("rate_none");
    const { methods } = this.#till;
    const way = methods.find(one => one.name === method);
    if (way === undefined) return say("nothing_to_sell_by");
    const has_other = methods.length > 1;
    if (way.max_sat !== null && sat > BigInt(way.max_sat)) {
      return say(has_other ? "too_much_lightning" : "too_much", { sum: this.#sum_of(way.max_sat) });
    }
    if (sat < BigInt(way.min_sat)) {
      return say(has_other ? "too_little_onchain" : "too_little", { sum: this.#sum_of(way.min_sat) });
    }
    return "";
  }

  press(key) {
    put("wrong", "");
    if (this.#is_in_tip) this.#tip_digits = typed(this.#tip_digits, key);
    else this.#digits = typed(this.#digits, key);
    this.draw();
  }

  clear() {
    this.#digits = this.#tip_digits = "";
    this.#tip = "0";
    this.#is_in_tip = false;
    $("memo").value = "";
    this.#method = this.#till.methods[0]?.name ?? null; // Lightning first, for each sale
    put("wrong", "");
    this.draw();
  }

  /* The till was told something: another rate, other methods. */
  told() {
    const { rate, methods } = this.#till;
    const is_same = this.#unit.currency === null || this.#unit.currency === rate?.currency;
    if (!is_same) {
      this.#unit = SAT;
      this.clear();
    }
    if (!methods.some(one => one.name === this.#method)) this.#method = methods[0]?.name ?? null;
    this.#offer();
  }

  /* Seconds pass: the rate grows older. */
  draw() {
    const { rate } = this.#till;
    const { base, total, has_tip, sat } = this.wanted();
    const unit = this.#unit, tip = this.#tip_of(base);
    const entered = this.#is_in_tip ? BigInt(this.#tip_digits || 0) : base;
    put("entering", this.#is_in_tip ? say("tip_enter") : say("amount"));
    put("amount", number_of(entered, unit));
    put("amount-unit", unit.currency ? "" : "sat");
    put("with-tip", has_tip ? say("with_tip", { base: shown(base, unit), tip: shown(tip, unit) }) : "");
    put("about", this.#about(base + tip, sat));
    put("rate", this.#rate_text(rate));
    const sum = shown(base + tip, unit);
    put("create", base > 0n ? say("charge", { sum }) : say("charge_nothing"));
    for (const one of document.querySelectorAll("[data-tip]")) {
      one.setAttribute("aria-pressed", String(one.dataset.tip === this.#tip));
      if (one.dataset.tip === "own") one.textContent = say(this.#is_in_tip ? "tip_done" : "tip_own");
    }
    mark("unit", unit.currency ?? "sat");
    mark("method", this.#method);
    return total;
  }

  #tip_of(base) {
    if (this.#tip === "own") return BigInt(this.#tip_digits || 0);
    return percent_of(base, Number(this.#tip));
  }

  #in_sat(minor) {
    if (!this.#unit.currency) return minor;
    const rate = this.#till.rate?.rate;
    return rate ? in_sat(minor, this.#unit, rate) : null;
  }

  #about(minor, sat) {
    const { rate } = this.#till;
    if (!rate?.rate || minor === 0n) return "";
    if (this.#unit.currency) return say("about", { sum: shown(sat, SAT) });
    return say("about", { sum: shown(in_currency(minor, rate, rate.rate), rate) });
  }

  #rate_text(rate) {
    if (!rate) return "";
    delete $("rate").dataset.late;
    if (!rate.rate) {
      $("rate").dataset.late = "";
      return say("rate_none");
    }
    const [whole, part = ""] = rate.rate.split(".");
    const decimals = Math.max(rate.decimals, part.length);
    const minor = BigInt(whole + part.padEnd(decimals, "0"));
    const told = say("rate", { sum: shown(minor, { currency: rate.currency, decimals }) });
    if (rate.at === null) return told;
    const age = Math.max(0, Math.floor((Date.now() + this.#till.skew - Date.parse(rate.at)) / 1000));
    if (age > LATE_S) $("rate").dataset.late = "";
    const words = age < 60 ? say("seconds", { n: age }) : say("minutes", { n: Math.floor(age / 60) });
    return `${told} · ${say("rate_age", { age: words })}`;
  }

  /* A limit, in the unit of the keypad, with what it is in satoshi. */
  #sum_of(sat) {
    const { rate } = this.#till;
    const told = shown(BigInt(sat), SAT);
    if (!this.#unit.currency || !rate?.rate) return told;
    return `${told} (${shown(in_currency(BigInt(sat), rate, rate.rate), rate)})`;
  }

  #choose_tip(name) {
    this.#is_in_tip = name === "own" && !(this.#is_in_tip && this.#tip === "own");
    this.#tip = name;
    if (name === "own" && !this.#is_in_tip && !this.#tip_digits) this.#tip = "0";
    put("wrong", "");
    this.draw();
  }

  #choose_unit(name) {
    const { rate } = this.#till;
    const unit = name === "sat" || !rate ? SAT : { currency: rate.currency, decimals: rate.decimals };
    if (unit.currency === this.#unit.currency) return;
    const memo = $("memo").value;
    this.#unit = unit;
    kept.set("unit", name);
    this.clear(); // digits of one unit are no sum of another
    $("memo").value = memo;
  }

  #choose_method(name) {
    this.#method = name;
    put("wrong", "");
    this.draw();
  }

  /* The choices that there are; each is made anew only if it is another. */
  #offer() {
    const { rate, tips, methods } = this.#till;
    const is_first = this.#method === null;
    if (is_first) this.#method = methods[0]?.name ?? null;
    if (rate && is_first && kept.get("unit") !== "sat") this.#unit = { currency: rate.currency, decimals: rate.decimals };
    const units = rate ? [[rate.currency, rate.currency], ["sat", "sat"]] : [];
    choices("units", "unit", units);
    const chosen = tips.map(percent => [String(percent), say("tip_percent", { n: percent })]);
    choices("tips", "tip", tips.length ? [["0", say("no_tip")], ...chosen, ["own", say("tip_own")]] : []);
    choices("methods", "method", methods.length > 1 ? methods.map(({ name }) => [name, say(name)]) : []);
    this.draw();
  }
}

function choices(place, name, offered) {
  const key = JSON.stringify(offered);
  if ($(place).dataset.offered === key) return;
  $(place).dataset.offered = key;
  $(place).hidden = !offered.length;
  const buttons = offered.map(([value, words]) => made("button", { type: "button", [`data-${name}`]: value, text: words }));
  $(place).replaceChildren(...buttons);
}

function mark(name, value) {
  for (const one of document.querySelectorAll(`[data-${name}]`)) {
    one.setAttribute("aria-pressed", String(one.dataset[name] === value));
  }
}
