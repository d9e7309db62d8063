r"""MarkdownV2 read as Telegram reads it: the judge of what we send. Pure.

Written from the text of https://core.telegram.org/bots/api#markdownv2-style and from
nothing of ours: "Any character with code between 1 and 126 inclusively can be escaped
anywhere with a preceding '\' character"; "Inside pre and code entities, all '`' and '\'
characters must be escaped"; "In all other places characters '_', '*', '[', ']', '(',
')', '~', '`', '>', '#', '+', '-', '=', '|', '{', '}', '.', '!' must be escaped".
Only bold and inline code are read; other markup is reported as found.
"""

from dataclasses import dataclass

__all__ = ["CannotParse", "Entity", "read_markdown_v2"]

RESERVED = set("_*[]()~`>#+-=|{}.!")


class CannotParse(ValueError):
    """As the Bot API says it, without "Bad Request: "."""


@dataclass(frozen=True)
class Entity:
    """A part of the text that is shown in another way. Offsets in UTF-16 units."""

    kind: str
    offset: int
    length: int
    text: str


def read_markdown_v2(source: str) -> tuple[str, list[Entity]]:
    """The text as people see it, and its entities. Raises `CannotParse`."""
    shown: list[str] = []
    entities: list[Entity] = []
    opened: tuple[str, int] | None = None  # kind, place in `shown`
    at = 0
    while at < len(source):
        char = source[at]
        in_code = opened is not None and opened[0] == "code"
        if char == "\\" and at + 1 < len(source) and 1 <= ord(source[at + 1]) <= 126:
            shown.append(source[at + 1])
            at += 2
            continue
        at += 1
        if in_code:
            if char == "`":
                _close(opened, shown, entities)
                opened = None
            else:
                shown.append(char)
        elif char == "*" and (opened is None or opened[0] == "bold"):
            if opened is not None:
                _close(opened, shown, entities)
            opened = ("bold", len(shown)) if opened is None else None
        elif char == "`" and opened is None:
            opened = ("code", len(shown))
        elif char in RESERVED:
            raise CannotParse(
                f"can't parse entities: Character '{char}' is reserved and must be"
                " escaped with the preceding '\\'"
            )
        else:
            shown.append(char)
    if opened is not None:
        raise CannotParse(
            f"can't parse entities: Can't find end of {opened[0]} entity at byte"
            f" offset {opened[1]}"
        )
    return "".join(shown), entities


def _close(
    opened: tuple[str, int] | None, shown: list[str], entities: list[Entity]
) -> None:
    assert opened is not None
    kind, start = opened
    text = "".join(shown[start:])
    if text:
        offset, length = _units("".join(shown[:start])), _units(text)
        entities.append(Entity(kind, offset, length, text))


def _units(text: str) -> int:
    return sum(2 if ord(char) > 0xFFFF else 1 for char in text)
