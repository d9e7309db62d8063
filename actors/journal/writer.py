"""The journal actor: group commit, and the gate through which events leave.

It gathers what actors want written while the writer thread is busy, hands over all of
it as the next batch (so a batch grows by itself under load), and when the batch is on
disk answers the actors and publishes the events, in journal order. Nothing has
happened before that. What was committed about a channel it tells the notifiers.

A batch of payments is one write, and its rows are as many as it has payments and their
merchant has channels: one such write at most is in a transaction, of one merchant after
the other. What concerns any number of deliveries is asked for in steps, likewise.
One step at most is in a batch, of one merchant after the other: a merchant that has a
million events told again makes nobody wait for more than one step.

What others rest on (`WriteFirst`) leads the next transaction, whatever waits; and when
that fails, the one after it: nothing that follows from it is committed without it.

When the disk fails, nothing is lost that was committed and nothing is told that was
not: every append is answered `Unavailable`, the edges refuse new work, and a probe
tries until writing works again.
"""

import logging
from collections import deque

from msgspec.structs import replace

from actors.facts.published import JournalReport, Published
from actors.journal.messages import BatchDone, ProbeJournal, PurgeDue, TellAgain
from actors.messages import (
    Append,
    AwaitWrites,
    ChannelChanged,
    Publish,
    WriteFirst,
)
from actors.node import Node
from engine.payment.events import CommittedEvent
from engine.policy.turns import Turns
from engine.runtime.actor import Actor
from engine.store.port import StoreWriter
from engine.store.writes import (
    PROBE,
    ChannelRow,
    Committed,
    Outcome,
    PurgeDeliveries,
    RemoveChannel,
    Requeue,
    SourceTip,
    Unavailable,
    Write,
)

__all__ = ["JournalActor"]

log = logging.getLogger("paybell.journal")

MAX_BATCH = 512
"""Writes in one transaction: more makes each wait longer and saves little."""

MAX_PENDING = 20_000
"""Writes that may wait for a slow disk; more are refused, and their senders retry."""

LARGE = 50
"""Payments in one write: such a one waits for its turn. In a transaction there is one
of these at most, of one merchant after the other: with 1,000 payments and 20 channels
it takes the writer some 0.15 s, and that is what any other write may have to wait."""

EVENTS_PER_TURN = 100
"""Events that are routed in one turn, each to all who follow it: 2 ms or so."""

PROBE_S = 2.0

PURGE_S = 60.0
"""After a start, or a failure: whether removed channels have left something."""

TELL_AGAIN_S = 1.0
"""A notifier reads all that its channel is owed when some of it is owed anew; so much
time at least is between two readings."""

CANNOT_WRITE = "journal.cannot_write"

_STEPS = (PurgeDeliveries, RemoveChannel, Requeue)
"""What looks at many rows: a write that holds one waits for its turn."""


