/* The books: accounts and their balances, a user's entries, and all of it as a file. */

import { api, ask, count, empty, h, link, may, more, newKey, ofMerchant, put, money, table, tag, when }
  from "./kit.mjs";

export const title = "Ledger";

const of = merchant => (merchant ? `?merchant=${encodeURIComponent(merchant)}` : "");

const files = path => h("div", { class: "actions" }, ["csv", "jsonl"].map(kind =>
  h("a", { class: "button", href: `v1/accounts${path}/export.${kind}${of(ofMerchant())}`, download: "" },
    kind === "csv" ? "Spreadsheet (CSV)" : "JSON lines")));

const NAMES = { "income:sales": "Sales", "asset:chain": "On the chain" };

export async function show(place, { params, signal, heading }) {
  if (params.account) { await account(place, params.account, signal, heading); return; }
  const merchant = ofMerchant();
  heading.after(files(""));
  const made = table({ caption: `Balances of the merchant ${merchant ?? "default"}`, columns: [
    { name: "Account", cell: one => (one.account.startsWith("user:")
      ? link(`#/ledger/${encodeURIComponent(one.account.slice(5))}`, one.account.slice(5))
      : NAMES[one.account] ?? one.account) },
    { name: "Unit", cell: one => one.unit },
    { name: "Balance", class: "num", cell: one => count(one.balance) },
  ], rows: [] });
  put(place, made);
  const first = await more(place, "v1/accounts", { merchant, limit: 100 }, made.add, signal);
  if (!first) {
    put(place, empty("Nothing is booked yet.",
      "The first confirmed payment is the first entry. What each account means: docs, “Ledger”.",
      h("a", { class: "button", href: "docs" }, "To the documentation")));
  }
}

async function account(place, name, signal, heading) {
  const merchant = ofMerchant();
  const path = `v1/accounts/${encodeURIComponent(name)}`;
  const found = await api(path, { query: { merchant }, signal });
  put(heading, name);
  heading.after(files(`/${encodeURIComponent(name)}`));
  const debit = may("create") && found.balance > 0 ? h("button", { type: "button", onclick: async () => {
    const key = newKey();
    const done = await ask({ title: `Spend credits of ${name}`, action: "Spend", fields: [
      { name: "credits", label: "Credits", type: "number", min: 1, max: found.balance, required: true },
      { name: "reference", label: "What for", maxlength: 200 }],
    send: body => api(`${path}/debit${of(merchant)}`, { method: "POST", body, key }) });
    if (done) dispatchEvent(new HashChangeEvent("hashchange"));
  } }, "Spend credits") : null;
  const made = table({ caption: "Entries, newest first", columns: [
    { name: "When", cell: one => when(one.at) },
    { name: "What", cell: one => [tag(one.kind.replace("payment.", "").replaceAll("_", " "),
      one.credits > 0 ? "good" : ""), one.reference ? ` ${one.reference}` : ""] },
    { name: "Credits", class: "num", cell: one => `${one.credits > 0 ? "+" : ""}${count(one.credits)}` },
    { name: "Worth", class: "num", cell: one => (one.worth ? money(one.worth.amount, one.worth.currency) : "–") },
    { name: "Payment", cell: one => (one.payment_id
      ? link(`#/payments/${encodeURIComponent(one.payment_id)}`, "Payment") : "–") },
  ], rows: [] });
  put(place, h("p", { class: "status-line" }, h("b", {}, count(found.balance)), " credits ", debit), made);
  const first = await more(place, `${path}/entries`, { merchant, limit: 50 }, made.add, signal);
  if (!first) made.replaceWith(empty("No entry.", "Nothing was ever credited to this account."));
}
