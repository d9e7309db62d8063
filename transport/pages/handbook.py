"""The documentation that the node serves: docs/*.md as pages, with contents and search.

`docs/index.md` says which pages there are, in which order, under which heading: the
contents of every page, and what is before and after it, are read from there. Nothing is
read before somebody asks; what was made is kept.
"""

import hashlib
import json
import re
import struct
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import msgspec
from bottle import SimpleTemplate

from transport.pages.assets import FOLDER, Assets

__all__ = ["API", "HOME", "PageEntry", "Handbook", "Section"]

HOME: Final = "index"
API: Final = "api"  # this page is made from /openapi.json, by a script
DOCS: Final = FOLDER / "docs"
OPERATING: Final = FOLDER / "operating"
"""Files for operators, which documents lead to: examples/operating."""

_PICTURE: Final = re.compile(r"[\w-]{1,80}\.png", re.ASCII)
_FILE: Final = re.compile(r"[\w][\w.-]{0,80}", re.ASCII)
_WORD: Final = re.compile(r"[a-z0-9_]{2,40}", re.ASCII)
_SNIPPET: Final = 160  # characters of a part that a result shows
_LINK: Final = re.compile(
    r"^- \[(?P<title>[^\]]+)\]\((?P<to>[^)]+)\)(?:: (?P<about>.+))?$"
)


class PageEntry(msgspec.Struct, frozen=True):
    name: str
    title: str
    about: str


class Section(msgspec.Struct, frozen=True):
    title: str
    entries: tuple[PageEntry, ...]


class Handbook:
    """All pages. Each method may be called in any native thread."""

    def __init__(
        self, assets: Assets, folder: Path = DOCS, operating: Path = OPERATING
    ) -> None:
        self._assets = assets
        self._folder = folder
        self._operating = operating
        self._pages: dict[str, str] = {}

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The contents, as index.md has them."""
        found: list[tuple[str, list[PageEntry]]] = []
        for line in self._text(HOME).splitlines():
            if line.startswith("## "):
                found.append((line[3:], []))
            elif (link := _LINK.fullmatch(line)) and found:
                name = link["to"].removeprefix("/docs/").removesuffix(".md")
                entry = PageEntry(name, link["title"], link["about"] or "")
                found[-1][1].append(entry)
        return tuple(Section(title, tuple(entries)) for title, entries in found)

    @cached_property
    def entries(self) -> tuple[PageEntry, ...]:
        """The pages in the order of the contents."""
        return tuple(each for section in self.sections for each in section.entries)

    def kept(self, name: str) -> str | None:
        """A page that was made already; quick."""
        return self._pages.get(name)

    def page(self, name: str) -> str | None:
        """A page as HTML; None if there is no such page."""
        if name not in self._pages:
            if name != HOME and all(entry.name != name for entry in self.entries):
                return None
            self._pages[name] = self._made(name)
        return self._pages[name]

    @cached_property
    def missing(self) -> str:
        """What is shown in place of a page that there is not."""
        return self._render("", "There is no such page", None, "")

    @cached_property
    def search(self) -> tuple[bytes, str]:
        """The index of the search as JSON, and its tag: a row for each part of a page:
        address, the page's title, its own, how it begins, and its words, each once."""
        rows = []
        for name in (HOME, *(each.name for each in self.entries if each.name != API)):
            document = self._document(name)
            for part in document.parts:
                at = f"#{part.heading.anchor}" if part.heading.level > 1 else ""
                begins = " ".join(part.text.split())[:_SNIPPET]
                words = sorted(set(_WORD.findall(f"{part.text} {name}".lower())))
                own = part.heading.text if at else ""
                row = [f"{name}{at}", document.title, own, begins, " ".join(words)]
                rows.append(row)
        body = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
        return body, hashlib.sha256(body).hexdigest()[:16]

    def picture(self, name: str) -> bytes | None:
        """A picture of docs/screenshots."""
        return _read(self._folder / "screenshots", name, _PICTURE)

    def file(self, name: str) -> bytes | None:
        """A file of examples/operating."""
        return _read(self._operating, name, _FILE)

    # -- parts of a page -----------------------------------------------------------

    def _text(self, name: str) -> str:
        return (self._folder / f"{name}.md").read_text(encoding="utf-8")

    def _document(self, name: str, way: str = "") -> Any:
        # It takes 60 ms to load, and most nodes are never asked for their documents.
        from transport.pages.markdown import Places, read

        places = Places(partial(self._link, way), partial(self._picture, way))
        return read(self._text(name), places)

    def _made(self, name: str) -> str:
        way = "docs/" if name == HOME else ""  # /docs is a step above /docs/<name>
        if name == API:
            return self._render(name, "Paybell API", None, way)
        document = self._document(name, way)
        return self._render(name, document.title, document, way)

    def _render(self, name: str, title: str, document: Any, way: str) -> str:
        order = [HOME, *(entry.name for entry in self.entries)]
        titles = {HOME: "Paybell", **{e.name: e.title for e in self.entries}}
        place = order.index(name) if name in order else -2
        beside = {
            word: (self._address(way, order[at]), titles[order[at]])
            for word, at in (("Previous", place - 1), ("Next", place + 1))
            if 0 <= at < len(order)
        }
        return str(
            self._template.render(
                name=name,
                title=title,
                document=document,
                is_api=name == API,
                sections=self.sections,
                beside=beside,
                way=way,
                home=self._address(way, HOME),
                address=partial(self._address, way),
                asset=self._assets.from_top if way else self._assets.from_below,
            )
        )

    @cached_property
    def _template(self) -> SimpleTemplate:
        return SimpleTemplate((FOLDER / "docs.html").read_text(encoding="utf-8"))

    def _address(self, way: str, name: str) -> str:
        """From a page to another one."""
        if name == HOME:
            return "docs" if way else "../docs"
        return f"{way}{name}"

    def _link(self, way: str, target: str) -> tuple[str, str | None] | None:
        """Where a link of a document leads here, and that page's title; None: it is not
        served."""
        if re.match(r"(https?|mailto):", target) or target.startswith("#"):
            return target, None
        if target.startswith("/"):  # a page of the node itself
            return f"{'' if way else '../'}{target[1:]}", None
        path, hash_sign, anchor = target.partition("#")
        for entry in self.entries:
            if path == f"{entry.name}.md":
                to = f"{self._address(way, entry.name)}{hash_sign}{anchor}"
                return to, entry.title
        file = path.removeprefix("../examples/operating/")
        if file != path and self.file(file) is not None:
            return f"{way}files/{file}", None
        return None

    def _picture(self, way: str, source: str) -> tuple[str, int, int] | None:
        found = self.picture(source.removeprefix("screenshots/"))
        if found is None:
            return None
        width, height = struct.unpack(">II", found[16:24])
        return f"{way}{source}", width, height


def _read(folder: Path, name: str, allowed: re.Pattern[str]) -> bytes | None:
    if not allowed.fullmatch(name):
        return None
    try:
        return (folder / name).read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None
