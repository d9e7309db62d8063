"""The notifier actor: tells one channel, durably, in order per payment.

It has its own workers, breaker and timers, so that a dead endpoint delays no other
channel (`actors/delivery/notifiers.py` makes one for each). What is owed to a channel
is the outbox in the database, written with the events; the actor holds no event it
could lose, only which payments have something pending (their *lanes*).

An attempt's outcome is committed before the next attempt of that payment begins. A
crash between an endpoint's 2xx and that commit repeats the event with the same id:
at least once, never out of order. To that end a restarted actor first reads what is
owed and hears nothing of what its predecessor had under way: late answers carry the
incarnation that asked, and its workers end with it.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

import msgspec

from actors.delivery.delivery_queue import (
    HeadRead,
    Lane,
    LaneDue,
    PendingRead,
    Pump,
    Recorded,
    State,
    owed,
)
from actors.delivery.sender import Deliver, Delivered, SenderActor
from actors.messages import ChannelChanged
from actors.node import Node
from engine.delivery.attempt import Outcome
from engine.delivery.channel import Channel, active_secrets, channel_row, judge
from engine.payment.events import CommittedEvent
from engine.policy.breaker import Breaker, BreakerPolicy
from engine.ports import ChannelSender
from engine.runtime.actor import Actor
from engine.runtime.clock import Timer
from engine.runtime.ref import Exited, ExitReason, Ref, Scope
from engine.secrets.vault import Vault
from engine.store.records import Pending
from engine.store.sqlite import queries
from engine.store.writes import Committed, DeliveryResult, Write

__all__ = ["NotifierActor"]

log = logging.getLogger("paybell.notifier")

CONCURRENCY = 16
"""Deliveries to one endpoint that may be under way at one time."""

CHANNEL_BREAKER = BreakerPolicy(threshold=10, base_s=5.0, cap_s=300.0, probe_s=60.0)
"""Ten failures in a row: only one probe at a time, after 5, 10 … 300 s."""

COMMIT_RETRY_S = 5.0


class NotifierActor(Actor):
    """One channel. See the module docstring."""

    __slots__ = (
        "_breaker",
        "_channel",
        "_hired",
        "_idle",
        "_known_to",
        "_lanes",
        "_node",
        "_probe",
        "_ready",
        "_sender",
        "_vault",
        "_workers",
    )

    mailbox_limit = 100_000

    def __init__(
        self, node: Node, vault: Vault, sender: ChannelSender, channel: Channel
    ) -> None:
        self._node = node
        self._vault = vault
        self._sender = sender
        self._channel = channel
        self._breaker = Breaker(policy=CHANNEL_BREAKER)
        self._lanes: dict[str, Lane] = {}
        self._ready: deque[str] = deque()
        self._idle: list[Ref] = []
        self._workers: dict[Ref, str | None] = {}  # each with the payment it is sending
        self._hired = 0
        self._known_to = 0  # offset: what is owed up to here was read or sent
        self._probe: Timer | None = None  # to send again after the breaker's rest

    def on_start(self) -> None:
        """What is owed comes first; events wait, or one could overtake another."""
        self.await_reply(
            lambda reply: self._node.read(owed, self._channel.id, reply=reply),
            self._onowed,
        )

    def on_stop(self) -> None:
        """Workers end too: a late attempt could overtake those of a successor."""
        for worker in self._workers:
            worker.kill()
            worker.stop()

    def on_failure(self, *_exc_info: Any) -> None:
        self.on_stop()

    def on_receive(self, message: object) -> None:
        match message:
            case HeadRead(asked_by) | PendingRead(asked_by) | Recorded(asked_by) if (
                asked_by != self.ref.incarnation
            ):
                return  # an answer to a predecessor: the lanes are others now
            case CommittedEvent():
                self._on_event(message)
            case Delivered():
                self._on_delivered(message)
            case Recorded():
                self._on_recorded(message)
            case HeadRead(_, payment_id, head):
                self._on_head(payment_id, head)
            case LaneDue(payment_id):
                self._wake(payment_id)
            case PendingRead(_, pending):
                self._on_pending(pending)
            case ChannelChanged():
                self._read_pending()
            case Pump():
                self._probe = None
                self._pump()
            case Exited(ref, reason=reason, error=error):
                self._on_worker_exit(ref, reason, error)

    # -- what is owed ------------------------------------------------------------------

    def _on_event(self, event: CommittedEvent) -> None:
        payment_id = event.event.payment_id
        lane = self._lanes.get(payment_id)
        if lane is not None:
            lane.more = True
            return
        head = None  # it may have been sent already, found in the outbox
        if event.offset > self._known_to:
            head = Pending(event.offset, event.event.seq, 0, 0, event.wire)
        self._lanes[payment_id] = Lane(head)
        self._ready.append(payment_id)
        self._pump()

    def _onowed(self, owed: Any) -> None:
        if not isinstance(owed, tuple):
            raise RuntimeError(f"cannot read what is pending: {owed!r}")
        self._known_to, pending = owed
        self._on_pending(pending)

    def _read_pending(self) -> None:
        """All payments with something owed, after a redelivery."""
        ref, asked_by = self.ref, self.ref.incarnation
        self._node.read(
            queries.pending_payments,
            self._channel.id,
            reply=lambda answer: ref.tell_system(PendingRead(asked_by, answer)),
        )

    def _on_pending(self, pending: Any) -> None:
        if not isinstance(pending, list):
            raise RuntimeError(f"cannot read what is pending: {pending!r}")
        now = self._node.clock.now()
        for payment_id, next_at in pending:
            lane = self._lanes.get(payment_id)
            if lane is None:
                lane = self._lanes[payment_id] = Lane(None)
            elif lane.state is State.RESTING:
                lane.head = None
            else:
                lane.more = True
                continue
            if next_at > now:
                self._rest(payment_id, lane, (next_at - now) / 1000)
            else:
                lane.state = State.READY
                self._ready.append(payment_id)
        self._pump()

    def _rest(self, payment_id: str, lane: Lane, delay_s: float) -> None:
        lane.state = State.RESTING
        self._node.clock.call_later(delay_s, self.ref, LaneDue(payment_id))

    def _wake(self, payment_id: str) -> None:
        lane = self._lanes.get(payment_id)
        if lane is None or lane.state is not State.RESTING:
            return
        if lane.result is not None:
            lane.state = State.BUSY
            self._record(payment_id, lane.result)
            return
        lane.state = State.READY
        lane.head = None
        self._ready.append(payment_id)
        self._pump()

    # -- sending -----------------------------------------------------------------------

    def _pump(self) -> None:
        """Give ready lanes to free workers, as far as the breaker permits."""
        while self._ready and (self._idle or len(self._workers) < CONCURRENCY):
            now = self._node.clock.monotonic()
            if not self._breaker.permits(now):
                wait_s = self._breaker.wait_s(now)
                if self._probe is not None:
                    self._probe.cancel()
                self._probe = self._node.clock.call_later(
                    wait_s + 0.01, self.ref, Pump()
                )
                return
            payment_id = self._ready.popleft()
            lane = self._lanes[payment_id]
            lane.state = State.BUSY
            if lane.head is None:
                self._read_head(payment_id)
            else:
                self._breaker = self._breaker.taking(now)
                self._send(payment_id, lane.head)

    def _read_head(self, payment_id: str) -> None:
        ref, asked_by = self.ref, self.ref.incarnation
        self._node.read(
            queries.pending_of_channel,
            self._channel.id,
            payment_id,
            reply=lambda head: ref.tell_system(HeadRead(asked_by, payment_id, head)),
        )

    def _on_head(self, payment_id: str, head: Any) -> None:
        lane = self._lanes[payment_id]
        if head is None and not lane.more:
            del self._lanes[payment_id]
        elif head is None:  # told of an event that is not ours, or delivered since
            lane.more = False
            self._read_head(payment_id)
        elif not isinstance(head, Pending):
            self._rest(payment_id, lane, COMMIT_RETRY_S)
        elif head.next_at > self._node.clock.now():
            lane.more = False
            wait_s = (head.next_at - self._node.clock.now()) / 1000
            self._rest(payment_id, lane, wait_s)
        else:
            lane.head = head
            lane.more = False
            lane.state = State.READY
            self._ready.appendleft(payment_id)
        self._pump()

    def _send(self, payment_id: str, head: Pending) -> None:
        channel = self._channel
        secrets = active_secrets(channel, self._node.clock.now())
        worker = self._idle.pop() if self._idle else self._hire()
        self._workers[worker] = payment_id
        self._known_to = max(self._known_to, head.offset)
        worker.tell(
            Deliver(
                payment_id=payment_id,
                head=head,
                url=channel.url,
                secrets=tuple(self._vault.open(s, channel.id) for s in secrets),
                timeout_s=channel.timeout_s,
                reply_to=self.ref,
            )
        )

    def _hire(self) -> Ref:
        self._hired += 1
        scope = Scope(
            dispatcher=self._node.dispatcher,
            factory=lambda _name: SenderActor(self._node, self._sender),
            parent=self.ref,
            blocking=True,
        )
        worker = Ref(scope, f"{self.ref.name}.{self._hired}")
        worker.start()
        return worker

    def _on_delivered(self, delivered: Delivered) -> None:
        if self._workers.get(delivered.worker) != delivered.payment_id:
            return  # of a predecessor's worker
        self._workers[delivered.worker] = None
        self._idle.append(delivered.worker)
        result = delivered.result
        now = self._node.clock.monotonic()
        rand = self._node.random.random()
        self._node.counters[f"webhook.{result.outcome.value}"] += 1
        if result.outcome is Outcome.DELIVERED:
            self._breaker = self._breaker.after_success()
        elif result.outcome is Outcome.THROTTLED and result.retry_after_s is not None:
            self._breaker = self._breaker.resting(now, result.retry_after_s)
        else:
            self._breaker = self._breaker.after_failure(now, rand)
        row = judge(
            self._channel,
            result,
            payment_id=delivered.payment_id,
            offset=delivered.head.offset,
            seq=delivered.head.seq,
            attempt=delivered.head.attempts + 1,
            now=self._node.clock.now(),
            rand=rand,
        )
        self._record(delivered.payment_id, row)
        self._pump()

    def _record(self, payment_id: str, result: DeliveryResult) -> None:
        rows: tuple[Any, ...] = (result,)
        if result.outcome == Outcome.GONE.value:
            if self._channel.enabled:
                log.warning("channel.disabled channel=%s reason=410", self._channel.id)
            self._channel = msgspec.structs.replace(
                self._channel,
                enabled=False,
                disabled_reason="the endpoint answered 410 Gone",
            )
            rows = (result, channel_row(self._channel))
        ref, asked_by = self.ref, self.ref.incarnation
        self._node.append(
            Write(rows=rows),
            lambda outcome: ref.tell_system(
                Recorded(asked_by, payment_id, result, outcome)
            ),
        )

    def _on_recorded(self, recorded: Recorded) -> None:
        payment_id, result = recorded.payment_id, recorded.result
        lane = self._lanes[payment_id]
        if not isinstance(recorded.outcome, Committed):
            lane.result = result
            self._rest(payment_id, lane, COMMIT_RETRY_S)
            return
        lane.result = None
        lane.head = None
        if result.outcome == Outcome.GONE.value:
            self.stop()  # the parent looks whether the channel was enabled again
            return
        if result.state == "pending":
            wait_s = max(result.next_at - self._node.clock.now(), 0) / 1000
            self._rest(payment_id, lane, wait_s)
        else:
            self._read_head(payment_id)

    def _on_worker_exit(
        self, ref: Ref, reason: ExitReason, error: BaseException | None
    ) -> None:
        """A sender must never raise: a bug. The lane is read again from the outbox."""
        if ref not in self._workers:
            return
        log.error("sender.crashed channel=%s reason=%s error=%r", self._channel.id,
                  reason.value, error)  # fmt: skip
        payment_id = self._workers.pop(ref)
        self._idle = [worker for worker in self._idle if worker is not ref]
        ref.stop()
        lane = self._lanes.get(payment_id) if payment_id is not None else None
        if payment_id is not None and lane is not None:
            self._rest(payment_id, lane, COMMIT_RETRY_S)
        self._pump()
