/* The page of a till: who is signed in, which view is shown, and what each part tells the
   others. */

import { call, in_words, session, sign_in, sign_out } from "./api.mjs";
import { Counter } from "./counter.mjs";
import { $, is_wanted, kept, put, show, view } from "./dom.mjs";
import { Keypad } from "./keypad.mjs";
import { Link } from "./link.mjs";
import { forget, found_again, has_open, make } from "./sale.mjs";
import { show_status, troubles } from "./status.mjs";
import { Today } from "./today.mjs";
import { fill, say } from "./words.mjs";

/* What is known of this till, for all parts. `skew`: of the node's clock to ours, ms. */
const till = { till: "", shop: "", accounts: [], methods: [], rate: null, tips: [], skew: 0, is_up: false };
let parts = null; // {keypad, counter, today, link}, once it is open
let is_busy = false; // a sale is being made

function know(told) {
  const { now, ...rest } = told;
  Object.assign(till, rest);
  if (now) till.skew = Date.parse(now) - Date.now();
}

// -- signing in and out ----------------------------------------------------------------

/* Show the till; or, if nobody is signed in, where to do that. */
async function open() {
  try {
    const may_be = "session" in document.body.dataset; // the server has seen it
    if (!may_be || !await session()) return enter(kept.get("was_open") ? say("signed_out") : "");
    know(await call("GET", "v1/pos"));
  } catch (error) {
    if (error.is_lost) {
      setTimeout(open, 2_000);
      return enter(error.message);
    }
    return enter(error.status === 403 ? say("key_too_much") : in_words(error));
  }
  put("enter-wrong", "");
  kept.set("was_open", true);
  put("shop", till.shop || till.merchant);
  put("network", till.network === "mainnet" ? "" : say("test_money", { network: till.network }));
  parts ??= begin();
  parts.keypad.told();
  if (view() === "enter") show(parts.counter.is_open ? "invoice" : "keypad");
  parts.today.load();
  if (parts.counter.is_open) return undefined;
  try {
    const sale = await found_again();
    if (sale) parts.counter.follow(sale);
  } catch (error) {
    put("wrong", in_words(error));
  }
  return undefined;
}

function enter(words) {
  put("enter-wrong", words);
  show("enter");
  $("key").focus();
}

/* The session is over. An open sale stays on the screen: its line needs none. */
function out() {
  if (parts?.counter.is_open) return;
  if (view() !== "enter") enter(say("signed_out"));
}

async function sign_in_with(key) {
  put("enter-wrong", "");
  $("open").disabled = true;
  try {
    await sign_in(key);
    know(await call("GET", "v1/pos"));
  } catch (error) {
    // A key that can do more than a till may must not stay signed in here.
    if (error.status === 403) await sign_out().catch(() => {});
    const words = error.status === 401 ? say("key_unknown") : error.status === 403 ? say("key_too_much") : in_words(error);
    return put("enter-wrong", words);
  } finally {
    $("open").disabled = false;
    $("key").value = "";
  }
  document.body.dataset.session = "";
  parts?.link.again();
  return open();
}

async function leave() {
  if (has_open() && !await is_wanted(say("closing_open"), [], say("close_till"))) return;
  for (const name of ["was_open", "asked"]) kept.drop(name);
  forget();
  await sign_out().catch(() => {});
  location.reload();
}

// -- a sale ----------------------------------------------------------------------------

async function charge() {
  const wanted = parts.keypad.wanted();
  const mistake = parts.keypad.mistake(wanted);
  if (mistake) return put("wrong", mistake);
  return sell(wanted);
}

/* Make the sale, once: what is tapped meanwhile is not a second one. */
async function sell(wanted) {
  if (is_busy) return;
  is_busy = true;
  put("wrong", "");
  try {
    const known = wanted.method === "lightning" || !till.is_up ? troubles(till).map(({ text }) => text) : [];
    if (known.length && !await is_asked(known)) return;
    await follow(wanted, known.length ? "create" : "refuse");
  } finally {
    is_busy = false;
    $("create").disabled = false;
  }
}

