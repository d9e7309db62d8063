"""Texts with holes, which a merchant may write: Mustache, without what could run. Pure.

    {{name}}              the value of that name; in HTML, escaped
    {{#name}} … {{/name}} what is between, if there is such a value
    {{^name}} … {{/name}} what is between, if there is none
    {{! a remark }}       nothing

A section or a remark that stands alone on its line leaves no line behind. There are no
loops, no expressions, no partials, no changed delimiters and no value that goes into
HTML as it is: a template can say less than what it was given, and no more. Size, tags
and depth are bounded, and so is what it makes.

What is wrong with one is told when it is made, with the line and the column.
(Why not a kept library: Jinja2 in its sandbox has loops over ranges of any length;
Mustache's own are no longer kept, and all of them take lambdas and partials.)
"""

import html
from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from engine.errors import InvalidTemplate

__all__ = [
    "MAX_CHARS",
    "MAX_DEPTH",
    "MAX_MADE",
    "MAX_TAGS",
    "Template",
    "parse",
]

MAX_CHARS: Final = 16_384
MAX_TAGS: Final = 500
MAX_DEPTH: Final = 8
MAX_MADE: Final = 32_768
"""Characters of what a template makes; it is cut off there. To write more as a mail
would keep the hub for too long."""

Escape = Callable[[str], str]


class _Hole(msgspec.Struct, frozen=True):
    name: str


class _Section(msgspec.Struct, frozen=True):
    name: str
    if_absent: bool
    parts: tuple["_Part", ...]


_Part = str | _Hole | _Section


class Template(msgspec.Struct, frozen=True):
    """A template without faults."""

    parts: tuple[_Part, ...]

    def render(self, values: Mapping[str, str], *, is_html: bool = False) -> str:
        """With these values in its holes; a name that is not there is empty."""
        page = _Page()
        _render(self.parts, values, html.escape if is_html else str, page)
        return "".join(page.written)


class _Page:
    """What is written, and what there is room for."""

    __slots__ = ("left", "written")

    def __init__(self) -> None:
        self.left = MAX_MADE
        self.written: list[str] = []

    def write(self, text: str) -> None:
        kept = text[: self.left]
        self.written.append(kept)
        self.left -= len(kept)


class _Tag(msgspec.Struct, frozen=True):
    kind: str  # "", "#", "^", "/" or "!"
    name: str
    start: int
    end: int


def parse(text: str, names: Collection[str]) -> Template:
    """Read a template that may use these names. Raises `InvalidTemplate`."""
    if len(text) > MAX_CHARS:
        detail = f"the template goes on beyond {MAX_CHARS} characters"
        raise InvalidTemplate(text, MAX_CHARS, detail)
    text = text.replace("\r\n", "\n")
    open_tags: list[_Tag] = []
    levels: list[list[_Part]] = [[]]
    at = 0
    for tag in _tags(text, names):
        before, after = _alone(text, tag) if tag.kind else (tag.start, tag.end)
        levels[-1].append(text[at:before])
        at = max(at, after)
        match tag.kind:
            case "":
                levels[-1].append(_Hole(tag.name))
            case "#" | "^":
                open_tags.append(tag)
                levels.append([])
                if len(open_tags) > MAX_DEPTH:
                    detail = f"sections are nested more than {MAX_DEPTH} deep"
                    raise InvalidTemplate(text, tag.start, detail)
            case "/":
                levels[-2:] = [_closed(text, tag, open_tags, levels)]
    if open_tags:
        last = open_tags[-1]
        raise InvalidTemplate(
            text, last.start, f"{{{{{last.kind}{last.name}}}}} is never closed"
        )
    levels[0].append(text[at:])
    return Template(tuple(levels[0]))


def _closed(
    text: str, tag: _Tag, open_tags: list[_Tag], levels: list[list[_Part]]
) -> list[_Part]:
    """The level above, with the section in it that ends here."""
    if not open_tags or open_tags[-1].name != tag.name:
        expected = f"; {{{{/{open_tags[-1].name}}}}} comes first" if open_tags else ""
        detail = f"{{{{/{tag.name}}}}} closes what is not open{expected}"
        raise InvalidTemplate(text, tag.start, detail)
    opened = open_tags.pop()
    section = _Section(tag.name, opened.kind == "^", tuple(levels[-1]))
    return [*levels[-2], section]


def _tags(text: str, names: Collection[str]) -> list[_Tag]:
    tags: list[_Tag] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        end = text.find("}}", start)
        if end == -1:
            raise InvalidTemplate(text, start, "{{ has no }} behind it")
        inside = text[start + 2 : end].strip()
        kind = inside[:1] if inside[:1] in {"#", "^", "/", "!"} else ""
        name = inside.removeprefix(kind).strip()
        at = end + 2
        if kind != "!" and name not in names:
            raise InvalidTemplate(text, start, _unknown(name, names))
        tags.append(_Tag(kind, name, start, at))
        if len(tags) > MAX_TAGS:
            raise InvalidTemplate(text, start, f"more than {MAX_TAGS} tags")
    return tags


def _unknown(name: str, names: Collection[str]) -> str:
    shown = name[:40]
    if not shown.isprintable():
        shown = shown.encode("unicode_escape").decode()
    allowed = ", ".join(sorted(names))
    return f"there is no {{{{{shown}}}}}; there are: {allowed}"


def _alone(text: str, tag: _Tag) -> tuple[int, int]:
    """From where to where a tag reaches: its whole line, if nothing else is on it."""
    line = text.rfind("\n", 0, tag.start) + 1
    end = text.find("\n", tag.end)
    end = len(text) if end == -1 else end + 1
    if text[line : tag.start].strip(" \t") or text[tag.end : end].strip(" \t\n"):
        return tag.start, tag.end
    return line, end


def _render(
    parts: tuple[_Part, ...],
    values: Mapping[str, str],
    escape: Escape,
    page: _Page,
) -> None:
    for part in parts:
        if page.left == 0:
            return
        if isinstance(part, str):
            page.write(part)
        elif isinstance(part, _Hole):
            page.write(escape(values.get(part.name, "")))
        elif bool(values.get(part.name)) is not part.if_absent:
            _render(part.parts, values, escape, page)
