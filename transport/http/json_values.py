"""How much there is in a JSON text, found out before anybody walks through it.

To read 64 KiB of `{},` takes a hundred times as long as 64 KiB of text, and all that
time no other greenlet runs. So the values are counted first, at the speed of C: every
value but the first stands behind a comma or an opening bracket. Nothing is read here,
and what is no JSON is only measured: up to the place where a reader stops, its strings
are where this file takes them to be.

Runs in the request's greenlet, and lets others run in between.
"""

import re
from typing import Final

from engine.runtime.yielding import yield_to_hub

__all__ = ["has_at_most"]

_PUNCTUATION: Final = (b",", b"[", b"{")

# Possessive: to run back through a megabyte of text for a quote would take seconds.
_TEXT: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

_TEXTS_A_TURN: Final = 2_000
"""Strings looked at before others have their turn: some 2 ms."""


def has_at_most(body: bytes, values: int) -> bool:
    """Whether the JSON text `body` has no more than so many values, at any depth."""
    if sum(map(body.count, _PUNCTUATION)) < values:
        return True  # even if what stands within strings were counted
    found, at = 1, 0
    for number, text in enumerate(_TEXT.finditer(body), 1):
        found += _punctuation(body, at, text.start())
        if found > values:
            return False
        at = text.end()
        if number % _TEXTS_A_TURN == 0:
            yield_to_hub()
    return found + _punctuation(body, at, len(body)) <= values


def _punctuation(body: bytes, start: int, end: int) -> int:
    return sum(body.count(mark, start, end) for mark in _PUNCTUATION)
