"""A payment's QR code: in its page, and as pictures for a shop's own page or screen.

`bitcoin:` stands in small letters, as phones match schemes by case (BIP 321 allows
both), and a bech32 address or an invoice in capitals, whose own mode of the code takes
a third less room; which characters go into which segment says `ways.qr_segments`.
"""

from functools import lru_cache
from io import BytesIO
from typing import Final, cast

import segno

__all__ = ["MEDIA_TYPES", "inline_svg", "picture"]

MEDIA_TYPES: Final = {"svg": "image/svg+xml", "png": "image/png"}

QUIET_ZONE: Final = 4
"""Modules of white round the code (ISO/IEC 18004): it may stand on any background."""

PIXELS: Final = 8
"""Of a module's side: some 400 in all, sharp on a phone, and some 2 KB."""


@lru_cache(maxsize=512)
def inline_svg(segments: tuple[str, ...]) -> str:
    """As a part of a page, without a size: the style sheet gives it one."""
    return str(_code(segments).svg_inline(omitsize=True, border=2))


@lru_cache(maxsize=512)
def picture(kind: str, segments: tuple[str, ...]) -> bytes:
    """A file, black on white. `kind`: one of `MEDIA_TYPES`."""
    out, code = BytesIO(), _code(segments)
    if kind == "svg":
        code.save(out, kind="svg", border=QUIET_ZONE, omitsize=True, light="white")
    else:
        assert kind == "png", "no such picture"
        code.save(out, kind="png", border=QUIET_ZONE, scale=PIXELS)
    return out.getvalue()


def _code(segments: tuple[str, ...]) -> segno.QRCode:
    # segno takes several segments, each in its shortest mode; its types say str only.
    content = cast(str, list(segments))
    return segno.make(content, error="m", micro=False)
