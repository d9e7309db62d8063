"""Notifier actors: tell the shops, durably, in order per payment.

`NotifiersActor` knows the channels and hands each event to those that want it. Each
channel has a `NotifierActor` of its own with its own workers, breaker and timers, so
that one dead endpoint delays nobody else. What is owed to a channel is the outbox in
the database, written with the events; the actor holds no event it could lose, only
which payments have something pending (their *lanes*).

An attempt's outcome is committed before the next attempt of that payment begins. A
crash between an endpoint's 2xx and that commit repeats the event with the same id:
at least once, never out of order. To that end a restarted actor first reads what is
owed and hears nothing of what its predecessor had under way: late answers carry the
incarnation that asked, and its workers end with it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from enum import Enum
from typing import Any

import msgspec

from actors.messages import ChannelChanged, RestartDue
from actors.node import Node
from actors.senders import Deliver, Delivered, SenderActor
from engine.channels import Channel, active_secrets, judge, wants
from engine.events import CommittedEvent
from engine.ports import ChannelSender
from engine.retry import Breaker, BreakerPolicy, Outcome
from engine.runtime.actor import Actor
from engine.runtime.clock import Timer
from engine.runtime.ref import Exited, ExitReason, Ref, Scope
from engine.store import queries
from engine.store.queries import ChannelRecord, Pending
from engine.store.writes import ChannelRow, Committed, DeliveryResult, Write
from engine.vault import Vault, WrongKey

__all__ = ["NotifierActor", "NotifiersActor", "channel_row"]

log = logging.getLogger("paybell.notifier")

CONCURRENCY = 16
"""Deliveries to one endpoint that may be under way at one time."""

CHANNEL_BREAKER = BreakerPolicy(threshold=10, base_s=5.0, cap_s=300.0, probe_s=60.0)
"""Ten failures in a row: only one probe at a time, after 5, 10 … 300 s."""

COMMIT_RETRY_S = 5.0

RESTART_S = 0.5
"""A notifier that crashed starts again so much later: it may well crash again."""


class _State(Enum):
    READY = "ready"  # waits for a worker
    BUSY = "busy"  # an attempt or its commit is under way
    RESTING = "resting"  # waits for the time of its next attempt


class _Lane:
    """One payment that has something pending for the channel."""

    __slots__ = ("head", "more", "result", "state")

    def __init__(self, head: Pending | None) -> None:
        self.head = head  # what to send next, when known without a read
        self.state = _State.READY
        self.more = False  # events came while it was busy
        self.result: DeliveryResult | None = None  # waits to be committed


class LaneDue(msgspec.Struct, frozen=True):
    payment_id: str


class Pump(msgspec.Struct, frozen=True):
    """The breaker's rest is over."""


class HeadRead(msgspec.Struct, frozen=True):
    incarnation: int  # of the notifier that asked
    payment_id: str
    head: Any


class PendingRead(msgspec.Struct, frozen=True):
    incarnation: int
    pending: Any


