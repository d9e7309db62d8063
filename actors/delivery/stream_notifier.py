"""The notifier of a channel that is a stream: all its events, in the journal's order.

A stream's ids only rise, so one event after the other is told, many at a time, by one
worker. How far it was told is not noted here: the stream's last id says it
(`engine/delivery/stream_ids.py`). The outbox follows, for views, retention and the log
of attempts; a crash between the two is found at the next look. Which step is next says
`engine/delivery/stream_steps.py`:

    look     what does the stream have? Then: where to go on, or why nobody may
    settle   what it has had and the outbox calls pending is noted as delivered
    read     what comes next, from the outbox, whatever it says of it
    tell     that, if the stream is still as it was; else look again

Nothing is ever given up: an event that was left out could not be told any more. While
Redis is away, or another writer is in the stream, it waits, and an alert stands.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from actors.delivery.stream_worker import Answered, Rested, Tell, Written, worker_scope
from actors.messages import ChannelChanged
from actors.node import Node
from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.channel import Channel, result_of
from engine.delivery.endpoint import Endpoint, endpoint_of
from engine.delivery.kinds import kind_named
from engine.delivery.stream_ids import (
    EntryId,
    StreamFound,
    StreamPlace,
    StreamPlan,
    StreamTold,
    Stuck,
    ids_of,
    place_of,
)
from engine.delivery.stream_steps import StreamStep, StreamSteps
from engine.payment.events import CommittedEvent
from engine.policy.waits import jittered
from engine.ports import StreamSender
from engine.runtime.actor import Actor
from engine.runtime.ref import Exited, Ref
from engine.secrets.vault import Vault
from engine.store.epochs import Epochs
from engine.store.port import StoreReader
from engine.store.records import Pending, StreamDelivery
from engine.store.writes import Committed, DeliveryResult, Write

__all__ = ["StreamNotifierActor"]

log = logging.getLogger("paybell.notifier")

BATCH = 200
"""Events in one attempt: some 400 KB, and 10 ms of the only writer afterwards."""

BATCH_BYTES = 1_048_576

FRESH = 1_000
"""Events that are kept as they come. More are read from the outbox when it is time."""

UNRECORDED = 4
"""Batches that were told and whose outcome is not committed yet."""

PENDING = 100_000

FIRST_REST_S, LONGEST_REST_S = 0.5, 30.0

ALERT_AFTER = 3
"""Failures in a row: a Redis that starts again is back by then."""

UNREACHABLE, FOREIGN = "redis.unreachable", "redis.foreign"


class StreamNotifierActor(Actor):
    """One channel. See the module docstring."""

    __slots__ = (
        "_channel",
        "_epochs",
        "_failures",
        "_fresh",
        "_head",
        "_known_to",
        "_last",
        "_node",
        "_sender",
        "_sending",
        "_steps",
        "_told",
        "_unrecorded",
        "_vault",
        "_worker",
    )

    def __init__(
        self, node: Node, vault: Vault, sender: StreamSender, channel: Channel
    ) -> None:
        self._node = node
        self._vault = vault
        self._sender = sender
        self._channel = channel
        self._epochs: Epochs
        self._last: EntryId | None = None  # of the stream; None: to be looked at
        self._told = 0  # offset: the stream has had all of the channel's up to here
        self._fresh: deque[StreamDelivery] = deque()  # what follows, without a gap
        self._known_to = 0  # offset: the last of these, or of those told
        self._steps = StreamSteps()
        self._sending: list[StreamDelivery] = []  # what is being told
        self._head: StreamDelivery | None = None  # what could not be told, if known
        self._failures = 0  # in a row
        self._unrecorded = 0  # batches
        self._worker: Ref

    def on_start(self) -> None:
        self._hire()
        self.await_reply(
            lambda reply: self._node.read(lambda store: store.epochs(), reply),
            self._on_epochs,
        )

    def on_stop(self) -> None:
        self._worker.kill()
        self._worker.stop()
        self._sender.forget(self._channel.id)

    def on_failure(self, *_exc_info: Any) -> None:
        self.on_stop()

    def on_receive(self, message: object) -> None:
        match message:
            case CommittedEvent():
                self._on_event(message)
            case Answered(worker, told) if worker is self._worker:
                self._steps.ended()
                self._on_answer(told)
            case Written(asked_by, outcome) if asked_by == self.ref.incarnation:
                self._unrecorded -= 1
                if not isinstance(outcome, Committed):
                    self._steps.make_due(StreamStep.SETTLE)
                    self._rest(LONGEST_REST_S / 10)
            case Rested(asked_by) if asked_by == self.ref.incarnation:
                self._steps.is_resting = False
            case ChannelChanged():  # something is to be delivered again
                self._steps.make_due(StreamStep.SETTLE)
            case Exited(ref, error=error) if ref is self._worker:
                self._on_worker_exit(error)
        self._go_on()

    def _on_epochs(self, answer: Any) -> None:
        if not isinstance(answer, Epochs):
            raise RuntimeError(f"cannot read the epochs: {answer!r}")
        self._epochs = answer
        self._go_on()

    def _on_event(self, event: CommittedEvent) -> None:
        if event.offset <= self._known_to:
            return  # it was read from the outbox
        if self._steps.is_due(StreamStep.READ) or len(self._fresh) >= FRESH:
            self._steps.make_due(StreamStep.READ)
            return
        fact = event.event
        self._fresh.append(
            StreamDelivery(event.offset, fact.payment_id, fact.seq, 0, event.wire)
        )
        self._known_to = event.offset

    # -- what is done next -------------------------------------------------------------

    def _go_on(self) -> None:
        if self._unrecorded >= UNRECORDED:
            return
        channel_id, told = self._channel.id, self._told
        match self._steps.next_step(in_hand=bool(self._fresh)):
            case StreamStep.LOOK:
                self._tell(None)
            case StreamStep.SETTLE:
                self._ask(
                    lambda store: store.pending_up_to(channel_id, told, BATCH),
                    self._on_pending,
                )
            case StreamStep.TELL:
                assert self._last is not None, "it was looked at"
                self._tell_some(self._last)
            case StreamStep.READ:
                self._ask(
                    lambda store: store.deliveries_after(channel_id, told, BATCH),
                    self._on_deliveries,
                )

    def _ask(self, question: Any, then: Any) -> None:
        """Of the store. Mail waits meanwhile: answers are of this moment."""

        def answered(answer: Any) -> None:
            self._steps.ended()
            if isinstance(answer, Exception):
                raise RuntimeError(f"cannot read what is owed: {answer!r}")
            then(answer)
            self._go_on()

        self.await_reply(lambda reply: self._node.read(question, reply), answered)

    def _on_deliveries(self, found: Sequence[StreamDelivery]) -> None:
        assert not self._fresh, "what is read comes behind what is told"
        self._fresh.extend(found)
        if found:
            self._known_to = found[-1].offset
        else:
            self._is_well()  # nothing is left to tell
        if len(found) == BATCH:
            self._steps.make_due(StreamStep.READ)

    def _on_pending(self, found: Sequence[StreamDelivery]) -> None:
        """The stream has had these."""
        if found:
            self._record([self._row(delivery, _HAS_IT) for delivery in found])
            if len(found) == BATCH:
                self._steps.make_due(StreamStep.SETTLE)

    # -- telling -----------------------------------------------------------------------

    def _tell_some(self, last: EntryId) -> None:
        size = 0
        self._sending = []
        while self._fresh and len(self._sending) < BATCH and size < BATCH_BYTES:
            delivery = self._fresh.popleft()
            size += len(delivery.wire)
            self._sending.append(delivery)
        ids = ids_of(self._epochs, last, [d.offset for d in self._sending])
        wires = [delivery.wire for delivery in self._sending]
        self._tell(StreamPlan(last, tuple(zip(ids, wires, strict=True))))

    def _tell(self, plan: StreamPlan | None) -> None:
        self._worker.tell(Tell(self._endpoint(), plan, self._epochs.starts, self.ref))

    def _endpoint(self) -> Endpoint:
        return endpoint_of(self._channel, self._vault, self._node.clock.now())

    def _on_answer(self, told: StreamTold) -> None:
        sent, self._sending = self._sending, []
        self._count(told.result)
        if told.result.outcome is not AttemptOutcome.DELIVERED:
            self._on_failure(sent, told.result)
        elif told.did:
            assert told.seen is not None
            self._is_well()
            self._last = told.seen.last
            self._told = sent[-1].offset
            self._head = None
            self._record([self._row(delivery, told.result) for delivery in sent])
        else:
            self._look_again()
            if told.seen is not None:
                self._resume(told.seen)

    def _look_again(self) -> None:
        """Nothing that was known of the stream is so any more."""
        self._last = None
        self._fresh.clear()
        self._steps.nothing_is_known()

    def _resume(self, seen: StreamFound) -> None:
        channel_id = self._channel.id
        settings: Any = self._endpoint().settings
        maxlen: int = settings.maxlen

        def question(store: StoreReader) -> tuple[int, int]:
            floor = store.last_deliveries_after(channel_id, maxlen)
            return store.last_offset(), floor

        self._steps.goes_on(StreamStep.LOOK)
        self._ask(question, lambda answer: self._on_place(seen, *answer))

    def _on_place(self, seen: StreamFound, last_offset: int, floor: int) -> None:
        place = place_of(self._epochs, seen, last_offset, self._channel.id)
        if isinstance(place, Stuck):
            self._node.counters.add("redis.foreign")
            self._alert(FOREIGN, place.reason)
            self._rest(LONGEST_REST_S)
            return
        self._node.alerts.clear(FOREIGN, self._channel.id)
        if place.told is None:
            self._go_by_the_outbox(seen.last, last_offset)
            return
        told = max(place.told, floor) if place.is_empty else place.told
        self._note_loss(place, told)
        self._go_on_from(seen.last, told)

    def _note_loss(self, place: StreamPlace, told: int) -> None:
        """Once it was told further than that: Redis lost something."""
        if told < self._told:
            what = "all" if place.is_empty else "its last"
            log.warning("redis.lost channel=%s detail=it lost %s entries, and is told"
                        " them again", self._channel.id, what)  # fmt: skip
            self._node.counters.add("redis.lost")

    def _go_by_the_outbox(self, last: EntryId, last_offset: int) -> None:
        channel_id = self._channel.id
        self._steps.goes_on(StreamStep.LOOK)
        self._ask(
            lambda store: store.pending_up_to(channel_id, last_offset, PENDING),
            lambda found: self._go_on_from(
                last, min((d.offset for d in found), default=last_offset + 1) - 1
            ),
        )

    def _go_on_from(self, last: EntryId, told: int) -> None:
        self._last = last
        self._told = self._known_to = told
        self._steps.place_found()

    # -- what it came to ---------------------------------------------------------------

    def _record(self, rows: Sequence[DeliveryResult]) -> None:
        ref, asked_by = self.ref, self.ref.incarnation
        self._unrecorded += 1
        self._node.append(
            Write(rows=tuple(rows)),
            lambda outcome: ref.tell_system(Written(asked_by, outcome)),
        )

    def _row(self, told: StreamDelivery, result: SendResult) -> DeliveryResult:
        return result_of(
            self._channel,
            result,
            payment_id=told.payment_id,
            head=Pending(told.offset, told.seq, told.attempts, 0, told.wire),
            now=self._node.clock.now(),
            rand=self._node.random.random(),
        )

    def _on_failure(self, sent: Sequence[StreamDelivery], result: SendResult) -> None:
        self._failures += 1
        wait_s = min(FIRST_REST_S * 2 ** min(self._failures, 10), LONGEST_REST_S)
        rest_s = jittered(wait_s, self._node.random.random())
        self._head = sent[0] if sent else self._head
        if self._head is not None:
            row = self._row(self._head, result)
            next_at = row.at + round(rest_s * 1000)
            pending = replace(row, state="pending", next_at=next_at)
            self._head = replace(self._head, attempts=row.attempt)
            self._record([pending])
        if self._failures >= ALERT_AFTER:
            self._alert(UNREACHABLE, result.error or "no answer")
        log.warning("redis.failed channel=%s error=%s", self._channel.id, result.error)
        self._look_again()
        self._rest(rest_s)

    def _rest(self, rest_s: float) -> None:
        if not self._steps.is_resting:
            self._steps.is_resting = True
            rested = Rested(self.ref.incarnation)
            self._node.clock.call_later(rest_s, self.ref, rested)

    def _alert(self, kind: str, detail: str) -> None:
        now = self._node.clock.now()
        self._node.alerts.raise_(kind, self._channel.id, detail, now)

    def _is_well(self) -> None:
        self._failures = 0
        for kind in (UNREACHABLE, FOREIGN):
            self._node.alerts.clear(kind, self._channel.id)

    def _count(self, result: SendResult) -> None:
        group = kind_named(self._channel.kind).counter
        self._node.counters.add(f"{group}.{result.outcome.value}")

    # -- the worker --------------------------------------------------------------------

    def _hire(self) -> None:
        scope = worker_scope(self._node, self._sender, self.ref)
        self._worker = Ref(scope, f"{self.ref.name}.1")
        self._worker.start()

    def _on_worker_exit(self, error: BaseException | None) -> None:
        """A sender must never raise: a bug. Nobody knows what it did: look again."""
        log.error("sender.crashed channel=%s error=%r", self._channel.id, error)
        self._worker.stop()
        self._sender.forget(self._channel.id)
        self._steps.ended()
        self._sending = []
        self._look_again()
        self._hire()
        self._rest(FIRST_REST_S)


_HAS_IT = SendResult(AttemptOutcome.DELIVERED, None, None, None, 0.0)
