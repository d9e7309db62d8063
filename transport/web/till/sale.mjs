/* Making a sale, once. What was asked for is kept until it is known whether it was made:
   a second tap, a lost answer, a page that was loaded anew in between are all the same
   sale (Idempotency-Key, docs/reliability.md). */

import { call } from "./api.mjs";
import { kept } from "./dom.mjs";
import { parsed, shown } from "./money.mjs";
import { say } from "./words.mjs";

const EXPIRES_S = 600; // of a Lightning sale: a guest stands at the counter
const ASKED_MS = 120_000; // what was asked for longer ago is not asked for again by itself
const LONGEST = 128; // characters of a description
const [ASKED, OPEN] = ["asked", "sale"];

/* What the API is asked for: `wanted` as the keypad has it. */
function request(till, wanted, on_warning) {
  const { unit, total, tip, has_tip, memo, method } = wanted;
  const body = { method, metadata: { till: till.till } };
  if (unit.currency) Object.assign(body, { amount: total, currency: unit.currency });
  else body.amount_sat = Number(total); // at most ten digits: exact
  if (has_tip) Object.assign(body.metadata, { tip, tip_currency: unit.currency ?? "SAT" });
  if (memo) body.metadata.memo = memo;
  const told = has_tip ? say("description_tip", { of: memo || till.shop, tip: shown(parsed(tip, unit), unit) }) : memo;
  if (told) body.description = Array.from(told).slice(0, LONGEST).join("");
  return method === "lightning" ? { ...body, expires_in_s: EXPIRES_S, on_warning } : body;
}

function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("");
}

/* Make it. The sale, as this browser keeps it. Throws `Refused`. */
export async function make(till, wanted, on_warning) {
  const body = request(till, wanted, on_warning);
  let asked = kept.get(ASKED);
  // The same again, soon after a lost answer: it is the same sale.
  if (!is_recent(asked) || JSON.stringify(asked.body) !== JSON.stringify(body)) {
    const { unit, total, tip, has_tip, memo } = wanted;
    asked = { id: random(), at: Date.now(), body, shown: { unit, total, tip, has_tip, memo } };
    kept.set(ASKED, asked);
  }
  return ask(asked);
}

async function ask(asked) {
  let payment;
  try {
    payment = await call("POST", "v1/payments", asked.body, { "Idempotency-Key": asked.id });
  } catch (error) {
    // One that is busy may have made it all the same, and says only that it is late.
    if (!error.is_lost && !error.is_out && error.code !== "busy") kept.drop(ASKED);
    throw error;
  }
  const sale = {
    ...asked.shown,
    id: payment.id,
    secret: payment.client_secret,
    method: asked.body.method,
    amount_sat: payment.amount_sat,
    expires_at: payment.expires_at,
    warnings: (payment.warnings ?? []).map(one => one.message),
  };
  kept.set(OPEN, sale);
  kept.drop(ASKED);
  return sale;
}

/* The sale that was open when the page went, or that was asked for just then; null: there
   is none. Throws `Refused`. */
export async function found_again() {
  const open = kept.get(OPEN);
  if (open?.id && open.unit) return open;
  const asked = kept.get(ASKED);
  if (is_recent(asked)) return ask(asked);
  kept.drop(ASKED);
  return null;
}

const is_recent = asked => Boolean(asked?.id) && Math.abs(Date.now() - asked.at) < ASKED_MS;

export const forget = () => kept.drop(OPEN);
export const has_open = () => kept.get(OPEN) !== null;

/* Throws `Refused`, also where it is paid meanwhile. */
export const cancel = id => call("POST", `v1/payments/${encodeURIComponent(id)}/cancel`, {});
