/* Sums as whole numbers of a unit's smallest part (BigInt): cents, or satoshi. No sum is
   ever a float. What one is about in the other unit is counted as the node counts it
   (engine/money/rates.py), and only shown: the node fixes the price of a sale. */

const SAT_PER_BTC = 100_000_000n;

/* A unit is {currency, decimals}; that of satoshi has no currency. */
export const SAT = Object.freeze({ currency: null, decimals: 0 });

const MOST_DIGITS = 10; // 99,999,999.99 or 99.99 BTC

/* The digits after a key of the keypad: as on a cash register, from the right. */
export function typed(digits, key) {
  if (key === "back") return digits.slice(0, -1);
  const longer = (digits + key).replace(/^0+/, "");
  return longer.length > MOST_DIGITS ? digits : longer;
}

/* Plain decimal text, as the API takes it: 1250 with 2 decimals is "12.50". */
export function text(minor, { decimals }) {
  const digits = String(minor).padStart(decimals + 1, "0");
  if (!decimals) return digits;
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/* Back again; null for what is no such text. */
export function parsed(given, { decimals }) {
  const [, whole, part = ""] = /^(\d+)(?:\.(\d+))?$/.exec(given ?? "") ?? [];
  if (whole === undefined || part.length > decimals) return null;
  return BigInt(whole + part.padEnd(decimals, "0"));
}

/* For people, in the browser's language: "€12.50", "2,100 sat". */
export function shown(minor, unit) {
  const number = number_of(minor, unit);
  return unit.currency ? number : `${number} sat`;
}

/* The same without "sat", which stands beside it in small letters. */
export function number_of(minor, { currency, decimals }) {
  const how = currency
    ? { style: "currency", currency, minimumFractionDigits: decimals, maximumFractionDigits: decimals }
    : {};
  return new Intl.NumberFormat(undefined, how).format(text(minor, { decimals }));
}

/* So much percent of a sum, a half rounded up. */
export const percent_of = (minor, percent) => (minor * BigInt(percent) + 50n) / 100n;

/* A rate (text like "49999.99", of one BTC) as a fraction of whole numbers. */
function fraction(rate) {
  const [whole, part = ""] = rate.split(".");
  return [BigInt(whole + part), 10n ** BigInt(part.length)];
}

/* What a sum is in satoshi, rounded up. */
export function in_sat(minor, { decimals }, rate) {
  const [over, under] = fraction(rate);
  const divisor = over * 10n ** BigInt(decimals);
  return (minor * SAT_PER_BTC * under + divisor - 1n) / divisor;
}

/* What satoshi are in a currency, to the nearest. */
export function in_currency(sat, { decimals }, rate) {
  const [over, under] = fraction(rate);
  const divisor = 2n * SAT_PER_BTC * under;
  return (2n * sat * over * 10n ** BigInt(decimals) + SAT_PER_BTC * under) / divisor;
}
