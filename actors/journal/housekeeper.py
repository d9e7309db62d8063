"""The housekeeper: what is kept no longer goes, in small steps between other writes.

Once an hour it makes a round: the events of payments that are long over, what channels
were told, the logs, and last the free pages of the file. The first one after an upgrade
makes older payments findable (`FillSearch`). A step reads what may go (a
reader's thread), asks the journal to let a few hundred rows go, and rests before the
next: a shop that is paid meanwhile waits for one step at most. What fails ends the
round; the next one begins where there is still something to find.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any, ClassVar

import msgspec

from actors.node import Node
from engine.payment.history import KEPT_S
from engine.policy.retention import Retention, believed_now, pages_to_free, portions
from engine.runtime.actor import Actor
from engine.store.history_writes import ForgetHistory
from engine.store.port import StoreReader
from engine.store.records import ChannelRecord, FileUse, Prunable, StoredEvent
from engine.store.writes import (
    RETENTION,
    Committed,
    FillSearch,
    Forget,
    ForgetDeliveries,
    Row,
    ShrinkFile,
    SourceTip,
    Write,
)

__all__ = ["HousekeeperActor"]

log = logging.getLogger("paybell.retention")

ROUND_S = 3_600.0
FIRST_ROUND_S = 60.0
"""After a start there is more urgent work."""

REST_S = 0.1
"""Between two steps: others' writes come first."""

EVENTS_PER_STEP = 200
ROWS_PER_STEP = 500
PAGES_PER_STEP = 256  # 1 MB


class NextRound(msgspec.Struct, frozen=True):
    """To itself: time for a round."""

    coalesce: ClassVar[bool] = True


class NextStep(msgspec.Struct, frozen=True):
    """To itself: the next step, of this incarnation."""

    incarnation: int


class _Read(msgspec.Struct, frozen=True):
    """What a round wants to know."""

    ask: Callable[[StoreReader], Any]


Steps = Generator[_Read | tuple[Row, ...], Any, None]
"""A round asks and writes by turns; it is sent an answer, or how many rows changed."""

Some = Generator[_Read | tuple[Row, ...], Any, int | None]
"""A part of it; comes to the offset to go on from, None at the end."""


