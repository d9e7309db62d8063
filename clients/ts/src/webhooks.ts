/**
 * Webhooks: whether one is Paybell's, by Standard Webhooks 1.0.0 and WebCrypto.
 *
 * Give it the bytes as they came: JSON that was read and written again has another
 * signature. Nothing of the body is read before it is believed.
 */

import { WebhookRefused } from "./errors.js";
import type { Event } from "./types.js";

/** One that is believed. */
export interface Webhook {
  /** The same at each repetition, and never another's: remember it to do it once. */
  id: string;
  /** `payment.confirmed`, …, or `alert.raised` on channels that ask for alerts. */
  type: string;
  timestamp: string;
  data: Record<string, unknown>;
  /** The event of a payment; null for an alert. */
  event: Event | null;
  /** `seq` of events of this payment that were given up and that you were not told. */
  skipped: number[];
}

export interface WebhookOptions {
  /** How old, or ahead, it may be; 300. */
  toleranceS?: number;
  /** Unix time in s; the clock's. */
  now?: number;
}

export type HeadersLike = Headers | Record<string, string | string[] | undefined>;

const MAX_SIGNATURES = 16;

/**
 * The webhook, if one of `secrets` (`whsec_…`) signed it just now. Any of several
 * secrets and any of several signatures will do: while a secret is rotated Paybell signs
 * with both, and you may know both. Rejects with `WebhookRefused`; with a `TypeError`
 * for a secret that is none.
 */
export async function verifyWebhook(
  body: string | Uint8Array | ArrayBuffer,
  headers: HeadersLike,
  secrets: string | readonly string[],
  { toleranceS = 300, now = Date.now() / 1_000 }: WebhookOptions = {},
): Promise<Webhook> {
  const keys = (typeof secrets === "string" ? [secrets] : secrets).map(keyOf);
  if (!keys.length) throw new TypeError("there is no secret to verify with");
  const bytes = bytesOf(body);
  const id = header(headers, "webhook-id");
  const stamp = header(headers, "webhook-timestamp");
  const signatures = header(headers, "webhook-signature").split(" ");
  if (!/^\d{1,15}$/.test(stamp)) throw new WebhookRefused("webhook-timestamp is no time");
  if (Math.abs(now - Number(stamp)) > toleranceS) {
    throw new WebhookRefused("webhook-timestamp is too far from now");
  }
  if (!(await anyFits(keys, `${id}.${stamp}.`, bytes, signatures))) {
    throw new WebhookRefused("no signature fits");
  }
  return webhookOf(id, bytes);
}

/** Never says what the secret was. */
function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const encoded = secret.startsWith("whsec_") ? secret.slice(6) : "";
  const key = fromBase64(encoded);
  if (!key || key.length < 24 || key.length > 64) {
    throw new TypeError("a webhook secret is whsec_ and base64 of 24 to 64 bytes");
  }
  return key;
}

function bytesOf(body: string | Uint8Array | ArrayBuffer): Uint8Array {
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (body instanceof Uint8Array) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  throw new TypeError("body must be the request's bytes as they came, not parsed JSON");
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return null;
  return Uint8Array.from(atob(text), character => character.charCodeAt(0));
}

function header(headers: HeadersLike, name: string): string {
  let found: unknown;
  if (typeof Headers !== "undefined" && headers instanceof Headers) {
    found = headers.get(name);
  } else {
    const all = Object.entries(headers).filter(([key]) => key.toLowerCase() === name);
    found = all.length === 1 ? all[0]![1] : undefined;
  }
  if (typeof found !== "string" || !found) {
    throw new WebhookRefused(`there must be one header ${name}`);
  }
  return found;
}

/** WebCrypto compares in constant time; all are compared. */
async function anyFits(
  keys: Uint8Array<ArrayBuffer>[],
  head: string,
  body: Uint8Array,
  signatures: string[],
): Promise<boolean> {
  const { subtle } = await webCrypto();
  const start = new TextEncoder().encode(head);
  const signed = new Uint8Array(start.length + body.length);
  signed.set(start);
  signed.set(body, start.length);
  let fits = false;
  for (const key of keys) {
    const own = await subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, [
      "verify",
    ]);
    for (const signature of signatures.slice(0, MAX_SIGNATURES)) {
      const given = signature.startsWith("v1,") ? fromBase64(signature.slice(3)) : null;
      if (given && (await subtle.verify("HMAC", own, given, signed))) fits = true;
    }
  }
  return fits;
}

/** Node 18 has it in a module only. */
async function webCrypto(): Promise<Crypto> {
  if (globalThis.crypto?.subtle) return globalThis.crypto;
  const name = "node:crypto";
  const found = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as {
    webcrypto: Crypto;
  };
  return found.webcrypto;
}

function webhookOf(id: string, body: Uint8Array): Webhook {
  let said: unknown;
  try {
    said = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new WebhookRefused("the body is not JSON");
  }
  const { type, timestamp, data, skipped = [] } = (said ?? {}) as Record<string, unknown>;
  if (
    typeof type !== "string" || typeof timestamp !== "string" ||
    typeof data !== "object" || data === null || !Array.isArray(skipped)
  ) {
    throw new WebhookRefused("the body is not a webhook of Paybell's");
  }
  const event = type.startsWith("payment.") ? (data as unknown as Event) : null;
  return { id, type, timestamp, data: data as Record<string, unknown>, event, skipped };
}
