"""A merchant's colour, as a style sheet of its own. Pure.

Whatever colour is named, what is written on it and in it can be read: WCAG 2.2, 1.4.3
wants a contrast of 4.5 to 1. The filled parts of a page have the colour itself, with
black or white on it, one of which always does; text and lines in the colour have it
darker or lighter, as far as their ground needs it. A page's policy allows no inline
style, so the sheet has an address; it depends on the colour alone.
"""

import re
from functools import lru_cache
from typing import Final

__all__ = ["brand_css", "brand_url", "contrast"]

LEAST: Final = 4.5

#: What text in the colour stands on, in `pay.css`: the card and its tinted parts, in
#: light and in dark. These stay as they are: a red shop is not an alarm.
_LIGHT: Final = ("#ffffff", "#e9f2ee")
_DARK: Final = ("#1b211e", "#20312a")

_STEPS: Final = 50
_VERSION: Final = 2  # in the address: what a browser keeps for ever

_NAME: Final = re.compile(rf"brand-{_VERSION}-([0-9a-f]{{6}})\.css", re.ASCII)

Rgb = tuple[float, float, float]  # 0 to 1


def brand_url(color: str) -> str:
    """The sheet's path, seen from the top: `web/brand-2-1f5d4c.css`; of none, empty."""
    if not color:
        return ""
    assert re.fullmatch(r"#[0-9a-fA-F]{6}", color), "checked as it was saved"
    return f"web/brand-{_VERSION}-{color[1:].lower()}.css"


def brand_css(name: str) -> bytes | None:
    """The sheet of this file name; None: there is none of such a name."""
    found = _NAME.fullmatch(name)
    return None if found is None else _sheet(f"#{found[1]}")


@lru_cache(maxsize=256)
def _sheet(color: str) -> bytes:
    light, dark = _scheme(color, _LIGHT), _scheme(color, _DARK)
    return (
        f":root {{ {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    ).encode()


def _scheme(color: str, grounds: tuple[str, str]) -> str:
    accent = _readable(color, *grounds)
    values = {
        "brand": color,
        "on-brand": _on(color),
        "accent": accent,
        "on-accent": _on(accent),
    }
    return " ".join(f"--{name}: {value};" for name, value in values.items())


def contrast(one: str, other: str) -> float:
    """WCAG 2.2: from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _on(ground: str) -> str:
    """Black or white, whichever is read better: at least 4.58 to 1."""
    return max("#ffffff", "#000000", key=lambda ink: contrast(ink, ground))


def _readable(color: str, *grounds: str) -> str:
    """The colour, or the nearest one on the way to black or white that can be read on
    all of the grounds."""
    end = _on(grounds[0])
    for step in range(_STEPS + 1):
        found = _mixed(color, end, step / _STEPS)
        if all(contrast(found, ground) >= LEAST for ground in grounds):
            return found
    return end


def _mixed(one: str, other: str, share: float) -> str:
    """Of the second so much; in sRGB, as CSS mixes."""
    pairs = zip(_rgb(one), _rgb(other), strict=True)
    parts = (round(255 * (a + (b - a) * share)) for a, b in pairs)
    return "#" + "".join(f"{part:02x}" for part in parts)


def _rgb(color: str) -> Rgb:
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _luminance(color: str) -> float:
    """WCAG 2.2, relative luminance."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in _rgb(color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
