"""Postings as lines of a file: CSV for spreadsheets, JSON lines for programs. Pure.

Sums are whole numbers of the unit's smallest part; what they were worth in money is
decimal text, as it was posted. A cell that a spreadsheet would take for a formula
begins with an apostrophe (OWASP, CSV injection): what is in it came from outside.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator

import msgspec

from engine.money.currency import minor_text
from engine.payment.events import iso
from engine.store.ledger_port import PostingRecord

__all__ = ["COLUMNS", "LineOf", "WRITERS", "exported", "payment_seq"]

COLUMNS = (
    *("id", "at", "kind", "merchant", "payment_id", "seq", "unit"),
    *("from_account", "to_account", "amount"),
    *("currency", "worth", "rate", "rate_at", "cause", "note"),
)

_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "|",
    "%",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)

PAGE = 500
"""Postings that are in memory at a time."""

Pages = Callable[[int, int], list[PostingRecord]]
"""The next ones after this id, so many at most."""

LineOf = Callable[[PostingRecord], bytes]


def payment_seq(record: PostingRecord) -> int | None:
    """The seq of the event that caused it; None: no event did."""
    return record.seq or None


def exported(
    pages: Pages, line: LineOf, head: bytes, after: int = 0
) -> Iterator[bytes]:
    """The whole file, a page at a time."""
    if head:
        yield head
    while True:
        found = pages(after, PAGE)
        if not found:
            return
        yield b"".join(map(line, found))
        after = found[-1].id


def _values(record: PostingRecord) -> tuple[object, ...]:
    posting, worth = record.posting, record.posting.worth
    return (
        record.id,
        iso(record.at),
        record.kind,
        record.merchant,
        record.payment_id or None,
        payment_seq(record),
        posting.unit,
        posting.source,
        posting.target,
        posting.amount,
        worth and worth.currency,
        worth and minor_text(worth.minor, worth.decimals),
        worth and worth.rate,
        worth and iso(worth.rate_at),
        record.cause or None,
        record.note or None,
    )


def _json_line(record: PostingRecord) -> bytes:
    named = dict(zip(COLUMNS, _values(record), strict=True))
    return msgspec.json.encode(named) + b"\n"


def _csv_line(record: PostingRecord) -> bytes:
    return _row(_cell(value) for value in _values(record))


def _row(cells: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)  # RFC 4180: CRLF, quotes where they must be
    return text.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.lstrip(" \u00a0").startswith(_FORMULA):
        return f"'{value}"
    return value


WRITERS: dict[str, tuple[str, bytes, LineOf]] = {
    "csv": ("text/csv; charset=utf-8; header=present", _row(COLUMNS), _csv_line),
    "jsonl": ("application/jsonl; charset=utf-8", b"", _json_line),
}
"""By the ending of a file's name: media type, first line, and a posting as a line."""
