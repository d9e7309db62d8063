"""Moments as text: RFC 3339, as on all of our wires. Pure."""

from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["iso"]


def iso(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, as everywhere on our wires."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(at: int) -> str:
    """Kept: many events are of the same second, and to write one out takes longer
    than all else that there is to encode of it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}"
