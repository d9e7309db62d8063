/* Asking the node. The session is a cookie that no script can read; what changes
   something carries the session's CSRF token beside it.

   Who is logged out while a page is open (the session ended, the key was revoked) is
   asked for a key over the page as it stands: what was typed stays, and the request that
   found it out is sent again. */

const REQUEST_MS = 20_000;
const UNSAFE = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/* A proxy may serve us below a path; the hash is no part of it. */
export const base = new URL(".", location.href.split("#")[0]).href;

/* { name, merchant, role, scopes, csrf }; empty until somebody is logged in. */
export const session = {};

export const may = scope => (session.scopes ?? []).includes(scope);

/* Whose things are looked at: the key's own merchant, or the one that was chosen by who
   sees them all; null: all. */
let chosen = sessionStorage.getItem("paybell.merchant");

export const ofMerchant = () => session.merchant ?? chosen;

export function choose(merchant) {
  chosen = merchant || null;
  if (chosen) sessionStorage.setItem("paybell.merchant", chosen);
  else sessionStorage.removeItem("paybell.merchant");
}

let again = () => { throw new Error("nobody can log in yet"); };

/* session.mjs says how a session that has ended is begun anew. */
export function whenEnded(fn) { again = fn; }

/* What went wrong, in words for people. */
export class Problem extends Error {
  constructor(message, { status = 0, code = "", errors = [], body = {}, retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { status, code, errors, body, retryAfter });
  }
  get isLost() { return this.status === 0; } // no answer came: try again
}

/* For an Idempotency-Key: one for each time that something is meant, so that it is done
   once, however often it is sent. (randomUUID is there behind https only.) */
export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))]
  .map(byte => byte.toString(16).padStart(2, "0")).join("");

/* path: "v1/payments", below our base. `key`: an Idempotency-Key (newKey()).
   `etag`: the answer is { value, etag }. */
export async function api(path, options = {}) {
  let wasRefused = false;
  for (;;) {
    try {
      return await once(path, options);
    } catch (error) {
      // Logged in anew in another tab, this page's token fits no more.
      const isEnded = error.status === 401 || (error.code === "csrf_refused" && !wasRefused);
      if (!isEnded || options.isLogin) throw error;
      wasRefused = error.status === 403;
      await again();
    }
  }
}

async function once(path, options) {
  const { method = "GET", body, query, signal, headers = {}, key, etag } = options;
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  const patience = AbortSignal.timeout(REQUEST_MS);
  const sent = { method, cache: "no-store", credentials: "same-origin", redirect: "error",
    headers: { Accept: "application/json", ...headers },
    signal: signal ? AbortSignal.any([signal, patience]) : patience };
  if (UNSAFE.has(method) && session.csrf) sent.headers["X-CSRF-Token"] = session.csrf;
  if (key) sent.headers["Idempotency-Key"] = key;
  if (body !== undefined) {
    sent.body = JSON.stringify(body);
    sent.headers["Content-Type"] = "application/json";
  }
  let got;
  let text;
  try {
    got = await fetch(url, sent);
    text = await got.text();
  } catch (error) {
    if (signal?.aborted) throw signal.reason; // the visitor has left the page
    throw new Problem(navigator.onLine
      ? "The node gives no answer. It may be restarting: please try again."
      : "This device is offline. Please try again when it is not.");
  }
  if (!got.ok) throw problemOf(got, text);
  const value = text ? JSON.parse(text) : null;
  return etag ? { value, etag: got.headers.get("ETag") } : value;
}

/* Of an answer that is none. */
export function problemOf(got, text) {
  let body = {};
  try {
    body = JSON.parse(text);
  } catch { /* a proxy's own page */ }
  const retryAfter = Number(got.headers.get("Retry-After") ?? 0);
  let message = body.detail ?? body.title ?? `The server answered ${got.status}.`;
  if (retryAfter) message += ` Please try again in ${retryAfter} s.`;
  return new Problem(message,
    { status: got.status, code: body.code ?? "", errors: body.errors ?? [], body, retryAfter });
}

/* Page after page of a list with next_cursor. */
export async function* pages(path, query = {}, signal = undefined) {
  let cursor = null;
  do {
    const page = await api(path, { query: { ...query, cursor }, signal });
    yield page;
    cursor = page.next_cursor;
  } while (cursor);
}
