/**
 * One HTTP call to the node, repeated where that is safe, and its answer.
 *
 * Repeated: what was certainly not done (no connection; 429 and 503, with which the node
 * refuses before it begins), and, where doing it twice does no more than once, also what
 * may have been done (an answer that did not come; 502 and 504 of a proxy). A POST that
 * makes something is such a call only with an Idempotency-Key, the same each time.
 */

import { CursorGone, NotPaybell, PaybellError, Problem, Unreachable } from "./errors.js";
import type { ProblemBody } from "./types.js";

export interface Options {
  /** http(s)://host[:port][/path] */
  url: string;
  /** An API key, pbk_… A browser must never have one. */
  key: string;
  /** How long one attempt may wait for its answer; 30,000. */
  timeoutMs?: number;
  /** How often a call is made in all, where making it again is safe; 4. */
  attempts?: number;
  /** In place of the platform's. */
  fetch?: typeof fetch;
}

export interface Call {
  query?: Record<string, unknown>;
  body?: unknown;
  headers?: Record<string, string>;
  /** Doing it twice does no more than once; true. */
  repeatable?: boolean;
  /** How long the node may hold its answer back, beyond `timeoutMs`. */
  waitMs?: number;
  attempts?: number;
  signal?: AbortSignal | undefined;
}

/** ms. Where Retry-After asks for a longer pause it is an error. */
export const LONGEST_WAIT = 30_000;
const MAX_ANSWER = 64 * 1024 * 1024; // bytes; 1,000 events are about 1 MB
const NOT_DONE = new Set([429, 503]);
const MAYBE_DONE = new Set([502, 504]);
/** Of Node: nothing was sent. A browser does not say why there is no answer. */
const NEVER_LEFT = new Set([
  "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "UND_ERR_CONNECT_TIMEOUT",
]);

/** An answer after which the call may be repeated; `error` is what it comes to. */
class Refused {
  constructor(
    readonly status: number,
    readonly afterMs: number | null,
    readonly error: PaybellError,
  ) {}
}

export class Calls {
  readonly url: string;
  readonly #key: string;
  readonly #timeoutMs: number;
  readonly #attempts: number;
  readonly #fetch: typeof fetch;

  constructor({ url, key, timeoutMs = 30_000, attempts = 4, fetch: own }: Options) {
    const parsed = new URL(url);
    if (!/^https?:$/.test(parsed.protocol) || parsed.username || parsed.search || parsed.hash) {
      throw new TypeError("url must be http(s)://host[:port][/path]");
    }
    if (!(attempts >= 1) || !(timeoutMs > 0)) {
      throw new RangeError("attempts and timeoutMs must be positive");
    }
    this.url = url.replace(/\/+$/, "");
    this.#key = key;
    this.#timeoutMs = timeoutMs;
    this.#attempts = attempts;
    this.#fetch = own ?? ((...asked) => fetch(...asked));
  }

  /** The answer's JSON; undefined for one without a body. Rejects with PaybellError. */
  async call<Answer>(method: string, path: string, asked: Call = {}): Promise<Answer> {
    const { repeatable = true, attempts = this.#attempts, signal } = asked;
    for (let left = attempts - 1, pause = 250; ; left -= 1, pause = Math.min(pause * 2, 8_000)) {
      let wait = pause;
      try {
        return (await this.#once(method, path, asked)) as Answer;
      } catch (error) {
        if (error instanceof Unreachable) {
          if (left <= 0 || (error.mayHaveHappened && !repeatable)) throw error;
        } else if (error instanceof Refused) {
          wait = error.afterMs ?? pause;
          const isSafe = repeatable || NOT_DONE.has(error.status);
          if (left <= 0 || !isSafe || wait > LONGEST_WAIT) throw error.error;
        } else {
          throw error;
        }
      }
      // Nobody comes back before Retry-After, and not all at one moment.
      await sleep(wait + Math.random() * pause, signal);
    }
  }

  async #once(method: string, path: string, asked: Call): Promise<unknown> {
    const { query = {}, body, headers = {}, waitMs = 0, signal } = asked;
    const given = Object.entries(query).filter(([, value]) => value != null);
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    const address = this.url + path + (given.length ? `?${search}` : "");
    signal?.throwIfAborted();
    // AbortSignal.any is not in Node 18.
    const ending = new AbortController();
    const end = () => ending.abort(signal?.reason);
    const timer = setTimeout(() => ending.abort(new Error("timeout")), this.#timeoutMs + waitMs);
    signal?.addEventListener("abort", end, { once: true });
    try {
      const response = await this.#fetch(address, {
        method,
        headers: {
          Accept: "application/json",
          Authorization: `Bearer ${this.#key}`,
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: "manual", // the key goes to this node and to no other
        cache: "no-store",
        credentials: "omit",
        signal: ending.signal,
      });
      return read(response, await bounded(response), String(query["after"] ?? ""));
    } catch (error) {
      if (error instanceof PaybellError || error instanceof Refused) throw error;
      signal?.throwIfAborted();
      throw unreachable(this.url, error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }
}

/** Rejects as soon as `signal` is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

function unreachable(url: string, error: unknown): Unreachable {
  const cause = (error as { cause?: { code?: unknown } } | null)?.cause;
  const code = String(cause?.code ?? "");
  return new Unreachable(`no answer from ${url}${code && `: ${code}`}`, !NEVER_LEFT.has(code), error);
}

async function bounded(response: Response): Promise<string> {
  if (!response.body) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > MAX_ANSWER) {
      await reader.cancel();
      throw new NotPaybell(`an answer of more than ${MAX_ANSWER} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}

function read(response: Response, text: string, after: string): unknown {
  const { status } = response;
  const media = (response.headers.get("content-type") ?? "").split(";")[0]!.trim();
  let value: unknown;
  try {
    value = text && media.endsWith("json") ? JSON.parse(text) : undefined;
  } catch {
    throw new NotPaybell(`${status} with ${media} that is none`);
  }
  if (status >= 200 && status < 300) {
    if (text && value === undefined) {
      throw new NotPaybell(`${status} with ${media || "no type"} in place of JSON`);
    }
    return value;
  }
  const error = problem(status, media, value, after);
  if (NOT_DONE.has(status) || MAYBE_DONE.has(status)) {
    throw new Refused(status, milliseconds(response.headers.get("retry-after")), error);
  }
  throw error;
}

function problem(status: number, media: string, value: unknown, after: string): PaybellError {
  if (typeof value !== "object" || value === null || !("code" in value)) {
    return new NotPaybell(`${status} with ${media || "no type"}: not an answer of Paybell's`);
  }
  const body = value as ProblemBody;
  if (status === 410 && typeof body.cursor === "string") return new CursorGone(status, body, after);
  return new Problem(status, body);
}

/** Of Retry-After, which Paybell writes in seconds; null for a date of a proxy's. */
function milliseconds(text: string | null): number | null {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : null;
}
