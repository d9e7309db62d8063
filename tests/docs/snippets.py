"""The code blocks of README and the documents, and what is called in them.

A block is found by the reader that the node shows the pages with, so what is tried here
is what a reader sees.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

from tests.tools import children
from tests.tools.wait import PATIENCE

__all__ = [
    "PAGES",
    "READMES",
    "ROOT",
    "Block",
    "Request",
    "blocks",
    "called",
    "of_readmes",
    "requests",
]

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)
READMES = (*ROOT.glob("clients/*/README.md"), *ROOT.glob("examples/*/README.md"))

# Bash itself reads the blocks, so that quotes, here-documents and comments are what
# they are to a reader's shell. Nothing is run: every command is written down.
_RECORDER = r"""
note() {
    printf '%s\0' "$BLOCK" "$@" $'\n' >&3
}
cat() { :; }
command_not_found_handle() { note "$@"; echo ___; }
"""
_VARIABLE = re.compile(r"\$([A-Z]+)\b")
_OURS = re.compile(r"(?:\.venv/bin/)(?=(?:paybell|python)\b)")


class Block(NamedTuple):
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


class Request(NamedTuple):
    method: str
    path: str
    body: str


def blocks(*languages: str) -> list[Block]:
    """Those of these languages in README and docs; without a language: all."""
    found = [block for page in PAGES for block in _of(page, page.name)]
    return [each for each in found if not languages or each.language in languages]


def of_readmes() -> list[Block]:
    """All of the clients' and the examples' READMEs, named by their paths."""
    return [
        block for page in READMES for block in _of(page, str(page.relative_to(ROOT)))
    ]


def _of(page: Path, name: str) -> list[Block]:
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    return [
        Block(name, (token.map or [0])[0] + 1, token.info.strip(), token.content)
        for token in tokens
        if token.type in {"fence", "code_block"}
    ]


def called(found: list[Block], folder: Path) -> list[tuple[Block, list[str]]]:
    """The commands of blocks of bash, each with its words. Raises AssertionError for a
    block that bash cannot read."""
    (folder / "descriptor.txt").touch()  # what a block reads
    script = [_RECORDER]
    for number, block in enumerate(found):
        text = _OURS.sub("", block.text).replace("…", "___")
        (folder / f"{number}.sh").write_text(text, encoding="utf-8")
        # What an earlier block of the page has set is its own name here.
        named = " ".join(f"{v}={v}" for v in sorted(set(_VARIABLE.findall(text))))
        script.append(
            f"BLOCK={number}; ({named or ':'}; source ./{number}.sh) >/dev/null"
        )
    script.append("wait")
    with (folder / "calls").open("wb") as calls:
        done = children.run(
            ["bash", "-c", "exec 3>&1; export PATH=/nowhere\n" + "\n".join(script)],
            stdout=calls,
            stderr=-1,
            cwd=folder,
            timeout=60 * PATIENCE,
            text=True,
        )
    assert done.stderr == "", done.stderr
    words = (folder / "calls").read_text(encoding="utf-8").split("\0\n\0")
    split = (entry.split("\0") for entry in words if entry)
    return [(found[int(number)], command) for number, *command in split]


def requests(text: str) -> Iterator[Request]:
    """Of a block in `http`: a line with method and path, then bodies in JSON, one in a
    line of its own or behind the path. An answer begins with its status: not looked
    at. Raises ValueError for a body that is no JSON."""
    parts = re.split(r"^(?=(?:GET|POST|PUT|PATCH|DELETE) )", text, flags=re.MULTILINE)
    for part in parts:
        asked = re.split(r"^\d{3} ", part, flags=re.MULTILINE)[0]
        head = re.match(r"([A-Z]+) (\S+)(.*)", asked, re.DOTALL)
        if head is not None:
            for body in _bodies(head[3]) or [""]:
                yield Request(head[1], head[2], body)


def _bodies(text: str) -> list[str]:
    found, at = [], 0
    while begin := re.compile(r"(?:^|(?<=\s))\{", re.MULTILINE).search(text, at):
        _, length = json.JSONDecoder().raw_decode(text[begin.start() :])
        found.append(text[begin.start() : begin.start() + length])
        at = (text + "\n").index("\n", begin.start() + length)
    return found