class JournalActor(Actor):
    """Owns the writer. Answers `Append`; publishes to the router."""

    __slots__ = (
        "_busy",
        "_first",
        "_first_due",
        "_is_purging",
        "_large",
        "_node",
        "_owed_anew",
        "_pending",
        "_probing",
        "_report",
        "_steps",
        "_waiting",
        "_writer",
    )

    mailbox_limit = 20_000

    def __init__(
        self,
        node: Node,
        writer: StoreWriter,
        report: Published[JournalReport],
        waiting: Published[int],
    ) -> None:
        """`report`: where it publishes how the journal fares, and `waiting`: how many
        writes wait for the next transaction; only it writes there."""
        self._node = node
        self._report = report
        self._waiting = waiting
        self._writer = writer
        self._pending: deque[Append] = deque()
        # What others rest on, the newest by name; and whose turn to be written it is.
        self._first: dict[str, SourceTip] = {}
        self._first_due: set[str] = set()
        self._large: Turns[Append] = Turns()  # writes of many events, by merchant
        self._steps: Turns[Append] = Turns()  # those that wait, by merchant
        self._busy = False
        self._probing = False
        self._is_purging = False  # deliveries of channels that were removed
        # Merchants (None: any) whose notifiers were told within the last second that
        # something is owed anew, and whether there was more of it since.
        self._owed_anew: dict[str | None, bool] = {}

    def on_start(self) -> None:
        """What a removed channel left may be there still; that has time."""
        self._waiting.publish(0)  # what waited when this crashed waits no more
        self._node.clock.call_later(PURGE_S, self.ref, PurgeDue())

    def on_receive(self, message: object) -> None:
        match message:
            case Append():
                self._take(message)
            case AwaitWrites(reply):
                # Nothing, behind all else: batches are answered in their order, also
                # those of a journal that was here before.
                self._pending.append(Append(Write(), reply))
                self._flush()
            case WriteFirst(row):
                self._first[row.source] = row
                self._first_due.add(row.source)
                self._flush()
            case BatchDone(batch, outcomes, first):
                self._busy = False
                self._note_health(outcomes[0])
                self._put_back(first, outcomes)
                self._flush()  # first: it is written while we tell of this one
                self._on_done(batch, outcomes)
                self._flush()  # if what was done asks for more, and nothing else did
            case TellAgain(merchant):
                # One that waited while this crashed reminds of what is forgotten.
                if self._owed_anew.pop(merchant, False):
                    self._tell_owed_anew(merchant)
            case PurgeDue():
                self._purge()
            case ProbeJournal():
                self._probing = False
                row = SourceTip(PROBE, 0, str(self._node.clock.now()))
                self._pending.append(_unanswered(row))
                self._flush()

    def on_stop(self) -> None:
        for turns in (self._large, self._steps):
            while later := turns.take():
                self._pending.append(later)
        while self._pending:
            self._pending.popleft().reply(Unavailable("the node is stopping"))

    def _take(self, append: Append) -> None:
        """The mailbox is emptied at once, so the bound is on what waits here."""
        waiting = len(self._pending) + len(self._large) + len(self._steps)
        if waiting >= MAX_PENDING:
            self._node.counters.add("journal.refused")
            append.reply(Unavailable("the journal has too much to do"))
            return
        steps = [row for row in append.write.rows if isinstance(row, _STEPS)]
        entries = append.write.entries
        if steps:
            self._steps.add(_merchant_of(steps[0]), append)
        elif len(entries) >= LARGE:
            self._large.add(entries[0].payment.terms.merchant, append)
        else:
            self._pending.append(append)
        self._flush()

    def _flush(self) -> None:
        # On a disk that fails what comes first goes with whatever is tried next.
        fails = self._probing and self._report.now.trouble is not None
        first = self._first_due and not fails
        if not self._busy and (first or self._pending or self._large or self._steps):
            self._submit()
        self._waiting.publish(len(self._pending))

    def _submit(self) -> None:
        size = min(len(self._pending), MAX_BATCH)
        first = tuple(self._first[name] for name in sorted(self._first_due))
        self._first_due = set()
        batch = tuple(map(_unanswered, first))
        batch += tuple(self._pending.popleft() for _ in range(size))
        once = self._large.take(), self._steps.take()
        batch += tuple(append for append in once if append is not None)
        self._busy = True
        ref = self.ref
        self._writer.submit(
            [append.write for append in batch],
            lambda outcomes: ref.tell_system(BatchDone(batch, tuple(outcomes), first)),
        )

    def _put_back(
        self, first: tuple[SourceTip, ...], outcomes: tuple[Outcome, ...]
    ) -> None:
        """What others rest on and is not there yet, if nothing newer has come."""
        for row, outcome in zip(first, outcomes, strict=False):
            is_newest = self._first.get(row.source) is row
            if is_newest and isinstance(outcome, Unavailable):
                self._first_due.add(row.source)

    def _on_done(
        self, batch: tuple[Append, ...], outcomes: tuple[Outcome, ...]
    ) -> None:
        events: list[CommittedEvent] = []
        committed = 0
        for append, outcome in zip(batch, outcomes, strict=True):
            append.reply(outcome)
            if isinstance(outcome, Committed):
                committed += 1
                events += outcome.events
                _belongs_to(outcome, append.write)
                if append.write.rows:
                    self._tell_of_channels(append.write, outcome)
        self._node.counters.add("journal.writes", committed)
        self._node.counters.add("journal.events", len(events))
        if events:
            # Writes that speak of orders come last, whenever they were handed in.
            events.sort(key=_offset)
            report = self._report.now
            assert events[0].offset > report.last_offset, "offsets ascend"
            self._report.publish(replace(report, last_offset=events[-1].offset))
            for first in range(0, len(events), EVENTS_PER_TURN):
                some = tuple(events[first : first + EVENTS_PER_TURN])
                self._node.router.tell_system(Publish(some))

    def _tell_of_channels(self, write: Write, outcome: Committed) -> None:
        """Whoever asked for a change of a channel may be gone by now, tired of waiting
        or restarted; what the database says has changed all the same."""
        for row in write.rows:
            match row:
                case ChannelRow() | RemoveChannel():
                    self._node.notifiers.tell_system(ChannelChanged(row.id))
                    self._node.alert_notifier.tell_system(ChannelChanged(row.id))
                    if outcome.more_after is not None:
                        self._purge()
                case Requeue():
                    if outcome.changed:
                        self._node.redeliveries.count(row.merchant)
                        self._owe_anew(row.merchant)

    def _owe_anew(self, merchant: str | None) -> None:
        """Tell at once, but not again with every step."""
        if merchant in self._owed_anew:
            self._owed_anew[merchant] = True
        else:
            self._tell_owed_anew(merchant)

    def _tell_owed_anew(self, merchant: str | None) -> None:
        self._owed_anew[merchant] = False
        self._node.notifiers.tell_system(ChannelChanged(None, merchant))
        self._node.clock.call_later(TELL_AGAIN_S, self.ref, TellAgain(merchant))

    def _purge(self) -> None:
        """Step by step, until nothing is left."""
        if not self._is_purging:
            self._is_purging = True
            write = Write(rows=(PurgeDeliveries(),))
            self._steps.add("", Append(write, self._on_purged))
            self._flush()

    def _on_purged(self, outcome: Outcome) -> None:
        self._is_purging = False
        if not isinstance(outcome, Committed):
            self._node.clock.call_later(PURGE_S, self.ref, PurgeDue())
        elif outcome.more_after is not None:
            self._purge()

    def _note_health(self, outcome: Outcome) -> None:
        report = self._report.now
        if not isinstance(outcome, Unavailable):
            if report.trouble is not None:
                log.warning("journal.recovered")
                self._report.publish(replace(report, trouble=None))
                self._node.alerts.clear(CANNOT_WRITE, "")
            return
        if report.trouble is None:
            log.error("journal.unavailable detail=%s", outcome.detail)
            now = self._node.clock.now()
            self._node.alerts.raise_(CANNOT_WRITE, "", outcome.detail, now)
        self._node.counters.add("journal.failures")
        fatal = report.fatal or outcome.fatal
        self._report.publish(replace(report, trouble=outcome.detail, fatal=fatal))
        if not self._probing:
            self._probing = True
            self._node.clock.call_later(PROBE_S, self.ref, ProbeJournal())


def _unanswered(row: SourceTip) -> Append:
    """It is written, and nobody asks what came of it."""
    return Append(Write(rows=(row,)), lambda _outcome: None)


def _merchant_of(row: object) -> str:
    """In whose turn a step is taken; those of the whole node have one together."""
    return (row.merchant if isinstance(row, Requeue) else None) or ""


def _offset(event: CommittedEvent) -> int:
    return event.offset


def _belongs_to(answer: Committed, write: Write) -> None:
    """An answer is that of its own write: watchers believe what they are told."""
    told = [(event.event.payment_id, event.event.seq) for event in answer.events]
    asked = [(e.payment.id, event.seq) for e in write.entries for event in e.events]
    assert told == asked, f"committed {told}, asked for {asked}"
