"""The `X-Request-Id` of an answer, and the log lines of failures that name it.

Each request gets one of ours: with it a person who reports a failure leads to its line
in the log. An id that a client sends is neither taken over nor sent back: two requests
could then have the same one, or one that makes a line of the log say something else.

A lot of refusals must not fill the disk or slow the node: their lines are limited, and
say how many were left out. A crash is always logged. No I/O but the log.
"""

import logging
import random
import time
import traceback
from typing import Final

from transport.server.limits import RateLimiter

__all__ = ["ENVIRON", "HEADER", "FailureLog", "log_crash", "new_request_id"]

HEADER: Final = "X-Request-Id"
#: Where an application finds it in its environ.
ENVIRON: Final = "paybell.request_id"

_LINES_PER_S: Final = 1.0
_LINES_BURST: Final = 20

_log = logging.getLogger("paybell.http")


def new_request_id() -> str:
    """16 hexadecimal digits. Random, so that it tells nobody how much goes on here."""
    return f"{random.getrandbits(64):016x}"


def log_crash(error: BaseException, *, method: str, path: str, request_id: str) -> None:
    """Type and place, not the message, which may quote what must stay secret.

    `path` without its query, for the same reason.
    """
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
    _log.error(
        "http.crash method=%s path=%r error=%s at=%s request=%s",
        method,
        path,
        type(error).__name__,
        place,
        request_id,
    )


class FailureLog:
    """Answers of 503 and the like, which come in crowds. One per server."""

    __slots__ = ("_allowance", "_left_out")

    def __init__(self) -> None:
        self._allowance = RateLimiter(_LINES_PER_S, _LINES_BURST, max_keys=1)
        self._left_out = 0

    def note(self, status: int, method: str, path: str, request_id: str) -> None:
        if self._allowance.allow("", time.monotonic()):
            self._left_out += 1
            return
        _log.warning(
            "http.failed status=%d method=%s path=%r request=%s left_out=%d",
            status,
            method,
            path,
            request_id,
            self._left_out,
        )
        self._left_out = 0
