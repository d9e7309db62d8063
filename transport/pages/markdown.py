"""The little Markdown that our own pages are written in, as HTML.

Headings (from `###` on with their text as anchor), paragraphs, lists, indented code,
and `code` within a line. Nothing else: what is not that is text. Pure.
"""

import re
from collections.abc import Iterator
from html import escape

__all__ = ["to_html"]

_HEADING = re.compile(r"(#{1,6}) (.+)")
_CODE = re.compile(r"`([^`]+)`")
_ANCHORED = 3  # the level that is linked to


def to_html(text: str) -> str:
    """All of it, block by block: blocks are parted by empty lines."""
    return "\n".join(_block(block) for block in re.split(r"\n\s*\n", text.strip("\n")))


def _block(block: str) -> str:
    heading = _HEADING.fullmatch(block)
    if heading is not None:
        level = len(heading[1])
        anchor = f' id="{escape(heading[2])}"' if level == _ANCHORED else ""
        return f"<h{level}{anchor}>{_inline(heading[2])}</h{level}>"
    lines = block.split("\n")
    if block.startswith("- "):
        items = "".join(f"<li>{_inline(item)}</li>" for item in _items(lines))
        return f"<ul>{items}</ul>"
    if all(line.startswith("    ") for line in lines):
        code = "\n".join(line[4:] for line in lines)
        return f"<pre><code>{escape(code)}</code></pre>"
    return f"<p>{_inline(' '.join(lines))}</p>"


def _items(lines: list[str]) -> Iterator[str]:
    """An item goes on in the lines that are indented."""
    item = ""
    for line in lines:
        if line.startswith("- "):
            if item:
                yield item
            item = line[2:]
        else:
            item += f" {line.strip()}"
    yield item


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
