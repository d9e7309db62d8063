"""A line of the log, in one of two forms: as people read it, or as an object.

    2026-01-02T03:04:05.678Z info payment.confirmed payment=pay_… seq=4
    {"at":"2026-01-02T03:04:05.678Z","level":"info","event":"payment.confirmed",…}

Both are made of the same text, `event key=value …`, which our code writes. As an object
its keys are fields, always text. The last of a line may have spaces in it; after
`detail`, `reason`, `error` or `text`, which quote others, all of the rest is theirs: no
stranger's word becomes a field. Pure.
"""

import json
import re
import time
from collections.abc import Callable
from typing import Final

__all__ = ["FORMATS", "MakeLine", "as_json", "as_text"]

MakeLine = Callable[[float, str, str, str], str]
"""Of the time (s), the level, the text, and what is below it (a traceback)."""

_KEY: Final = re.compile(r"([a-z][a-z0-9_]*)=(.*)", re.DOTALL)
_QUOTES: Final = frozenset({"detail", "reason", "error", "text"})
_OWN: Final = frozenset({"at", "level", "event", "trace", "message"})


def as_text(at_s: float, level: str, text: str, below: str = "") -> str:
    """`key=value`; what is below is indented."""
    line = f"{_moment(at_s)} {level} {text}"
    return line + "".join(f"\n    {part}" for part in below.split("\n") if below)


def as_json(at_s: float, level: str, text: str, below: str = "") -> str:
    """One object in one line, in ASCII."""
    event, _, rest = text.partition(" ")
    said = {"at": _moment(at_s), "level": level, "event": event, **_fields(rest)}
    if below:
        said["trace"] = below
    return json.dumps(said)


def _fields(rest: str) -> dict[str, str]:
    found: dict[str, str] = {}
    name = "message"
    for word in rest.split(" "):
        key = None if name in _QUOTES else _KEY.fullmatch(word)
        if key is not None:
            name = f"{key[1]}_" if key[1] in _OWN else key[1]
            found[name] = key[2]
        elif name in found:
            found[name] += f" {word}"
        elif word:
            found[name] = word
    return found


def _moment(at_s: float) -> str:
    """In UTC to the millisecond."""
    seconds, ms = divmod(round(at_s * 1000), 1000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{moment}.{ms:03d}Z"


FORMATS: Final[dict[str, MakeLine]] = {"kv": as_text, "json": as_json}
