r"""Text in Telegram's MarkdownV2, so that it shows exactly what was meant. Pure.

The rules are those of https://core.telegram.org/bots/api#markdownv2-style: within code
a backtick and a backslash are escaped by a backslash; everywhere else eighteen marks
are (`_RESERVED`), and a backslash itself, which would else escape what follows it. The
limit of a message, 4,096, counts UTF-16 code units after the markup is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["MAX_UNITS", "Piece", "Style", "escaped", "rendered", "utf16_units"]

MAX_UNITS = 4_096

_RESERVED = re.compile(r"[_*\[\]()~`>#+\-=|{}.!\\]")
_IN_CODE = re.compile(r"[`\\]")
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_CUT = "…"


class Style(Enum):
    """How a piece is shown."""

    PLAIN = ""
    BOLD = "*"
    CODE = "`"
    """As it is, to be copied; nothing in it becomes a link or a mention."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text in one style."""

    text: str
    style: Style = Style.PLAIN


def escaped(text: str, style: Style = Style.PLAIN) -> str:
    """`text` within a piece of this style."""
    pattern = _IN_CODE if style is Style.CODE else _RESERVED
    return pattern.sub(r"\\\g<0>", text)


def rendered(pieces: Sequence[Piece], limit: int = MAX_UNITS) -> str:
    """All of them in a row; what is beyond the limit is cut off, with a mark.

    Control characters other than line ends become spaces. An empty piece is left out:
    Telegram refuses markup round nothing.
    """
    cleaned = [Piece(_CONTROLS.sub(" ", p.text), p.style) for p in pieces]
    left = limit
    if sum(utf16_units(piece.text) for piece in cleaned) > limit:
        left -= len(_CUT)
    made: list[str] = []
    for piece in cleaned:
        text = _first_units(piece.text, left)
        left -= utf16_units(text)
        if text:
            mark = piece.style.value
            made.append(f"{mark}{escaped(text, piece.style)}{mark}")
        if text != piece.text:
            made.append(_CUT)
            break
    return "".join(made)


def utf16_units(text: str) -> int:
    """How long Telegram takes it for."""
    return len(text.encode("utf-16-le")) // 2


def _first_units(text: str, limit: int) -> str:
    """As many whole characters as fit."""
    units = text.encode("utf-16-le")[: 2 * max(limit, 0)]
    return units.decode("utf-16-le", "ignore")
