"""What the journal actor says to itself."""

import msgspec

from actors.messages import Append
from engine.store.writes import Outcome, SourceTip

__all__ = ["BatchDone", "ProbeJournal", "PurgeDue", "TellAgain"]


class BatchDone(msgspec.Struct, frozen=True):
    """The writer thread finished a batch (to the journal actor, from itself)."""

    batch: tuple[Append, ...]
    outcomes: tuple[Outcome, ...]
    first: tuple[SourceTip, ...] = ()  # rows that others rest on: they lead the batch


class ProbeJournal(msgspec.Struct, frozen=True):
    """After a failure: try whether writing works again."""


class PurgeDue(msgspec.Struct, frozen=True):
    """Take away what removed channels have left."""


class TellAgain(msgspec.Struct, frozen=True):
    """Time went by since this merchant's notifiers were told of something owed anew."""

    merchant: str | None
