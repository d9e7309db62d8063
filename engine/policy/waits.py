"""How long to wait before asking somebody again: jitter, and Retry-After.

Pure rules, shared by chain sources, webhook endpoints and the breaker. Times are
seconds; `rand` is a number in [0, 1), as `random.random()` gives it.
"""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["JITTER", "RETRY_AFTER_CAP_S", "jittered", "parse_retry_after"]

JITTER = 0.2
"""Waits differ by up to this fraction both ways, so that retries do not keep step."""

RETRY_AFTER_CAP_S = 86400.0
"""The longest that anybody's Retry-After can make us wait: one day."""

_RETRY_AFTER_MAX_CHARS = 64
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


def jittered(seconds: float, rand: float) -> float:
    """`seconds` moved by up to ±20 %."""
    return seconds * (1 - JITTER + 2 * JITTER * rand)


def parse_retry_after(header: str | None, now_s: float) -> float | None:
    """Seconds from `now_s` (Unix time) that a Retry-After header asks for.

    Seconds or an HTTP date (RFC 9110, 10.2.3). Fractions are not in the RFC but on
    the wire. A date in the past is 0. Bounded by `RETRY_AFTER_CAP_S`; whatever
    cannot be read is None, as if it had not been sent.
    """
    if header is None or len(header) > _RETRY_AFTER_MAX_CHARS:
        return None
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_CAP_S)
    # An HTTP date begins with the day's name. The parser below guesses at much less.
    if not text[:3].isalpha() or not text.isascii():
        return None
    try:
        date = parsedate_to_datetime(text)
        at_s = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(0.0, at_s - now_s), RETRY_AFTER_CAP_S)
