"""The documents' Markdown as HTML: CommonMark and tables, by markdown-it.

HTML within a document is text, so a document cannot put anything else into a page than
what is here: headings with anchors, links that the caller has approved, pictures, code
and tables that scroll by themselves. Pure but for the sizes of pictures.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape

import msgspec
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

__all__ = ["Document", "Heading", "Part", "Places", "read", "slug"]

_COMMENT = re.compile(r"^<!--.*?-->\n?", re.MULTILINE)
_STATUS = re.compile(r"^(\d{3})\. ", re.MULTILINE)
"""A status that begins a sentence; to CommonMark it would begin a list."""
_NO_SLUG = re.compile(r"[^\w\- ]")
_FILE = re.compile(r"(?:docs/)?[\w-]+\.md")
_LISTED = ("h2", "h3")


class Heading(msgspec.Struct, frozen=True):
    level: int
    anchor: str
    text: str


class Part(msgspec.Struct, frozen=True):
    """What stands below one heading, as text; for the search."""

    heading: Heading
    text: str


class Document(msgspec.Struct, frozen=True):
    html: str
    parts: tuple[Part, ...]

    @property
    def title(self) -> str:
        return self.parts[0].heading.text

    @property
    def headings(self) -> list[Heading]:
        """Those that a page's own contents list: `docs.html` asks for them."""
        return [p.heading for p in self.parts if f"h{p.heading.level}" in _LISTED]


class Places(msgspec.Struct, frozen=True):
    """What a document's references become, and None for what is not served. `link`
    gives the address and how it is called if its text is the name of its file;
    `picture` the address, width and height (CSS pixels)."""

    link: Callable[[str], tuple[str, str | None] | None]
    picture: Callable[[str], tuple[str, int, int] | None]


def slug(text: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return _NO_SLUG.sub("", text.lower()).replace(" ", "-")


def read(text: str, places: Places) -> Document:
    """Raises ValueError for a document that does not begin with its title."""
    tokens = _markdown.parse(_STATUS.sub(r"\1\\. ", _COMMENT.sub("", text)))
    parts = _parts(tokens)
    for token in tokens:
        if token.children:
            token.children = list(_approved(token.children, places))
    return Document(_markdown.renderer.render(tokens, _markdown.options, {}), parts)


def _parts(tokens: list[Token]) -> tuple[Part, ...]:
    """The document's parts; gives every heading its anchor."""
    found: list[tuple[Heading, list[str]]] = []
    taken: dict[str, int] = {}
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "inline" and before and before.type == "heading_open":
            heading = _heading(before, _plain(token), taken)
            found.append((heading, []))
            _link_to_itself(token, heading)
        elif token.type == "inline" and found:
            found[-1][1].append(_plain(token))
        elif token.type in {"fence", "code_block"} and found:
            found[-1][1].append(token.content)
    if not found or found[0][0].level != 1:
        raise ValueError("a document begins with its title")
    return tuple(Part(heading, " ".join(said)) for heading, said in found)


def _heading(opening: Token, text: str, taken: dict[str, int]) -> Heading:
    anchor = slug(text)
    count = taken[anchor] = taken.get(anchor, -1) + 1
    if count:
        anchor = f"{anchor}-{count}"
    opening.attrSet("id", anchor)
    return Heading(int(opening.tag[1]), anchor, text)


def _link_to_itself(token: Token, heading: Heading) -> None:
    children = token.children or []
    if heading.level == 1 or any(child.type == "link_open" for child in children):
        return
    begin = Token("link_open", "a", 1, {"href": f"#{heading.anchor}"})
    token.children = [begin, *children, Token("link_close", "a", -1)]


def _plain(token: Token) -> str:
    words = (
        child.content if child.type in {"text", "code_inline"} else " "
        for child in token.children or []
        if child.type not in {"link_open", "link_close"}
    )
    return "".join(words).strip()


def _approved(children: Iterable[Token], places: Places) -> Iterable[Token]:
    """Links to what is not served are their text alone."""
    target: tuple[str, str | None] | None = None
    inside = False
    for child in children:
        if child.type == "link_open":
            inside, target = True, places.link(str(child.attrGet("href")))
            if target is not None:
                child.attrSet("href", target[0])
        elif inside and target and target[1] and _FILE.fullmatch(child.content):
            child.content = target[1]
        if child.type == "image":
            yield _picture(child, places)
        elif target is not None or child.type not in {"link_open", "link_close"}:
            yield child
        if child.type == "link_close":
            inside, target = False, None


def _picture(token: Token, places: Places) -> Token:
    found = places.picture(str(token.attrGet("src")))
    if found is None:
        return Token("text", "", 0, content=token.content)
    source, width, height = found
    token.attrSet("src", source)
    token.attrSet("width", str(width))
    token.attrSet("height", str(height))
    token.attrSet("loading", "lazy")
    return token


class _Html(RendererHTML):
    """What scrolls by itself takes the focus, so that it does by keyboard, too."""

    def fence(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        token = tokens[idx]
        language = escape(token.info.strip().partition(" ")[0])
        kind = f' class="language-{language}"' if language else ""
        code = f"<code{kind}>{escape(token.content, quote=False)}</code>"
        return f'<div class="code"><pre tabindex="0">{code}</pre></div>\n'

    code_block = fence

    def table_open(self, *_: object) -> str:
        return '<div class="table" tabindex="0"><table>\n'

    def th_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return "<th>" if tokens[idx + 1].content else "<td>"

    def th_close(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return "</th>\n" if tokens[idx - 1].content else "</td>\n"

    def table_close(self, *_: object) -> str:
        return "</table></div>\n"


_markdown = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Html)
_markdown.enable("table")
