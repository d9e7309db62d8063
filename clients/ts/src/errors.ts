/**
 * What can go wrong.
 *
 *     PaybellError
 *       Problem       the node answered that it will not: code, detail, errors
 *         CursorGone  410: the place in the story is of another database
 *       Unreachable   no answer: no connection, or none in time
 *       NotPaybell    an answer that is not Paybell's (a proxy's page, a redirect)
 *     WebhookRefused  not believed; no call was made
 */

import type { ProblemBody } from "./types.js";

/** Any call that did not end well. */
export class PaybellError extends Error {
  override name = "PaybellError";
}

/** An error answer (RFC 9457). The node's page /docs/errors explains each `code`. */
export class Problem extends PaybellError {
  override name = "Problem";
  readonly status: number;
  /** For programs; a later version of the node may have others than the type lists. */
  readonly code: ProblemBody["code"];
  /** For people. */
  readonly detail: string;
  /** What is wrong with which field. */
  readonly errors: NonNullable<ProblemBody["errors"]>;
  /** The node's log names it. */
  readonly requestId: string;
  /** The setting of the node that this ran into, if any. */
  readonly limit: string;

  constructor(status: number, body: ProblemBody) {
    const fields = (body.errors ?? []).map(it => `${it.path} ${it.message}`).join("; ");
    super(`${status} ${body.code}: ${body.detail}${fields && ` (${fields})`}`);
    this.status = status;
    this.code = body.code;
    this.detail = body.detail;
    this.errors = body.errors ?? [];
    this.requestId = body.request_id ?? "";
    this.limit = body.limit ?? "";
  }
}

/**
 * 410: the node's database was restored or exchanged, or the events after the cursor are
 * kept no longer. Some events may come twice from `cursor` on (with the same id); those
 * that were lost are not told again: look at the payments that they were of.
 */
export class CursorGone extends Problem {
  override name = "CursorGone";
  /** The one that cannot be gone on from. */
  readonly after: string;
  /** The one to go on from. */
  readonly cursor: string;

  constructor(status: number, body: ProblemBody, after: string) {
    super(status, body);
    this.after = after;
    this.cursor = body.cursor ?? "0";
  }
}

/**
 * No answer came. `mayHaveHappened`: the request may have reached the node, which may
 * have done what it asks. Repeat it with the same idempotency key to find out.
 */
export class Unreachable extends PaybellError {
  override name = "Unreachable";
  readonly mayHaveHappened: boolean;

  constructor(text: string, mayHaveHappened: boolean, cause?: unknown) {
    super(text, { cause });
    this.mayHaveHappened = mayHaveHappened;
  }
}

/** Somebody answered, and not as Paybell does. */
export class NotPaybell extends PaybellError {
  override name = "NotPaybell";
}

/** A webhook that is not Paybell's, or was sent another time. Answer 401. */
export class WebhookRefused extends Error {
  override name = "WebhookRefused";
}