class Recorded(msgspec.Struct, frozen=True):
    incarnation: int
    payment_id: str
    result: DeliveryResult
    outcome: Any


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
        self._lanes: dict[str, _Lane] = {}
        self._ready: deque[str] = deque()
        self._idle: list[Ref] = []
        self._workers: dict[Ref, str | None] = {}  # each with the payment it is sending
        self._hired = 0
        self._known_to = 0  # offset: what is owed up to here was read or sent
        self._probe: Timer | None = None  # to send again after the breaker's rest

    def on_start(self) -> None:
        """What is owed comes first; events wait, or one could overtake another."""
        self.await_reply(
            lambda reply: self._node.read(_owed, self._channel.id, reply=reply),
            self._on_owed,
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
        self._lanes[payment_id] = _Lane(head)
        self._ready.append(payment_id)
        self._pump()

    def _on_owed(self, owed: Any) -> None:
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
                lane = self._lanes[payment_id] = _Lane(None)
            elif lane.state is _State.RESTING:
                lane.head = None
            else:
                lane.more = True
                continue
            if next_at > now:
                self._rest(payment_id, lane, (next_at - now) / 1000)
            else:
                lane.state = _State.READY
                self._ready.append(payment_id)
        self._pump()

    def _rest(self, payment_id: str, lane: _Lane, delay_s: float) -> None:
        lane.state = _State.RESTING
        self._node.clock.call_later(delay_s, self.ref, LaneDue(payment_id))

    def _wake(self, payment_id: str) -> None:
        lane = self._lanes.get(payment_id)
        if lane is None or lane.state is not _State.RESTING:
            return
        if lane.result is not None:
            lane.state = _State.BUSY
            self._record(payment_id, lane.result)
            return
        lane.state = _State.READY
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
            lane.state = _State.BUSY
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
            lane.state = _State.READY
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


def _owed(
    sql: sqlite3.Connection, channel_id: str
) -> tuple[int, list[tuple[str, int]]]:
    """The journal's last offset, and the payments with something pending up to it."""
    sql.execute("BEGIN")
    try:
        return queries.last_offset(sql), queries.pending_payments(sql, channel_id)
    finally:
        sql.execute("COMMIT")


class NotifiersActor(Actor):
    """Knows the channels; hands events to those that want them."""

    __slots__ = ("_channels", "_node", "_sender", "_vault")

    mailbox_limit = 10_000

    def __init__(self, node: Node, vault: Vault, sender: ChannelSender) -> None:
        self._node = node
        self._vault = vault
        self._sender = sender
        self._channels: dict[str, tuple[Channel, Ref]] = {}

    def on_start(self) -> None:
        self._load()

    def on_stop(self) -> None:
        for _, ref in self._channels.values():
            _end_now(ref)

    def on_failure(self, *_exc_info: Any) -> None:
        self.on_stop()

    def on_receive(self, message: object) -> None:
        match message:
            case CommittedEvent():
                event = message.event
                for channel, ref in self._channels.values():
                    if wants(channel, event.type, message.merchant):
                        ref.tell_system(message)
            case ChannelChanged(channel_id):
                known = self._channels.get(channel_id)
                if known is not None:
                    known[1].tell_system(message)
                self._load()
            case Exited(ref, reason=reason, error=error):
                self._on_exit(ref, reason, error)
            case RestartDue(channel_id):
                if channel_id in self._channels:
                    self._channels[channel_id][1].start()

    def _load(self) -> None:
        """Read the channels; mail (events among it) waits until they are known."""
        self.await_reply(
            lambda reply: self._node.read(queries.channel_rows, reply=reply),
            self._on_channels,
        )

    def _on_channels(self, records: Any) -> None:
        if not isinstance(records, list):
            raise RuntimeError(f"cannot read the channels: {records!r}")
        channels = {r.id: _channel_of(r) for r in records}
        for channel_id, (channel, ref) in tuple(self._channels.items()):
            if channels.get(channel_id) != channel:
                _end_now(ref)
                del self._channels[channel_id]
        for channel_id, channel in channels.items():
            readable = channel.enabled and self._opens(channel)
            if readable and channel_id not in self._channels:
                self._channels[channel_id] = (channel, self._start(channel))

    def _opens(self, channel: Channel) -> bool:
        """Without its secret a channel cannot sign: what it is owed waits."""
        try:
            self._vault.open(channel.secret, channel.id)
        except WrongKey as error:
            log.critical("channel.sealed channel=%s detail=%s", channel.id, error)
            self._node.counters["channels.sealed"] += 1
            return False
        return True

    def _start(self, channel: Channel) -> Ref:
        scope = Scope(
            dispatcher=self._node.dispatcher,
            factory=lambda _name: NotifierActor(
                self._node, self._vault, self._sender, channel
            ),
            parent=self.ref,
            mailbox_limit=NotifierActor.mailbox_limit,
        )
        ref = Ref(scope, channel.id)
        ref.start()
        return ref

    def _on_exit(
        self, ref: Ref, reason: ExitReason, error: BaseException | None
    ) -> None:
        current = self._channels.get(ref.name)
        if current is None or current[1] is not ref:
            return
        if reason is ExitReason.STOPPED:  # by itself: its endpoint is gone
            del self._channels[ref.name]
            self._load()
            return
        log.error("notifier.crashed channel=%s error=%r", ref.name, error)
        self._node.counters["notifiers.crashes"] += 1
        self._node.clock.call_later(RESTART_S, self.ref, RestartDue(ref.name))


def _end_now(ref: Ref) -> None:
    """Not at its next turn: until then it would go on beside its successor."""
    ref.kill()
    ref.stop()


def channel_row(channel: Channel) -> ChannelRow:
    """The channel as the journal keeps it."""
    return ChannelRow(
        id=channel.id,
        merchant=channel.merchant,
        enabled=channel.enabled,
        types=tuple(str(t) for t in channel.types),
        created_at=channel.created_at,
        state=msgspec.json.encode(channel),
    )


def _channel_of(record: ChannelRecord) -> Channel:
    return msgspec.json.decode(record.state, type=Channel)
