"""A language in which no letter is an English one: what is English on a page that is
written in it did not come from the catalogue of words.
"""

import re
from html import unescape
from string import ascii_letters
from typing import Final

from transport.pages.language import Format, Words, read_words

__all__ = ["Pseudo", "english_in"]

#: Mathematical letters: as many as ASCII has, and no text of ours has one.
_AWAY: Final = str.maketrans(
    ascii_letters, "".join(chr(0x1D5D4 + n) for n in [*range(26, 52), *range(26)])
)
_PLACEHOLDER: Final = re.compile(r"(\{\w+\})")

#: What is the same in every language.
_NAMES: Final = frozenset({"BTC", "sat", "EUR", "UTC", "QR"})

_HIDDEN: Final = re.compile(r"<(script|svg|code)\b.*?</\1>|<head>.*?</head>", re.DOTALL)
_SHOWN_ATTRIBUTES: Final = re.compile(
    r'\b(?:aria-label|title|alt|placeholder|data-over)="([^"]*)"'
)


class Pseudo(Words):
    """English in other letters; it notes each key that is said."""

    def __init__(self) -> None:
        english = read_words("en")
        form: Format = english.form
        months = tuple(away(month) for month in form.months)
        super().__init__(
            "qps",
            Format(
                decimal="٫",
                group="_",
                group_from=1,
                one_is=(1,),
                months=months,
                date_time="{day}/{month}/{year} {hour}:{minute} UTC",
            ),
            {key: away(english.raw(key)) for key in english.keys},
        )
        self.said: set[str] = set()

    def say(self, key: str, /, **values: object) -> str:
        self.said.add(key)
        return super().say(key, **values)


def away(text: str) -> str:
    """Its letters are others; placeholders stay."""
    parts = _PLACEHOLDER.split(text)
    return "".join(p if n % 2 else p.translate(_AWAY) for n, p in enumerate(parts))


def english_in(html: str, *data: str) -> list[str]:
    """Words in Latin letters that a visitor would see or hear; `data`: what the shop
    or the payment brought along, which no language changes."""
    title = re.search(r"<title>(.*?)</title>", html)
    spoken = [*_SHOWN_ATTRIBUTES.findall(html), title[1] if title else ""]
    seen = re.sub(r"<[^>]*>", " ", _HIDDEN.sub(" ", html))
    text = unescape(" ".join([seen, *spoken]))
    for known in data:
        text = text.replace(known, " ")
    return [word for word in re.findall(r"[A-Za-z]{2,}", text) if word not in _NAMES]
