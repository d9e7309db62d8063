/* Numbers, sums and times as the visitor's browser writes them. */

const LANG = navigator.languages?.length ? [...navigator.languages] : undefined;

function safe(make) {
  try {
    return make(LANG);
  } catch { // a language that Intl does not know
    return make(undefined);
  }
}

const whole = safe(l => new Intl.NumberFormat(l));
const eight = safe(l => new Intl.NumberFormat(l,
  { minimumFractionDigits: 2, maximumFractionDigits: 8 }));
const moment = safe(l => new Intl.DateTimeFormat(l,
  { dateStyle: "medium", timeStyle: "medium" }));
const clock = safe(l => new Intl.DateTimeFormat(l, { timeStyle: "medium" }));
const day = safe(l => new Intl.DateTimeFormat(l,
  { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }));
const relative = safe(l => new Intl.RelativeTimeFormat(l, { numeric: "auto", style: "short" }));

const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
const DAY_MS = 86_400_000;

export const count = number => whole.format(number);

/* 50,000 sat; "any sum" where none is asked. */
export const sat = number => (number === null || number === undefined ? "any sum"
  : `${whole.format(number)} sat`);

export const btc = number => `${eight.format(number / 1e8)} BTC`;

const currencies = new Map();

/* "4.99", "EUR" → €4.99. The text is exact; a number that size is, too. */
export function money(text, currency) {
  if (!currencies.has(currency)) {
    let format = null;
    try {
      format = safe(l => new Intl.NumberFormat(l, { style: "currency", currency }));
    } catch { /* no currency that Intl knows: written plainly */ }
    currencies.set(currency, format);
  }
  return currencies.get(currency)?.format(text) ?? `${text} ${currency}`;
}

/* Date and time in full. */
export const when = iso => (iso ? moment.format(new Date(iso)) : "–");

/* Short: the time alone for what is of today. */
export function time(iso) {
  if (!iso) return "–";
  const at = new Date(iso);
  const isToday = at.toDateString() === new Date().toDateString();
  return (isToday ? clock : day).format(at);
}

/* "3 min ago", "in 2 hr". */
export function ago(iso, now = Date.now()) {
  if (!iso) return "–";
  const left = (new Date(iso).getTime() - now) / 1_000;
  const [unit, size] = UNITS.find(([, s]) => Math.abs(left) >= s) ?? UNITS[3];
  return Math.abs(left) > 60 * 86_400 ? moment.format(new Date(iso))
    : relative.format(Math.trunc(left / size), unit);
}

/* 3 h 20 min */
export function duration(s) {
  if (s === null || s === undefined) return "–";
  if (s < 1) return `${Math.round(s * 1_000)} ms`;
  if (s < 60) return `${Math.round(s * 10) / 10} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
  if (s * 1_000 < DAY_MS) return `${Math.floor(s / 3_600)} h ${Math.round((s % 3_600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.round((s % 86_400) / 3_600)} h`;
}

/* The head and tail of an id, for a column. */
export const short = (text, head = 8, tail = 6) => (!text ? "–"
  : text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${text.slice(-tail)}`);
