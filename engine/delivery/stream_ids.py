"""Ids of a stream's entries: how Redis itself refuses to be told twice. Pure.

An entry's id is `<when its epoch began, ms>-<its offset>`. Both rise: offsets within an
epoch, and each epoch begins later than the one before. Redis takes no id that is not
above the last one it ever took in this stream, so an event is in it once at most; and
what the stream's last id is tells how far it has been told. That id is the cursor: no
note of ours can be newer or older than what Redis has.

What can have happened between two looks: Redis lost its tail (a restart, a failover to
a replica that was behind), all (FLUSHALL, an empty disk), or somebody else wrote.
`place_of` says where to go on, or why nobody may.
"""

import re
from typing import NamedTuple

import msgspec

from engine.delivery.attempt import SendResult
from engine.store.epochs import Epochs

__all__ = [
    "EMPTY",
    "EntryId",
    "StreamFound",
    "StreamPlace",
    "StreamPlan",
    "StreamTold",
    "Stuck",
    "ids_of",
    "place_of",
]

_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)


class EntryId(NamedTuple):
    """As Redis compares them: the first number, then the second."""

    ms: int
    seq: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "EntryId":
        """Raises `ValueError`."""
        found = _ID.fullmatch(text)
        if found is None:
            raise ValueError("no id of a stream's entry")
        return cls(int(found[1]), int(found[2]))


EMPTY = EntryId(0, 0)
"""The last id of a stream that was never told anything, or is not there."""


class StreamFound(msgspec.Struct, frozen=True):
    """A stream as it was found."""

    last: EntryId
    """The last id that it ever took, be that entry there or trimmed away."""

    last_event: str | None = None
    """The id of the event in its last entry; "": that is no entry of ours. None: the
    entry is gone."""

    writer: str | None = ""
    """The channel that wrote the newest entry there is; None: there is none."""

    ours: EntryId | None = None
    """If the last id is of no epoch of ours: the newest entry that is of one."""


class StreamPlan(msgspec.Struct, frozen=True):
    """What to tell a stream whose last id is still `expected`: ids, and events as they
    are on the wire."""

    expected: EntryId
    entries: tuple[tuple[EntryId, bytes], ...]


class StreamTold(msgspec.Struct, frozen=True):
    """What a look at a stream, or an attempt to tell it something, came to.

    `did`: the plan was carried out, all of it. Else nothing of it was, or (`seen` is
    None) nobody knows.
    """

    result: SendResult
    seen: StreamFound | None = None
    did: bool = False


class StreamPlace(msgspec.Struct, frozen=True):
    """`told`: the stream has had every event up to this offset. None: the stream does
    not say; the outbox does, as well as it can."""

    told: int | None
    is_empty: bool = False


class Stuck(msgspec.Struct, frozen=True):
    """Nothing can be told, as Redis would refuse it or an event would be left out."""

    reason: str


def place_of(
    epochs: Epochs, seen: StreamFound, last_offset: int, channel_id: str
) -> StreamPlace | Stuck:
    """`last_offset`: of the journal, at or after the moment at which it was seen."""
    if seen.last == EMPTY:
        return StreamPlace(0, is_empty=True)
    if seen.writer not in {None, channel_id}:
        by = f"the channel {seen.writer}" if seen.writer else "another writer"
        return Stuck(
            f"the newest entry of the stream is by {by}: give the channel a stream of"
            " its own"
        )
    epoch = epochs.began_at(seen.last.ms)
    if epoch is None:
        if seen.last.ms > epochs.latest_start:
            return Stuck(
                f"another writer has put {seen.last} into the stream, which is above"
                " all ids of ours: give the channel a stream of its own"
            )
        told = None if seen.ours is None else _within(epochs, seen.ours)
        return StreamPlace(told)
    name = epochs.event_id_in(epoch, seen.last.seq)
    if seen.last_event is not None and seen.last_event != name:
        return Stuck(
            f"the stream's entry {seen.last} is not the event of ours with that id:"
            " another writer has put it there"
        )
    told = _within(epochs, seen.last)
    if told > last_offset:
        return Stuck(
            f"the stream has been told up to {seen.last}, and the journal ends with"
            f" {last_offset}: another node with a copy of this database writes to it"
        )
    return StreamPlace(told)


def _within(epochs: Epochs, entry: EntryId) -> int:
    """The offset, as far as its epoch is ours: a life that was lost went on further."""
    epoch = epochs.began_at(entry.ms)
    assert epoch is not None, "an id of no epoch of ours"
    until = epochs.until(epoch)
    return entry.seq if until is None else min(entry.seq, until)


def ids_of(epochs: Epochs, last: EntryId, offsets: list[int]) -> list[EntryId]:
    """The ids of these events, in order, all above `last`.

    Each has the id of its own epoch. An event that the stream was not told while it
    could still take that one has an id of the present epoch.
    """
    found = []
    for offset in offsets:
        entry = EntryId(epochs.start_of(offset), offset)
        if entry <= last:
            entry = EntryId(epochs.latest_start, offset)
        assert entry > last, "an event that the stream has had"
        found.append(entry)
        last = entry
    return found