class HousekeeperActor(Actor):
    """See the module docstring."""

    __slots__ = (
        "_changed",
        "_events",
        "_lived_from",
        "_lived_until",
        "_node",
        "_retention",
        "_round",
    )

    def __init__(self, node: Node, retention: Retention) -> None:
        self._node = node
        self._retention = retention
        # Between these (s, of a clock that nobody sets) no round was made to its end.
        self._lived_from = self._lived_until = node.clock.monotonic()
        self._round: Steps | None = None  # the one under way
        self._events = 0  # that went in this round
        self._changed = 0  # rows, by the last write

    def on_start(self) -> None:
        self._node.clock.call_later(FIRST_ROUND_S, self.ref, NextRound())

    def on_receive(self, message: object) -> None:
        match message:
            case NextRound():
                self._events = 0
                self._round = self._steps()
                self._go_on(None)
            case NextStep(incarnation) if incarnation == self.ref.incarnation:
                self._go_on(self._changed)

    # -- one round ---------------------------------------------------------------------

    def _steps(self) -> Steps:
        """The whole round, as one reads it. Yields what to ask or to write."""
        keep = self._retention
        yield from self._fill_search()
        now = yield from self._now()
        if now is None:
            return
        yield from self._prune(keep.before(keep.events, now))
        yield from self._forget("attempts", keep.before(keep.attempts, now))
        yield from self._forget("inbound", keep.before(keep.inbound, now))
        yield from self._forget_deliveries(keep.before(keep.deliveries, now))
        yield from self._forget_history(now)
        yield from self._shrink()
        self._lived_from = self._lived_until
        yield (SourceTip(RETENTION, 0, str(now)),)

    def _fill_search(self) -> Steps:
        """What is from before payments could be searched; once, after an upgrade."""
        left: int = yield _Read(lambda store: store.search_left())
        while left > 0:
            left = yield (FillSearch(ROWS_PER_STEP),)

    def _now(self) -> Generator[_Read, Any, int | None]:
        """By which time this round goes: see `believed_now`. None: nothing was ever
        written, so nothing is old, and no clock need be believed."""
        wall, monotonic = self._node.clock.now(), self._node.clock.monotonic()
        tip: SourceTip | None = yield _Read(lambda store: store.source_tip(RETENTION))
        if tip is None:  # what was written last is the best that is known of the time
            newest: list[StoredEvent] = yield _Read(_newest_event)
            if not newest:
                return None
            kept = newest[0].event.at
        else:
            kept = int(tip.hash)
        lived = round((monotonic - self._lived_from) * 1000)
        self._lived_until = monotonic
        return believed_now(wall, kept, lived)

    def _prune(self, before: int | None) -> Steps:
        after: int | None = 0
        while before is not None and after is not None:
            after = yield from self._prune_some(before, after)

    def _prune_some(self, before: int, after: int) -> Some:
        found: Prunable = yield _Read(
            lambda store: store.prunable(before, after, EVENTS_PER_STEP)
        )
        for some in portions(found.payments, lambda one: one.seq, ROWS_PER_STEP):
            gone = yield some
            self._events += gone
            self._node.counters.add("retention.events", gone)
        return found.next_after

    def _forget(self, name: str, before: int | None) -> Steps:
        changed = ROWS_PER_STEP if before is not None else 0
        while changed == ROWS_PER_STEP:
            assert before is not None
            changed = yield (Forget(name, before, ROWS_PER_STEP),)
            self._node.counters.add(f"retention.{name}", changed)

    def _forget_deliveries(self, before: int | None) -> Steps:
        if before is None:
            return
        up_to: int = yield _Read(lambda store: store.offset_before(before))
        channels: list[ChannelRecord] = yield _Read(lambda store: store.channels())
        for channel in channels:
            after: int | None = 0
            while after is not None:
                after = yield from self._forget_some(channel.id, after, up_to)

    def _forget_some(self, channel_id: str, after: int, up_to: int) -> Some:
        last: int | None = yield _Read(
            lambda store: store.deliveries_up_to(
                channel_id, after, up_to, ROWS_PER_STEP
            )
        )
        if last is not None:
            changed = yield (ForgetDeliveries(channel_id, after, last),)
            self._node.counters.add("retention.deliveries", changed)
        return last

    def _forget_history(self, now: int) -> Steps:
        """Charts have an end, whatever else is kept for ever."""
        changed = ROWS_PER_STEP
        while changed >= ROWS_PER_STEP:
            changed = yield tuple(
                ForgetHistory(step_s, now // 1_000 - kept_s, ROWS_PER_STEP)
                for step_s, kept_s in KEPT_S.items()
            )
            self._node.counters.add("retention.history", changed)

    def _shrink(self) -> Steps:
        freed = PAGES_PER_STEP
        while freed > 0:
            use: FileUse = yield _Read(lambda store: store.file_use())
            pages = pages_to_free(use.pages, use.free_pages, PAGES_PER_STEP)
            if not use.can_shrink or pages == 0:
                return
            freed = yield (ShrinkFile(pages),)

    # -- step by step ------------------------------------------------------------------

    def _go_on(self, answer: Any) -> None:
        """Send the round its answer, and do what it wants next."""
        if self._round is None:
            return
        try:
            wanted = self._round.send(answer)
        except StopIteration:
            self._end()
            return
        if isinstance(wanted, _Read):
            ask = wanted.ask
            self.await_reply(lambda reply: self._node.read(ask, reply), self._on_read)
        else:
            write = Write(rows=tuple(wanted))
            self.await_reply(
                lambda reply: self._node.append(write, reply), self._on_written
            )

    def _on_read(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self._end(answer)
        else:
            self._go_on(answer)

    def _on_written(self, outcome: Any) -> None:
        if not isinstance(outcome, Committed):
            self._end(outcome)
            return
        # The rest comes between the commit and what follows from it.
        self._changed = outcome.changed
        self._node.clock.call_later(REST_S, self.ref, NextStep(self.ref.incarnation))

    def _end(self, trouble: object = None) -> None:
        self._round = None
        if trouble is not None:
            log.warning("retention.stopped reason=%r", trouble)
        elif self._events:
            log.info("retention.round events=%d", self._events)
        self._node.clock.call_later(ROUND_S, self.ref, NextRound())


def _newest_event(store: StoreReader) -> list[StoredEvent]:
    return store.events_after(store.last_offset() - 1, 1)
