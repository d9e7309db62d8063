/* Every word that the till says, in one object: a catalogue may take its place.

   {name} is put in by `say`; text from outside is put into the page as text, never as
   HTML. */

const WORDS = {
  // Signing in
  title: "Till",
  key: "Key of this till",
  key_help: "It goes to the server once and is not kept in this browser.",
  open_till: "Open the till",
  close_till: "Close the till",
  closing_open: "A sale is still open. Close the till all the same?",
  key_unknown: "This key is unknown, or was revoked.",
  key_too_much: "A till takes a key of one shop that can make sales and nothing else. Whoever stands here may use it, so ask the owner for a cashier's key.",
  signed_out: "You were signed out. Please enter the key of this till to go on.",
  signed_out_light: "Signed out",
  sign_in: "Sign in",

  // How the connections stand
  ready: "✓ Ready ({accounts} connected)",
  ready_onchain: "✓ Ready (on-chain only)",
  account_down: "⚠ {account} disconnected",
  server_down: "⚠ No connection to the server",
  nothing_to_sell_by: "⚠ This shop has neither a Lightning account nor a wallet",
  reconnect: "Reconnect",
  reconnect_account: "Reconnect {account}",
  reconnecting: "Reconnecting…",
  balance: "{account}: {sum}",
  connections: "Connections",
  test_money: "{network}: test money",

  // The keypad
  amount: "Amount",
  currency: "Currency",
  delete_digit: "Delete the last digit",
  about: "≈ {sum}",
  rate: "1 BTC = {sum}",
  rate_age: "{age} old",
  rate_none: "No exchange rate now: sell in sat",
  seconds: "{n} s",
  minutes: "{n} min",
  tip: "Tip",
  no_tip: "No tip",
  tip_percent: "{n} %",
  tip_own: "Other",
  tip_enter: "Enter the tip",
  tip_done: "Done",
  description_tip: "{of} · with {tip} tip",
  with_tip: "{base} + {tip} tip",
  memo_short: "For",
  memo: "What for (optional)",
  paid_by: "Paid by",
  lightning: "Lightning",
  onchain: "On-chain",
  charge: "Charge {sum}",
  charge_nothing: "Charge",

  // What can be wrong with a sum
  enter_amount: "Please enter an amount.",
  too_much_lightning: "Lightning takes up to {sum} here. Larger sums can be paid on-chain.",
  too_much: "This shop takes up to {sum} at once.",
  too_little_onchain: "On-chain takes {sum} and more. Smaller sums can be paid by Lightning.",
  too_little: "This shop takes {sum} and more.",
  server_silent: "The server gives no answer. Please try again: it will be the same sale, not a second one.",
  server_answered: "The server answered {status}.",
  busy: "Too much is asked for at the moment. Please try again in {seconds} s.",
  no_rate: "There is no exchange rate at the moment. Please try again in a minute, or sell in sat.",
  no_lightning: "No Lightning invoice can be made at the moment.",
  try_onchain: "On-chain is possible.",

  // Before a sale is made
  all_the_same: "Create the invoice all the same?",
  not_now: "Not now",
  create: "Create it",

  // The open sale
  waiting: "Waiting for payment",
  scan: "Please scan with a bitcoin wallet",
  scan_lightning: "Please scan with a Lightning wallet",
  code: "QR code of the invoice",
  time_left: "{time} left",
  time_over: "The time is over. Waiting for the last word on whether it was paid.",
  cancel: "Cancel the sale",
  instead_onchain: "Pay on-chain instead",
  instead_lightning: "Pay by Lightning instead",
  short: "Too little came",
  short_note: "{received} of {sum} came. {rest} are still to be paid: the code asks for just that.",
  seen: "Payment seen",
  seen_note: "The money is on its way: {n} of {of} confirmations. Hand out what you can afford to lose, or wait.",
  seen_note_first: "The money is on its way, and still without a confirmation. It can be taken back: wait with what is dear.",
  gone: "The payment is gone again",
  gone_note: "It was taken back or replaced by its sender. Do not hand anything out; the guest can pay anew with this code.",
  gone_confirmed: "A paid sale was taken back: {sum} at {time}",
  passing: "Paid. Passing it on…",
  passing_slow: "The money has arrived and goes on by itself, later.",
  next: "Next sale",
  go_on: "Next sale, this one goes on",

  // Its end
  paid: "Paid",
  forwarded: "Paid and forwarded",
  paid_note_failed: "The money has arrived at {account} and stays there.",
  paid_note_over: "The guest paid {extra} too much. The owner can give it back.",
  paid_note_late: "It came after the time was over. The rate may have changed since.",
  paid_said: "{title}: {sum}.",
  receipt: "Receipt",
  receipt_code: "QR code of the receipt",
  receipt_scan: "The guest scans this for a receipt.",
  expired: "The sale has expired unpaid. If the guest's wallet says that it paid, do not take money twice: it will show under Today.",
  expired_short: "The sale has expired: only {received} of {sum} came. The owner can give it back, or ask the guest for the rest.",
  cancelled: "The sale is cancelled.",
  cancelled_late: "Money came for a cancelled sale: {received}. The owner can give it back.",

  // Today
  today: "Today",
  back: "Back",
  today_none: "No sales yet today.",
  today_failed: "The list cannot be read now.",
  today_first: "The newest {n} sales",
  sales: "{n} paid sales",
  one_sale: "1 paid sale",
  total: "Taken",
  tips_total: "of it tips",
  sale_at: "Sale at {time}",
  show_code: "Show its code",
  close: "Close",
  at_till: "Till",
  method: "Paid by",
  reference: "Payment",
  received: "Received",
  state_waiting: "Open",
  state_short: "Too little",
  state_seen: "Confirming",
  state_paid: "Paid",
  state_late: "Paid late",
  state_over: "Paid too much",
  state_expired: "Expired",
  state_cancelled: "Cancelled",
  state_money_back: "Money to return",
  state_gone: "Taken back",
  told_late: "A sale of {time} was paid late: {sum}. See Today.",
};

/* The words of `key` with `values` in their places. Throws for a key that there is not:
   nobody is to read a program's word. */
export function say(key, values = {}) {
  if (!(key in WORDS)) throw new RangeError(`no words for ${key}`);
  return WORDS[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/* Put the words of the page's own elements in place: data-say, data-say-alt of pictures,
   and data-say-label of what is only read aloud. */
export function fill(page) {
  for (const one of page.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
  for (const one of page.querySelectorAll("[data-say-alt]")) one.alt = say(one.dataset.sayAlt);
  for (const one of page.querySelectorAll("[data-say-label]")) one.setAttribute("aria-label", say(one.dataset.sayLabel));
}
