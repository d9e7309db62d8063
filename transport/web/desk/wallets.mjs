/* Wallets: where addresses come from, and whether the owner's program looks far enough. */

import { api, count, copyable, empty, h, ofMerchant, put, tag, when } from "./kit.mjs";

export const title = "Wallets";

export async function show(place, { signal }) {
  const { data } = await api("v1/wallets", { query: { merchant: ofMerchant() }, signal });
  put(place, data.length ? h("div", { class: "cards" }, data.map(one)) : empty("No wallet yet.",
    "Each payment on the chain wants an address of its own. Give the merchant a wallet to watch, of"
    + " public keys only, so that fresh ones are derived from it:",
    h("pre", { tabindex: 0 }, `paybell wallet add ${ofMerchant() ?? "MERCHANT"} < descriptor.txt`),
    "Until then, payments name their address themselves."));
}

function one(wallet) {
  const left = wallet.gap - wallet.unpaid;
  return h("section", { class: "card" }, h("h2", {}, wallet.merchant, " ",
    tag(wallet.state, wallet.state === "active" ? "good" : ""),
    wallet.locked ? [" ", tag("locked", "bad")] : null,
    wallet.is_gap_reached ? [" ", tag("gap", "warn")] : null),
  wallet.state === "active" ? warning(wallet, left) : null,
  wallet.locked ? h("p", { class: "note" }, `Its money is not moved: ${wallet.locked}`) : null,
  h("dl", { class: "facts" }, [
    ["Next address", `index ${count(wallet.next_index)}`],
    ["Never paid", `${wallet.unpaid === wallet.unpaid_at_most ? "at least " : ""}${count(wallet.unpaid)}`
      + " of the last ones in a row"],
    ["Keys", wallet.holds_keys ? "held by this node" : "public only: this node can move nothing"],
    ["Kind", wallet.kind],
    wallet.descriptor ? ["Descriptor", copyable(wallet.descriptor, "descriptor")] : null,
    ["Added", when(wallet.created_at)],
    wallet.retired_at ? ["Retired", when(wallet.retired_at)] : null,
    ["Id", wallet.id],
  ].filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function warning(wallet, left) {
  if (wallet.is_gap_reached) {
    return h("p", { class: "note" }, `The last ${count(wallet.gap)} addresses or more were not paid, and`
      + " most wallet programs look no further ahead. Raise its gap limit (Electrum:"
      + " wallet.change_gap_limit; Sparrow: Settings, Advanced), or it does not show the next payment."
      + " The money is there, and Paybell sees it.");
  }
  if (left <= wallet.gap / 4) {
    return h("p", { class: "note" }, `${count(left)} more that nobody pays, and most wallet programs look`
      + " no further ahead.");
  }
  return null;
}
