/**
 * `GET /v1/events`, page by page, with a cursor that moves when an event is handled.
 *
 * Long polls, not an event stream: each is one short answer, which every proxy passes on
 * unbuffered, and the next event is heard as soon.
 */

import { type Calls, sleep } from "./calls.js";
import { CursorGone, NotPaybell, Problem, Unreachable } from "./errors.js";
import type { Event, EventFeed } from "./types.js";

export interface Following {
  /**
   * Where to begin: what `saveCursor` was given last. "0" is the beginning of all,
   * "newest" passes over what has happened so far.
   */
  after?: string | null;
  /** Keeps the cursor; awaited before the next event is told. */
  saveCursor?: (cursor: string) => void | Promise<void>;
  /**
   * The node's database was restored (410): events may have been lost, so ask for each
   * payment that you wait for. When it has ended, following goes on, and some events may
   * come twice. Without it the iterator throws, so that nobody goes on unknowing.
   */
  onGone?: (gone: CursorGone) => void | Promise<void>;
  /** Told of each failure after which it asks again. */
  onTrouble?: (error: Error) => void;
  /** Events in one answer; 100. */
  limit?: number;
  /** How long the node holds an answer back while nothing happens; 30. */
  waitS?: number;
  /** Ends it: the loop throws the signal's reason. */
  signal?: AbortSignal;
}

const LONGEST_PAUSE = 30_000;
const PASSING = new Set([429, 500, 502, 503]);

export async function* follow(calls: Calls, asked: Following): AsyncGenerator<Event, void, void> {
  const { saveCursor, onGone, onTrouble, limit = 100, waitS = 30, signal } = asked;
  let cursor = asked.after ?? "0";
  const moveTo = async (next: string) => {
    cursor = next;
    await saveCursor?.(next);
  };
  for (let pause = 500; ; ) {
    let page: EventFeed;
    // "newest" is no place yet: it is asked for, and kept, before any waiting.
    const wait = cursor === "newest" ? 0 : waitS;
    try {
      page = await calls.call<EventFeed>("GET", "/v1/events", {
        query: { after: cursor, limit, wait_s: wait },
        waitMs: wait * 1_000,
        attempts: 1,
        signal,
      });
      if (typeof page?.next !== "string") throw new NotPaybell("an answer without `next`");
    } catch (error) {
      if (error instanceof CursorGone) {
        if (!onGone) throw error;
        await onGone(error);
        await moveTo(error.cursor);
        continue;
      }
      if (!passes(error)) throw error;
      onTrouble?.(error);
      await sleep(pause / 2 + (Math.random() * pause) / 2, signal);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
      continue;
    }
    pause = 500;
    const epoch = page.next.includes("-") ? page.next.split("-")[0] + "-" : "";
    for (const event of page.data) {
      // Whoever comes back for the next event has handled this one.
      yield event;
      await moveTo(`${epoch}${event.offset}`);
      signal?.throwIfAborted();
    }
    // The same place, and now in which epoch.
    if (!page.data.length && page.next !== cursor) await moveTo(page.next);
  }
}

function passes(error: unknown): error is Error {
  if (error instanceof Problem) return PASSING.has(error.status);
  return error instanceof Unreachable || error instanceof NotPaybell;
}
