"""`GET /v1/events`, page by page, with a cursor that moves when an event is handled.

Long polls, not an event stream: each is one short answer, which every proxy passes on
unbuffered, and the next event is heard as soon.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator
from typing import Any, Callable, cast

from paybell_client.calls import Calls
from paybell_client.cursor import CursorFile
from paybell_client.errors import Answer, CursorGone, Problem, Unreachable
from paybell_client.types import Event

__all__ = ["GoneHandler", "follow"]

LONGEST_PAUSE_S = 30.0
_log = logging.getLogger("paybell_client")

GoneHandler = Callable[[CursorGone], object]


def follow(
    calls: Calls,
    *,
    file: CursorFile | None,
    after: str,
    on_gone: GoneHandler | None,
    limit: int,
    wait_s: float,
    stop: threading.Event,
) -> Iterator[Event]:
    """What `Client.events` says. `file`: held by the caller."""
    kept = file.read() if file is not None else None
    cursor = after if kept is None else kept
    pause_s = 0.5
    while not stop.is_set():
        try:
            # "newest" is no place yet: it is asked for, and kept, before any waiting.
            page = _page(calls, cursor, limit, 0.0 if cursor == "newest" else wait_s)
        except CursorGone as gone:
            if on_gone is None:
                raise
            on_gone(gone)
            cursor = gone.cursor
            if file is not None:
                file.write(cursor)
            continue
        except (Unreachable, Answer, Problem) as error:
            if isinstance(error, Problem) and error.status not in {429, 500, 502, 503}:
                raise
            _log.warning("paybell: %s; asking again in %.1f s", error, pause_s)
            stop.wait(random.uniform(pause_s / 2, pause_s))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            continue
        pause_s = 0.5
        epoch = page["next"].rpartition("-")[0]
        for event in cast("list[Event]", page["data"]):
            # Whoever comes back for the next event has handled this one.
            yield event
            cursor = f"{epoch}-{event['offset']}" if epoch else str(event["offset"])
            if file is not None:
                file.write(cursor)
            if stop.is_set():
                return
        if not page["data"] and page["next"] != cursor:
            cursor = page["next"]  # the same place, and now in which epoch
            if file is not None:
                file.write(cursor)


def _page(calls: Calls, cursor: str, limit: int, wait_s: float) -> dict[str, Any]:
    query = {"after": cursor, "limit": limit, "wait_s": f"{wait_s:g}"}
    page = calls.call("GET", "/v1/events", query=query, wait_s=wait_s, attempts=1)
    if not isinstance(page, dict) or not isinstance(page.get("next"), str):
        raise Answer("an answer to /v1/events without `next`")
    return page
