"""The languages of what payers read: words, numbers, sums and dates. Pure.

One catalogue a language, `transport/web/words/<tag>.toml`, read once. `words_for` says
which a visitor gets: what `?lang=` names, else what the browser prefers. A sum that is
to be copied into a wallet is none of it: that is a machine's text, with a point.
"""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from engine.money.amount import sat_to_btc
from engine.money.currency import minor_text

__all__ = [
    "DEFAULT",
    "FOLDER",
    "Format",
    "Words",
    "all_words",
    "read_words",
    "words_asked",
    "words_for",
]

FOLDER: Final = Path(__file__).parent.parent / "web" / "words"
DEFAULT: Final = "en"

#: Of an Accept-Language so much is read, and so many ranges; a browser sends a tenth.
_MAX_HEADER: Final = 500
_MAX_RANGES: Final = 32

#: RFC 9110, 12.4.2: a weight is 0 to 1 with at most three decimals.
_WEIGHT_LENGTH: Final = 5


class Format(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a language writes numbers and times; table `[format]` of its file."""

    decimal: str
    group: str
    group_from: int
    """A smaller number is written without groups (Spanish: from 10,000 on)."""

    one_is: tuple[int, ...]
    """The whole numbers that go with the singular, as CLDR has them."""

    months: tuple[str, ...]
    date_time: str


class Words:
    """One language. `tag` is its BCP 47 tag, for `lang=` and `Intl`."""

    __slots__ = ("_words", "form", "script", "tag")

    def __init__(self, tag: str, form: Format, words: dict[str, str]) -> None:
        assert len(form.months) == 12, tag
        self.tag = tag
        self.form = form
        self._words = words
        #: What the page's own script says, by name.
        self.script: dict[str, str] = {
            key.removeprefix("script_"): text
            for key, text in words.items()
            if key.startswith("script_")
        }

    @property
    def keys(self) -> frozenset[str]:
        """What it can say."""
        return frozenset(self._words)

    def raw(self, key: str) -> str:
        """The text with its placeholders."""
        return self._words[key]

    def say(self, key: str, /, **values: object) -> str:
        """The text. KeyError for a key that the catalogue has not: our mistake."""
        text = self._words[key]
        return text.format(**values) if values else text

    def count(self, key: str, number: int, /, **values: object) -> str:
        """The text of `<key>_one` or `<key>_other`, whichever goes with the number."""
        is_one = number in self.form.one_is
        return self.say(f"{key}_one" if is_one else f"{key}_other", **values)

    def number(self, value: int) -> str:
        """A whole number: `50,000`."""
        if abs(value) < self.form.group_from:
            return str(value)
        return f"{value:,}".replace(",", self.form.group)

    def decimal(self, text: str) -> str:
        """Plain decimal text (`-1234.50`) as people write it."""
        whole, point, part = text.removeprefix("-").partition(".")
        sign = "-" if text.startswith("-") else ""
        written = f"{sign}{self.number(int(whole))}"
        return f"{written}{self.form.decimal}{part}" if point else written

    def btc(self, sat: int) -> str:
        """BTC for people: all eight decimals are noise, two are the least."""
        whole, _, fraction = sat_to_btc(sat).partition(".")
        return self.decimal(f"{whole}.{fraction.ljust(2, '0')}")

    def bitcoin(self, sat: int) -> str:
        """The same with its unit: `0.0005 BTC`."""
        return f"{self.btc(sat)} BTC"

    def money(self, minor: int, currency: str, decimals: int) -> str:
        """A sum in the smallest unit of a currency: `12.50 EUR`."""
        return f"{self.decimal(minor_text(minor, decimals))} {currency}"

    def date_time(self, ms: int) -> str:
        """Day, hour and minute, in UTC and with its name: where no script runs, the
        page does not know the visitor's own time."""
        at = datetime.fromtimestamp(ms / 1000, UTC)
        return self.form.date_time.format(
            day=at.day,
            month=self.form.months[at.month - 1],
            year=at.year,
            hour=f"{at.hour:02d}",
            minute=f"{at.minute:02d}",
        )


class _Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Format
    words: dict[str, str]


def read_words(tag: str, folder: Path = FOLDER) -> Words:
    """One language's file. Raises msgspec.ValidationError for one of another shape."""
    table = tomllib.loads((folder / f"{tag}.toml").read_text(encoding="utf-8"))
    found = msgspec.convert(table, _Catalogue)
    return Words(tag, found.format, found.words)


@cache
def all_words() -> dict[str, Words]:
    """Every language by its tag; read when the first page is made ready."""
    tags = sorted(path.stem for path in FOLDER.glob("*.toml"))
    return {tag: read_words(tag) for tag in tags}


def words_for(query_lang: str | None = None, accept_language: str = "") -> Words:
    """What `?lang=` names, else the best that the browser accepts, else English.

    RFC 4647, 3.4 (lookup): a range that is not there is looked for without its last
    subtag, so `de-AT` gets German.
    """
    known = all_words()
    for tag in [query_lang or "", *_preferred(accept_language)]:
        if (found := known.get(_language_of(tag))) is not None:
            return found
    return known[DEFAULT]


def _language_of(tag: str) -> str:
    """Ours differ by the first subtag alone."""
    return tag[:_MAX_HEADER].partition("-")[0].strip().lower()


def _preferred(header: str) -> Iterable[str]:
    """The ranges of an Accept-Language, the best first; RFC 9110, 12.5.4. One that
    cannot be read is passed over, and so is one with the weight 0."""
    ranges = []
    for part in header[:_MAX_HEADER].split(",")[:_MAX_RANGES]:
        tag, _, parameter = part.partition(";")
        weight = _weight(parameter.strip())
        if weight > 0:
            ranges.append((weight, tag.strip()))
    ranges.sort(key=lambda one: -one[0])  # stable: of equals, the first
    return [tag for _, tag in ranges]


def _weight(parameter: str) -> float:
    """In 0 to 1; 0 for what is none."""
    if not parameter:
        return 1.0
    name, _, value = parameter.partition("=")
    value = value.strip()
    plain = value.replace(".", "", 1)
    if name.strip().lower() != "q" or len(value) > _WEIGHT_LENGTH:
        return 0.0
    if not (plain.isascii() and plain.isdigit()):
        return 0.0
    weight = float(value)
    return weight if weight <= 1 else 0.0


def words_asked(query: Mapping[str, str], header: str | None) -> Words:
    """Of a request: its query's `lang`, and its Accept-Language."""
    return words_for(query.get("lang"), header or "")