const is_asked = warnings => is_wanted(say("all_the_same"), warnings, say("create"));

async function follow(wanted, on_warning) {
  $("create").disabled = true;
  try {
    parts.counter.follow(await make(till, wanted, on_warning));
  } catch (error) {
    if (error.is_out) return out();
    const against = error.errors?.filter(one => one.path === "/on_warning") ?? [];
    const warnings = against.map(one => one.message.replace(/^refuses: \w+: /, ""));
    if (warnings.length && await is_asked(warnings)) return follow(wanted, "create");
    if (warnings.length) return undefined;
    const other = wanted.method === "lightning" && till.methods.length > 1 ? ` ${say("try_onchain")}` : "";
    return put("wrong", error.code === "lightning_unavailable" ? say("no_lightning") + other : in_words(error));
  }
  return undefined;
}

function next(words) {
  parts.keypad.clear();
  put("wrong", words);
  show("keypad");
  $("create").focus({ preventScroll: true });
}

// -- the parts -------------------------------------------------------------------------

function begin() {
  const keypad = new Keypad(till), counter = new Counter(till), today = new Today(till), link = new Link();
  counter.addEventListener("over", ({ detail }) => next(detail));
  counter.addEventListener("again", ({ detail }) => {
    show("keypad");
    sell(detail);
  });
  counter.addEventListener("out", () => enter(say("signed_out")));
  today.addEventListener("show", ({ detail }) => {
    toggle_today(false);
    if (!counter.is_open) counter.follow(detail);
  });
  today.addEventListener("notice", ({ detail }) => notice(detail));
  today.addEventListener("out", out);
  link.addEventListener("till", ({ detail }) => {
    know(detail);
    keypad.told();
    show_status(till);
  });
  link.addEventListener("link", ({ detail }) => {
    till.is_up = detail;
    show_status(till);
  });
  link.addEventListener("event", ({ detail }) => today.hear(detail));
  link.addEventListener("fresh", () => today.load());
  link.addEventListener("out", out);
  link.start(till.cursor);
  show_status(till);
  setInterval(() => {
    counter.tick();
    if (view() === "keypad") keypad.draw();
  }, 1_000);
  return { keypad, counter, today, link };
}

function notice(words) {
  put("notice-text", words);
  $("notice").hidden = false;
}

/* The list is beside the till where there is room, else in its place. */
function toggle_today(is_open = !("today" in document.body.dataset)) {
  if (is_open) document.body.dataset.today = "";
  else delete document.body.dataset.today;
  $("show-today").setAttribute("aria-expanded", String(is_open));
  if (is_open) $("today-title").focus();
  else $("show-today").focus();
}

function pressed(event) {
  const is_free = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!is_free || document.querySelector("dialog[open]") || event.target.closest("input")) return;
  const is_on_button = event.target.closest("button, a") !== null;
  if (view() === "invoice" && event.key === "Escape") $("cancel").focus(); // Enter then cancels
  else if (view() === "done" && event.key === "Escape") $("next").click();
  else if (view() !== "keypad") return;
  else if (/^[0-9]$/.test(event.key)) parts.keypad.press(event.key);
  else if (event.key === "Backspace") parts.keypad.press("back");
  else if (event.key === "Escape") parts.keypad.clear();
  else if (event.key === "Enter" && (!is_on_button || event.target.id === "create")) charge();
  else return;
  event.preventDefault();
}

fill(document);
$("memo").placeholder = say("memo");
document.title = say("title");
$("enter").addEventListener("submit", event => {
  event.preventDefault();
  sign_in_with($("key").value.trim());
});
$("create").addEventListener("click", charge);
$("leave").addEventListener("click", leave);
$("show-today").addEventListener("click", () => toggle_today());
$("hide-today").addEventListener("click", () => toggle_today(false));
$("notice-close").addEventListener("click", () => {
  $("notice").hidden = true;
});
document.addEventListener("keydown", pressed);
open();
