"""Style sheets that stand in a page itself, so that its first frame waits for no second
request. Pure.

The page's policy names such a sheet by its SHA-256 (CSP Level 3, 8.4): it allows this
text and no other, and needs no 'unsafe-inline'.
"""

import base64
import hashlib
import re
from functools import lru_cache
from typing import Final

import msgspec

__all__ = ["InlineStyle", "inline_style"]

#: A string stays as it is; a comment goes; so does what is blank, as far as it may.
_PIECE: Final = re.compile(
    r'(?P<text>"[^"\n]*")|/\*.*?\*/|\s*(?P<mark>[{};,])\s*|(?P<blank>\s+)', re.DOTALL
)


class InlineStyle(msgspec.Struct, frozen=True):
    """`text` for between <style> and </style>; `source` for the policy's style-src."""

    text: str
    source: str


@lru_cache(maxsize=256)
def inline_style(*sheets: bytes) -> InlineStyle:
    """These sheets in their order as one, without their comments."""
    text = _PIECE.sub(_shortest, b"\n".join(sheets).decode()).strip()
    assert "<" not in text, "it might end the element"
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return InlineStyle(text, f"'sha256-{digest}'")


def _shortest(piece: re.Match[str]) -> str:
    return piece["text"] or piece["mark"] or (" " if piece["blank"] else "")
