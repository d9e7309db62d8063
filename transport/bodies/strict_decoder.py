"""JSON that no two parsers read differently: no key twice in an object (which counts is
for each to say), no NaN and no Infinity. For what clients send, and for what we ask
others for. Pure; size and depth are for whoever reads to bound.
"""

import json
from collections.abc import Callable
from typing import Any

__all__ = ["NotANumber", "RepeatedKey", "strict_decoder"]


class RepeatedKey(ValueError):
    """An object has this key twice; it is of any length, and a stranger's."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class NotANumber(ValueError):
    """NaN, Infinity or -Infinity: its `name`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def strict_decoder(
    *,
    parse_float: Callable[[str], Any] | None = None,
    parse_int: Callable[[str], Any] | None = None,
) -> json.JSONDecoder:
    """Its `decode` raises `RepeatedKey` and `NotANumber` beside what json's does. The
    parsers make a number of its digits: json's own, if there are none."""
    return json.JSONDecoder(
        object_pairs_hook=_object,
        parse_constant=_constant,
        parse_float=parse_float,
        parse_int=parse_int,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise RepeatedKey(key)
            seen.add(key)
    return found


def _constant(name: str) -> Any:
    raise NotANumber(name)
