"""Epochs: which life of a database an event, a cursor or a client comes from.

Offsets and `seq` begin at 1 in every database, and go on from an older one after a
restore; so a number alone names another event there. An epoch is drawn when a database
is made and when a restore is accepted, and stands beside the number on every wire: ids
of events, cursors of `/v1/events`, what a live client comes back with.

    evt_<epoch>_<offset>   an event's id. One that was written before there were epochs
                           keeps `evt_<offset>`: what was told once never changes.
    <epoch>-<number>       a position: an offset or a seq, in the present epoch
    <number>               a position as it was written before there were epochs; it is
                           of the first epoch

Pure. An epoch begins while no node has the database open, so `Epochs` never changes in
a node's life.
"""

import re
import secrets
import string
from collections.abc import Callable, Sequence

import msgspec

__all__ = [
    "EPOCH_CHARACTERS",
    "POSITION",
    "POSITION_LENGTH",
    "EpochStart",
    "Epochs",
    "START",
    "Position",
    "event_id",
    "new_epoch",
]

EPOCH_CHARACTERS = 8
"""Of `[0-9a-z]`: 2.8 * 10^12, so that two databases never have the same."""

_ALPHABET = string.digits + string.ascii_lowercase
_POSITION = re.compile(r"(?:([0-9a-z]{8})-)?([0-9]{1,18})", re.ASCII)
POSITION = rf"^{_POSITION.pattern}$"
"""What a position looks like, for the types of requests."""

POSITION_LENGTH = EPOCH_CHARACTERS + 1 + 18
_EVENT_ID = re.compile(r"evt_(?:([0-9a-z]{8})_)?([1-9][0-9]{0,17})", re.ASCII)


def new_epoch() -> str:
    """Drawn, not counted: who made the other database cannot be asked."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(EPOCH_CHARACTERS))


class EpochStart(msgspec.Struct, frozen=True):
    """The epoch of the events from `first_offset` on, until the next one's."""

    first_offset: int
    epoch: str
    began_at: int = 0
    """A number that rises from epoch to epoch: when it began (ms), or of one that
    began before that was written down, which one it is."""


class Position(msgspec.Struct, frozen=True):
    """A number, and the epoch that it counts in. None: nobody said which."""

    epoch: str | None
    number: int

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """None if it is not one."""
        found = _POSITION.fullmatch(text)
        return None if found is None else cls(found[1], int(found[2]))

    def __str__(self) -> str:
        number = str(self.number)
        return number if self.epoch is None else f"{self.epoch}-{number}"


START = Position(None, 0)
"""The beginning, of whatever epoch."""


class Epochs:
    """All epochs of one database, in the order in which they began."""

    __slots__ = ("_starts",)

    def __init__(self, starts: Sequence[EpochStart]) -> None:
        assert starts, "a database has an epoch as soon as it has a schema"
        firsts = [start.first_offset for start in starts]
        assert firsts == sorted(firsts), "epochs begin one after the other"
        assert len({start.epoch for start in starts}) == len(starts), "drawn twice"
        times = [start.began_at for start in starts if start.began_at]
        assert times == sorted(set(times)), "each epoch begins after the one before"
        self._starts = tuple(starts)

    @property
    def present(self) -> str:
        """The epoch of whatever is committed next."""
        return self._starts[-1].epoch

    def of(self, offset: int) -> str | None:
        """The epoch in which this was committed; None: before there were any."""
        for start in reversed(self._starts):
            if start.first_offset <= offset:
                return start.epoch
        return None

    @property
    def latest_start(self) -> int:
        """When the present epoch began."""
        return self._starts[-1].began_at

    @property
    def starts(self) -> tuple[int, ...]:
        """When each began; 0 first, for what was committed before there were any."""
        return (0, *(start.began_at for start in self._starts))

    def start_of(self, offset: int) -> int:
        """When the epoch of this event began; 0: before there were any."""
        epoch = self.of(offset)
        return next((s.began_at for s in self._starts if s.epoch == epoch), 0)

    def began_at(self, ms: int) -> str | None:
        """The epoch that began then ("": before there were any); None: none did."""
        if ms == 0:
            return ""
        return next((s.epoch for s in self._starts if s.began_at == ms), None)

    def until(self, epoch: str) -> int | None:
        """The last offset of an epoch that is over; None: it is the present one."""
        firsts = [start.first_offset for start in self._starts]
        names = ["", *(start.epoch for start in self._starts)]
        number = names.index(epoch)
        return None if number == len(firsts) else firsts[number] - 1

    @staticmethod
    def event_id_in(epoch: str, offset: int) -> str:
        """The id of the event of this offset as that epoch had it."""
        return event_id(offset, epoch or None)

    def event_id(self, offset: int) -> str:
        return event_id(offset, self.of(offset))

    def offset_of(self, name: str) -> int | None:
        """The offset of the event with this id; None: no event of ours can have it."""
        found = _EVENT_ID.fullmatch(name)
        if found is None:
            return None
        offset = int(found[2])
        return offset if found[1] == self.of(offset) else None

    def is_present(self, position: Position) -> bool:
        """Whether a journal's position can be gone on from. 0 is the beginning of any
        journal, if no epoch says of which."""
        if position.epoch is None:
            return position.number == 0 or len(self._starts) == 1
        return position.epoch == self.present

    def at_an_address(self, since: Position) -> Position:
        """The same, of who follows an address, not a payment by its id. A number alone
        is of the first epoch then: after a restore an address may be another payment's
        than it was."""
        if since.epoch is not None or since.number == 0:
            return since
        return Position(self._starts[0].epoch, since.number)

    def is_story_of(self, since: Position, began_at: Callable[[], int | None]) -> bool:
        """Whether a payment's events up to `since`, as somebody has read them, are
        those that we have. `began_at` looks up the offset of the payment's first one:
        ids of payments are never given twice, so who follows one that began in the
        present epoch has no other story of it, though he does not say which."""
        if self.is_present(since):
            return True
        if since.epoch is not None:
            return False
        offset = began_at()
        return offset is not None and self.of(offset) == self.present

    def going_on_from(self, position: Position) -> Position:
        """Where a reader of another epoch goes on: after the last event that it is
        sure to have read and that we have. Of an epoch that is not known here nothing
        is sure, so it begins anew."""
        until = self._shared_until(position.epoch)
        number = position.number if until is None else min(position.number, until)
        return Position(self.present, number)

    def _shared_until(self, epoch: str | None) -> int | None:
        """The last offset that we have in common; None: all there are."""
        if epoch == self.present:
            return None
        for start, following in zip(self._starts, self._starts[1:], strict=False):
            if epoch is None or start.epoch == epoch:
                return following.first_offset - 1
        return None if epoch is None else 0


def event_id(offset: int, epoch: str | None) -> str:
    """An event's id. `engine.payment.events.with_offset` writes the same."""
    return f"evt_{offset}" if epoch is None else f"evt_{epoch}_{offset}"
