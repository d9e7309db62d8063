"""Where the reading of phoenixd's paid invoices stands: a cursor that loses none. Pure.

phoenixd lists what was received by the moment of it, the newest first, in pages by
offset (`PaymentsIncoming.sq`: `received_at BETWEEN from AND to ORDER BY received_at
DESC LIMIT … OFFSET …`). What makes that hard:

- New payments shift the pages while they are read: then some are told twice. For that
  all pages of a round are asked for without an end (`to`): what is new comes first, so
  nothing is ever shifted to a page that was read. The next round begins at `top`, the
  newest moment of the first page.
- Several have the same millisecond, and the moment is taken before the row can be
  read: so each round begins `OVERLAP_MS` before where the last one ended, and what was
  told already of that time is known by `told`.
- Rows of on-chain receipts are counted by LIMIT and OFFSET, and then left out: a short
  page is not the last one. Only an empty page is.
- The node's clock may have been ahead, and be put back: the next round begins no later
  than our own clock. Where ours was ahead with it (one machine), what is received from
  then on lies before all that was read: the next round reads all there is.

A round that is under way goes on after a restart, as its offset is in the cursor.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Self

import msgspec
from msgspec import Meta

__all__ = ["MAX_MS", "OVERLAP_MS", "Cursor"]

OVERLAP_MS: Final = 60_000

MAX_MS: Final = 253_402_300_799_999
"""The end of the year 9999, later than anything that was received: phoenixd's own end
of a list is its clock's now, which would hide what came before that was put back."""

_MAX_TOLD: Final = 64  # more are told once more
_DIGITS: Final = 16  # of a payment hash that is kept of it

_Ms = Annotated[int, Meta(ge=0, le=MAX_MS)]


class Cursor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`since`: all before it was told. Of a round that is under way: `top`, how many
    rows of it were read, and what of them the next round will see again."""

    since: _Ms
    told: list[str] = []
    top: _Ms | None = None
    offset: Annotated[int, Meta(ge=0, le=10**9)] = 0
    tells: list[str] = []

    @classmethod
    def read(cls, text: str) -> Self:
        """One that is none (an account of another kind had this name) reads all from
        the beginning: nothing is lost, and what is known is known."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return cls(since=0)

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @property
    def first(self) -> int:
        return max(0, self.since - OVERLAP_MS)

    def begun(self, now: int) -> "Cursor":
        """What the next page is asked for by. `now`: our clock, by which the round is
        to begin in a time that there was. A round that is under way goes on."""
        if self.top is None and self.first > now:
            return Cursor(since=0, told=self.told)
        return self

    def is_told(self, payment_hash: str) -> bool:
        return payment_hash[:_DIGITS] in self.told

    def after(self, rows: Sequence[tuple[str, int]], read: int) -> "Cursor":
        """After a page of these (hash, moment), for which `read` rows were asked."""
        top = self.top
        if top is None:
            top = max(moment for _, moment in rows)
        again = [h[:_DIGITS] for h, moment in rows if moment >= top - OVERLAP_MS]
        return Cursor(
            since=self.since,
            told=self.told,
            top=top,
            offset=self.offset + read,
            tells=(self.tells + again)[:_MAX_TOLD],
        )

    def at_end(self, now: int) -> "Cursor":
        """The round is over. `now`: our clock."""
        if self.top is None:
            return Cursor(since=self.since, told=self.told)
        return Cursor(since=min(self.top, max(now, 0)), told=self.tells)
