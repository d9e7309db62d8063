/* How both connections stand, each with its own button (S2.5), and the balances. */

import { call, in_words } from "./api.mjs";
import { $, announce, made, put } from "./dom.mjs";
import { SAT, shown } from "./money.mjs";
import { say } from "./words.mjs";

const is_down = one => one.state !== "live";

/* What is wrong, as {text, name, label}; `name` of an account that can reconnect. */
export function troubles({ accounts, methods, is_up }) {
  if (!is_up) return [{ text: say("server_down") }];
  if (!methods.length) return [{ text: say("nothing_to_sell_by") }];
  return accounts.filter(is_down).reverse()
    .map(({ label, name }) => ({ text: say("account_down", { account: label }), name, label }));
}

let last = null;

export function show_status(till) {
  const told = troubles(till);
  const known = till.accounts.filter(one => one.balance_sat !== null).reverse();
  const balances = known.map(one => say("balance", { account: one.label, sum: shown(BigInt(one.balance_sat), SAT) }));
  put("balance", balances.join(" · "));
  const labels = till.accounts.map(one => one.label).reverse().join(" + ");
  const key = JSON.stringify([told, labels]);
  if (key === last) return; // whoever is on a button stays there
  last = key;
  const ready = labels ? say("ready", { accounts: labels }) : say("ready_onchain");
  const lines = told.length ? told.map(line) : [made("p", {}, made("span", { text: ready }))];
  $("status").replaceChildren(...lines);
}

function line({ text, name, label }) {
  const place = made("p", { data_down: "" }, made("span", { text }));
  if (name !== undefined) {
    const button = made("button", {
      type: "button",
      text: say("reconnect"),
      aria_label: say("reconnect_account", { account: label }),
      on_click: () => reconnect(button, name),
    });
    place.append(button);
  }
  return place;
}

async function reconnect(button, name) {
  button.disabled = true;
  announce(say("reconnecting"));
  try {
    await call("POST", `v1/upstreams/${encodeURIComponent(name)}/reconnect`);
  } catch (error) {
    announce(in_words(error));
  }
  button.disabled = false;
}
