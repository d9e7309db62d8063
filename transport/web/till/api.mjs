/* Asking the node. The key of the till is said once; from then on the browser has a
   cookie that no script can read (`POST /session`), and this page a token with which
   what it changes is known to be its own. */

import { say } from "./words.mjs";

const REQUEST_MS = 20_000; // an invoice is made at a node far away

/* Where the node is: a proxy may serve it below a path. */
export const base = new URL(".", location.href).href;

let csrf = "";

/* A request that came to nothing. `message` is for the cashier. is_lost: there was no
   answer, and nobody knows whether it counted; is_out: there is no session. */
export class Refused extends Error {
  constructor(message, { status = 0, code = "", errors = [], retry_s = null } = {}) {
    super(message);
    Object.assign(this, { status, code, errors, retry_s });
    this.is_lost = status === 0;
    this.is_out = status === 401 || code === "csrf_refused";
  }
}

async function answer_to(method, path, body, headers, patience_ms = REQUEST_MS) {
  const options = { method, cache: "no-store", signal: AbortSignal.timeout(patience_ms), headers: { ...headers } };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  if (method !== "GET" && csrf) options.headers["X-CSRF-Token"] = csrf;
  let got, answer;
  try {
    got = await fetch(base + path, options);
    answer = got.status === 204 ? {} : await got.json();
  } catch {
    // Of a proxy in front of a node that is away, there is a page and no JSON.
    if (!got || got.ok || got.status >= 500) throw new Refused(say("server_silent"));
    answer = {};
  }
  if (got.ok) return answer;
  throw new Refused(answer.detail ?? say("server_answered", { status: got.status }), {
    status: got.status,
    code: answer.code,
    errors: answer.errors ?? [],
    retry_s: Number(got.headers.get("Retry-After")) || null,
  });
}

/* Throws `Refused`. */
export async function call(method, path, body, headers = {}, patience_ms = REQUEST_MS) {
  try {
    return await answer_to(method, path, body, headers, patience_ms);
  } catch (error) {
    // Somebody signed in anew in another tab: it may be the same till.
    if (error.code !== "csrf_refused" || !await session()) throw error;
    return answer_to(method, path, body, headers, patience_ms);
  }
}

/* Whether this browser is signed in. Throws `Refused` where nobody can say. */
export async function session() {
  try {
    ({ csrf } = await answer_to("GET", "session"));
    return true;
  } catch (error) {
    if (error.is_out) return false;
    throw error;
  }
}

export async function sign_in(key) {
  csrf = "";
  ({ csrf } = await answer_to("POST", "session", { key }));
}

export async function sign_out() {
  await answer_to("DELETE", "session");
  csrf = "";
}

/* What a cashier is told of a refusal. */
export function in_words(error) {
  if (error.code === "rate_limited" || error.code === "overloaded") return say("busy", { seconds: error.retry_s ?? 5 });
  if (error.code === "no_rate") return say("no_rate");
  const [first] = error.errors ?? [];
  // A field's message completes a sentence that begins with its name.
  return first && error.code === "invalid" ? `${first.path.replace(/^\//, "")} ${first.message}` : error.message;
}
