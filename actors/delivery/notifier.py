"""The notifier actor: tells one channel, durably, in order per payment.

It has its own senders, breaker and timers, so that a dead endpoint delays no other
channel (`actors/delivery/notifiers.py` makes one for each). What is owed to a channel
is the outbox in the database, written with the events; the actor holds no event it
could lose, only a `DeliveryQueue` for each payment of which something is pending. What
follows from what is that table's; the notifier does what a queue's state asks for.

What an attempt came to is committed before the next attempt of that payment begins. A
crash between an endpoint's 2xx and that commit repeats the event with the same id:
at least once, never out of order. To that end a restarted actor first reads what is
owed and takes no note of what its predecessor had under way: late answers carry the
incarnation that asked, and its senders end with it.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import Any

from actors.delivery.channel_in_use import ChannelInUse
from actors.delivery.known import Known
from actors.delivery.notes import (
    BreakerRested,
    HeadRead,
    PendingRead,
    QueueDue,
    Recorded,
)
from actors.delivery.sender import Deliver, Delivered, SenderPool, sender_scope
from actors.messages import ChannelChanged
from actors.node import Node
from engine.delivery.attempt import SendResult
from engine.delivery.channel import Channel, result_of
from engine.delivery.delivery_queue import DeliveryQueue, State
from engine.delivery.endpoint import endpoint_of
from engine.delivery.endpoint_breaker import CHANNEL_BREAKER, breaker_after
from engine.delivery.kinds import CONCURRENCY, kind_named
from engine.merchants.name import EVERYBODY
from engine.payment.events import CommittedEvent
from engine.policy.breaker import Breaker
from engine.policy.periods import DAY_MS
from engine.ports import ChannelSender
from engine.runtime.actor import Actor
from engine.runtime.ref import Exited, Ref
from engine.secrets.vault import Vault
from engine.store.records import OWED, Owed, Pending
from engine.store.writes import Committed, Write

__all__ = ["NotifierActor"]

log = logging.getLogger("paybell.notifier")

GIVEN_UP, DISABLED = "deliveries.given_up", "channel.disabled"

"""For so long people are told of what was given up: it is never over by itself."""

RETRY_S = 5.0
"""After the database could not be read or written, or a sender died."""

MARGIN_S = 0.01
"""Timers and the breaker may differ by so much about when its rest is over."""


class NotifierActor(Actor):
    """One channel. See the module docstring."""

    __slots__ = (
        "_breaker",
        "_is_reading",
        "_kept",
        "_kind",
        "_known",
        "_must_read_again",
        "_node",
        "_queues",
        "_reads",
        "_sender",
        "_senders",
        "_vault",
        "_waiting",
        "_wakes_at",
    )

    def __init__(
        self,
        node: Node,
        vault: Vault,
        sender: ChannelSender,
        channel: Channel,
        stored: bytes,
    ) -> None:
        """`stored`: the channel, as the database has it."""
        self._node = node
        self._vault = vault
        self._sender = sender
        self._kept = ChannelInUse(channel, stored)
        self._kind = kind_named(channel.kind)
        self._breaker = Breaker(policy=CHANNEL_BREAKER)
        self._wakes_at = math.inf  # monotonic s, to send again after the breaker's rest
        self._queues: dict[str, DeliveryQueue] = {}  # by payment id
        self._waiting: deque[str] = deque()  # payments whose queue waits for a turn
        self._reads = 0  # heads that are being read
        self._is_reading = False  # what is owed, page by page
        self._must_read_again = False  # something is owed anew since that began
        self._senders = SenderPool(self._kind.workers, self._hire)
        self._known = Known(lambda: node.redeliveries.of(channel.merchant))

    @property
    def _channel(self) -> Channel:
        return self._kept.channel

    def on_start(self) -> None:
        """What is owed comes first; events wait, or one could overtake another."""
        channel_id = self._channel.id
        self._known.begin_reading()
        self.await_reply(
            lambda reply: self._node.read(lambda store: store.owed(channel_id), reply),
            self._on_owed,
        )

    def on_stop(self) -> None:
        self._senders.end()

    def on_failure(self, *_exc_info: Any) -> None:
        self._senders.end()

    def on_receive(self, message: object) -> None:
        match message:
            case HeadRead(asked_by) | PendingRead(asked_by) | Recorded(asked_by) if (
                asked_by != self.ref.incarnation
            ):
                pass  # an answer to a predecessor: the queues are others now
            case CommittedEvent():
                self._on_event(message)
            case Delivered():
                self._on_delivered(message)
            case Recorded(_, payment_id, outcome):
                self._on_recorded(payment_id, outcome)
            case HeadRead(_, payment_id, head):
                self._on_head(payment_id, head)
            case QueueDue(payment_id):
                self._on_due(payment_id)
            case PendingRead(_, pending):
                self._on_pending_read(pending)
            case ChannelChanged():
                if self._is_reading:
                    self._must_read_again = True
                else:
                    self._read_pending()
            case BreakerRested():
                self._wakes_at = math.inf
            case Exited():
                self._on_sender_exit(message)
        self._give_turns()

    # -- what is owed ------------------------------------------------------------------

    def _on_owed(self, answer: Any) -> None:
        if not isinstance(answer, Owed):
            raise RuntimeError(f"cannot read what is pending: {answer!r}")
        self._known.found(answer.last_offset)
        self._known.has_dead = answer.has_dead
        self._on_more_owed(answer.payments)

    def _on_more_owed(self, pending: Any) -> None:
        """Events wait until all of it is known: one could overtake another."""
        self._on_pending(pending)
        if len(pending) < OWED:
            self._known.end_reading()
            self._give_turns()
            return
        channel_id, last = self._channel.id, pending[-1].payment_id
        self.await_reply(
            lambda reply: self._node.read(
                lambda store: store.pending_payments(channel_id, last), reply
            ),
            self._on_more_owed,
        )

    def _on_event(self, event: CommittedEvent) -> None:
        payment_id = event.event.payment_id
        head = Pending(event.offset, event.event.seq, 0, 0, event.wire)
        queue = self._queues.get(payment_id)
        if queue is not None:
            queue.routed(head)
            return
        self._queues[payment_id] = self._known.queue_of(head)
        self._waiting.append(payment_id)

    def _read_pending(self, after_id: str = "") -> None:
        """Payments with something owed, after a redelivery: some, and then the next."""
        self._is_reading = True
        if not after_id:
            self._known.begin_reading()
        ref, asked_by = self.ref, self.ref.incarnation
        channel_id = self._channel.id
        self._node.read(
            lambda store: store.pending_payments(channel_id, after_id),
            lambda answer: ref.tell_system(PendingRead(asked_by, answer)),
        )

    def _on_pending_read(self, pending: Any) -> None:
        self._on_pending(pending)
        self._is_reading = False
        if len(pending) == OWED:
            self._read_pending(pending[-1].payment_id)
            return
        self._known.end_reading()
        if self._must_read_again:
            self._must_read_again = False
            self._read_pending()

    def _on_pending(self, pending: Any) -> None:
        if not isinstance(pending, list):
            raise RuntimeError(f"cannot read what is pending: {pending!r}")
        now = self._node.clock.now()
        for owed in pending:
            payment_id, next_at = owed.payment_id, owed.next_at
            queue = self._queues.get(payment_id)
            if queue is None:
                queue = self._queues[payment_id] = DeliveryQueue(rests_until=next_at)
            before = queue.state
            after = queue.listed(next_at, now)
            if before is State.RESTING:  # else it waits for what it waited for
                self._act(payment_id, queue, after)

    def _on_due(self, payment_id: str) -> None:
        queue = self._queues.get(payment_id)
        if queue is None:
            return
        before = queue.state
        after = queue.due()
        if after is not before:
            self._act(payment_id, queue, after)

    # -- doing what a queue asks for ---------------------------------------------------

    def _act(self, payment_id: str, queue: DeliveryQueue, state: State) -> None:
        """Do what the state asks for that the queue has come to."""
        match state:
            case State.UNREAD:
                self._waiting.append(payment_id)
            case State.READY:  # it has had its turn, and was read in it
                self._waiting.appendleft(payment_id)
            case State.READING:
                self._read_head(payment_id)
            case State.SENDING:
                self._send(payment_id, queue)
            case State.RECORDING:
                self._record(payment_id, queue)
            case State.RESTING | State.UNRECORDED:
                wait_s = max(queue.rests_until - self._node.clock.now(), 0) / 1000
                self._node.clock.call_later(wait_s, self.ref, QueueDue(payment_id))
            case State.OVER:
                del self._queues[payment_id]

    def _give_turns(self) -> None:
        """To the queues that wait, as far as senders are free and the breaker permits.

        A head that is read now is sent in another turn; no more are read ahead than
        can be sent, however many payments are owed something.
        """
        while self._waiting and self._senders.has_room and self._channel.enabled:
            now = self._node.clock.monotonic()
            if not self._breaker.permits(now):
                self._wait_for_breaker(now)
                return
            queue = self._queues[self._waiting[0]]
            queue.heard(self._known.redeliveries())
            if queue.state is State.UNREAD and self._reads >= CONCURRENCY:
                return
            payment_id = self._waiting.popleft()
            after = queue.turn()
            if after is State.SENDING:
                self._breaker = self._breaker.taking(now)
            self._act(payment_id, queue, after)

    def _wait_for_breaker(self, now: float) -> None:
        """Go on at the end of its rest: once, however many events come meanwhile."""
        due = now + self._breaker.wait_s(now) + MARGIN_S
        if due < self._wakes_at - MARGIN_S:
            self._wakes_at = due
            self._node.clock.call_later(due - now, self.ref, BreakerRested())

    def _read_head(self, payment_id: str) -> None:
        self._reads += 1
        ref, asked_by = self.ref, self.ref.incarnation
        channel_id = self._channel.id
        self._node.read(
            lambda store: store.next_pending(channel_id, payment_id),
            lambda head: ref.tell_system(HeadRead(asked_by, payment_id, head)),
        )

    def _on_head(self, payment_id: str, head: Any) -> None:
        self._reads -= 1
        queue = self._queues[payment_id]
        if head is None or isinstance(head, Pending):
            after = queue.read(head, self._node.clock.now())
        else:
            after = queue.unreadable(self._retry_at())
        self._act(payment_id, queue, after)

    def _retry_at(self) -> int:
        return self._node.clock.now() + round(RETRY_S * 1000)

    # -- sending -----------------------------------------------------------------------

    def _send(self, payment_id: str, queue: DeliveryQueue) -> None:
        head = queue.head
        assert head is not None
        now = self._node.clock.now()
        self._known.found(head.offset)
        self._senders.send(
            Deliver(
                payment_id=payment_id,
                head=head,
                endpoint=endpoint_of(self._channel, self._vault, now),
                reply_to=self.ref,
            )
        )

    def _hire(self, number: int) -> Ref:
        scope = sender_scope(self._node, self._sender, self.ref)
        worker = Ref(scope, f"{self.ref.name}.{number}")
        worker.start()
        return worker

    def _on_delivered(self, delivered: Delivered) -> None:
        if not self._senders.release(delivered):
            return  # of a predecessor's sender
        rand = self._node.random.random()
        outcome, moment = delivered.result.outcome, self._node.clock.monotonic()
        self._node.counters.add(f"{self._kind.counter}.{outcome.value}")
        self._breaker = breaker_after(self._breaker, delivered.result, moment, rand)
        self._change_channel(delivered.result)
        result = result_of(
            self._channel,
            delivered.result,
            payment_id=delivered.payment_id,
            head=delivered.head,
            now=self._node.clock.now(),
            rand=rand,
        )
        if result.state == "dead":
            self._known.has_dead = True
            self._node.counters.add("deliveries.given_up")
            self._alert(GIVEN_UP, f"it was not told some event: {result.error}", DAY_MS)
        queue = self._queues[delivered.payment_id]
        self._act(delivered.payment_id, queue, queue.answered(result))

    def _record(self, payment_id: str, queue: DeliveryQueue) -> None:
        assert queue.result is not None
        ref, asked_by = self.ref, self.ref.incarnation
        self._node.append(
            Write(rows=(queue.result, *self._kept.rows())),
            lambda outcome: ref.tell_system(Recorded(asked_by, payment_id, outcome)),
        )

    def _change_channel(self, result: SendResult) -> None:
        """As its endpoint wants it, from now on."""
        if not self._kept.attempted(result):
            return
        channel = self._channel
        if not channel.enabled:
            self._alert(DISABLED, str(channel.disabled_reason), DAY_MS)
        log.warning("channel.%s channel=%s detail=%s",
                    "moved" if channel.enabled else "disabled",
                    channel.id, result.error or result.status)  # fmt: skip

    def _alert(self, kind: str, detail: str, for_ms: int) -> None:
        merchant = self._channel.merchant
        whose = None if merchant == EVERYBODY else merchant
        now = self._node.clock.now()
        self._node.alerts.raise_(kind, self._channel.id, detail, now, for_ms, whose)

    def _on_recorded(self, payment_id: str, outcome: Any) -> None:
        queue = self._queues[payment_id]
        if isinstance(outcome, Committed):
            queue.heard(self._known.redeliveries())
            self._act(payment_id, queue, queue.recorded())
            if not self._channel.enabled:
                self.stop()  # the parent looks whether it was enabled again
        else:
            self._act(payment_id, queue, queue.not_recorded(self._retry_at()))

    def _on_sender_exit(self, report: Exited) -> None:
        """A sender must never raise: a bug. What it sent is read again, later."""
        if report.ref not in self._senders:
            return
        payment_id = self._senders.remove(report.ref)
        log.error("sender.crashed channel=%s payment=%s how=%s error=%r",
                  self._channel.id, payment_id or "", report.reason.value,
                  report.error)  # fmt: skip
        if payment_id is not None:
            queue = self._queues[payment_id]
            self._act(payment_id, queue, queue.sender_died(self._retry_at()))
