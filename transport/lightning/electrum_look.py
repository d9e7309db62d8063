"""What came in since the last look, out of a list of all that ever came in.

Electrum sorts by the time at which a payment arrived, and shows it when it is settled:
one may come up behind others that were told. So a cursor holds the latest arrival that
was told, and a mark of all that were: while the mark fits, only what is later is news.
Where it does not, whatever arrived in the last `OVERLAP_S` is told again, but for what
is remembered in memory (`engine/lightning/node.py`: twice does no harm).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from engine.lightning.node import InvoiceSeen, InvoiceStatus, PaidPage
from transport.lightning.electrum_words import Moved, paid_msat

__all__ = ["OVERLAP_S", "PAGE", "STEADY_S", "Looks"]

OVERLAP_S: Final = 2 * 86_400
"""A part is settled or given back before 147 blocks have passed, about a day."""

STEADY_S: Final = 1.0
"""So long the sum of an invoice without amount has to stay the same. Nobody but the
payer knows when all parts are there; they are settled within milliseconds."""

PAGE: Final = 100


class _Cursor(msgspec.Struct, frozen=True):
    """Times in unix s, of Electrum's clock."""

    floor: int = 0  # what arrived before is none of ours
    but: tuple[str, ...] = ()  # hashes of that very second that are none, either
    seen: int = 0  # the latest arrival that was told
    mark: int = 0  # of all that were told
    page: int = 0  # no two pages have the same cursor


class Looks:
    """`received`: all rows that came in. `asked_msat`: of an invoice; 0: it has no
    amount. Both block; their errors go through."""

    def __init__(
        self,
        received: Callable[[], Sequence[Moved]],
        asked_msat: Callable[[str], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._received = received
        self._asked_msat = asked_msat
        self._monotonic = monotonic
        self._at = ""  # the cursor that `_told` belongs to
        self._told: dict[str, int] = {}  # by hash: the sum that was told, and kept
        self._next: tuple[str, dict[str, int]] = ("", {})  # as both, once it is kept
        self._unsure: dict[str, tuple[int, float]] = {}  # a sum, and since when

    def page(self, cursor: str) -> PaidPage:
        if not cursor:
            return PaidPage(paid=(), cursor=_text(self._from_now()))
        at = _read(cursor)
        rows = [row for row in self._received() if _is_ours(row, at)]
        rows.sort(key=lambda row: (row.timestamp, row.payment_hash))
        old = [row for row in rows if row.timestamp < at.seen - OVERLAP_S]
        rows = rows[len(old) :]
        self._remember(cursor, at, old, rows)
        news = [r for r in rows if self._told.get(r.payment_hash) != r.amount_msat]
        told = {row: one for row in news[:PAGE] if (one := self._seen(row)) is not None}
        if not told:
            return PaidPage(paid=(), cursor=cursor)
        sums = self._told | {row.payment_hash: row.amount_msat for row in told}
        after = msgspec.structs.replace(
            at,
            seen=max(at.seen, *(row.timestamp for row in told)),
            mark=_mark(old) ^ _mark(r for r in rows if r.payment_hash in sums),
            page=at.page + 1,
        )
        self._next = (_text(after), sums)
        more = len(news) > PAGE
        return PaidPage(paid=tuple(told.values()), cursor=self._next[0], more=more)

    def _remember(
        self, cursor: str, at: _Cursor, old: Sequence[Moved], rows: Sequence[Moved]
    ) -> None:
        """What was told up to this cursor, of these rows: the last page, if somebody
        comes with its cursor; all that is not later, if the mark fits."""
        if cursor == self._next[0]:
            self._told = self._next[1]
        elif cursor != self._at:
            self._told = {}
        before = [row for row in rows if row.timestamp <= at.seen]
        if not self._told and _mark(old) ^ _mark(before) == at.mark:
            self._told = {row.payment_hash: row.amount_msat for row in before}
        here = {row.payment_hash for row in rows}
        self._told = {key: msat for key, msat in self._told.items() if key in here}
        left = here - self._told.keys()
        self._unsure = {key: one for key, one in self._unsure.items() if key in left}
        self._at = cursor

    def _seen(self, row: Moved) -> InvoiceSeen | None:
        """None: its sum may still grow."""
        asked_msat = self._asked_msat(row.payment_hash)
        if not asked_msat and not self._is_steady(row):
            return None
        return InvoiceSeen(
            payment_hash=row.payment_hash,
            status=InvoiceStatus.PAID,
            received_msat=paid_msat([row], asked_msat),
            settled_at=row.timestamp * 1_000,
        )

    def _is_steady(self, row: Moved) -> bool:
        now = self._monotonic()
        msat, since = self._unsure.get(row.payment_hash, (0, now))
        if msat != row.amount_msat:
            self._unsure[row.payment_hash] = (row.amount_msat, now)
            return False
        return now - since >= STEADY_S

    def _from_now(self) -> _Cursor:
        rows = self._received()
        latest = max((row.timestamp for row in rows), default=0)
        but = tuple(row.payment_hash for row in rows if row.timestamp == latest)
        return _Cursor(floor=latest, but=but, seen=latest)


def _is_ours(row: Moved, at: _Cursor) -> bool:
    if row.timestamp == at.floor and row.payment_hash in at.but:
        return False
    return row.timestamp >= at.floor


def _mark(rows: Iterable[Moved]) -> int:
    """Of a set: whoever is missing, or is there more, changes it. The hashes are those
    of secrets that the node itself drew."""
    mark = 0
    for row in rows:
        mark ^= int(row.payment_hash[:15], 16)
    return mark


def _text(cursor: _Cursor) -> str:
    return msgspec.json.encode(cursor).decode()


def _read(text: str) -> _Cursor:
    """One that cannot be read: from the beginning, as nothing may be missed."""
    try:
        return msgspec.json.decode(text, type=_Cursor)
    except msgspec.MsgspecError:
        return _Cursor(mark=-1)
