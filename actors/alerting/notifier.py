"""Tells channels of alerts: those that name `alert.raised` or `alert.resolved`.

Beside the notifiers of events, and apart from them: what is told here is worked out
from what stands (`engine/alerts/telling.py`), in memory. So an operator is told that
the disk is full while nothing can be written; what a channel was told is written when
that is possible again. One message to a channel is under way at a time; a dead channel
delays no other. Senders and their limits are those of events.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import msgspec

from actors.alerting.line import AlertLine, Sending
from actors.delivery.sender import Deliver, Delivered, sender_scope
from actors.messages import ChannelChanged
from actors.node import Node
from engine.alerts.telling import Pace, Subject, concerns
from engine.alerts.wire import encode_alert
from engine.delivery.attempt import DONE, SendResult
from engine.delivery.channel import after_attempt, channel_of, channel_row
from engine.delivery.endpoint import endpoint_of
from engine.delivery.selection import AlertType, is_chosen
from engine.errors import WrongKey
from engine.merchants.name import EVERYBODY
from engine.ports import Alert, ChannelSender
from engine.runtime.actor import Actor
from engine.runtime.ref import Exited, Ref
from engine.secrets.vault import Vault
from engine.store.port import StoreReader
from engine.store.records import ChannelRecord, Pending, ToldAlert
from engine.store.writes import Committed, DeliveryResult, Row, ToldRow, Write

__all__ = ["AlertNotifierActor", "AlertsChanged"]

log = logging.getLogger("paybell.alert")

TICK_S = 30.0
"""Looked at so often at least: alerts that stand for a day pass without a word."""

START_MS = 900_000
"""After a start nothing that was told before is held to be over: what raised it may
look at it again only after ten minutes (`payment.waits`)."""

LOAD_AGAIN_S = 5.0

ALERTS = "alerts"
"""In place of a payment's id, in orders to senders and in the log of attempts."""


class AlertsChanged(msgspec.Struct, frozen=True):
    """To itself: something began or ended, or it is time to look."""

    coalesce: ClassVar[bool] = True


class _Loaded(msgspec.Struct, frozen=True):
    """Channels with what they were told, read from the store."""

    found: tuple[tuple[ChannelRecord, list[ToldAlert]], ...]
    only: str | None


class _Saved(msgspec.Struct, frozen=True):
    """What became of writing rows of a channel."""

    channel_id: str
    rows: tuple[ToldRow, ...]
    is_done: bool


class AlertNotifierActor(Actor):
    """See the module docstring."""

    __slots__ = (
        "_count",
        "_lines",
        "_node",
        "_pace",
        "_sender",
        "_started_at",
        "_vault",
        "_wakes_at",
        "_workers",
    )

    def __init__(
        self, node: Node, vault: Vault, sender: ChannelSender, pace: Pace = Pace()
    ) -> None:
        self._node = node
        self._vault = vault
        self._sender = sender
        self._pace = pace
        self._lines: dict[str, AlertLine] = {}  # by channel
        self._workers: dict[str, Ref] = {}  # by channel, while it sends
        self._started_at = node.clock.now()
        self._count = 0  # of messages, for their ids
        self._wakes_at: int | None = None  # ms, of the timer that is set

    def on_start(self) -> None:
        self._node.alerts.listen(lambda: self.ref.tell_system(AlertsChanged()))
        self._load(None)

    def on_stop(self) -> None:
        self._node.alerts.listen(lambda: None)
        for worker in self._workers.values():
            worker.kill()
            worker.stop()

    def on_failure(self, *_exc_info: Any) -> None:
        self.on_stop()

    def on_receive(self, message: object) -> None:
        match message:
            case AlertsChanged():
                self._look()
            case ChannelChanged(channel_id, None):
                self._load(channel_id)
            case _Loaded(found, only):
                self._on_loaded(found, only)
            case Delivered():
                self._on_delivered(message)
            case _Saved(channel_id, rows, is_done):
                self._on_saved(channel_id, rows, is_done)
            case Exited(ref):
                self._on_exit(ref)

    # -- channels --------------------------------------------------------------------

    def _load(self, channel_id: str | None) -> None:
        def ask(store: StoreReader) -> _Loaded:
            records = store.channels() if channel_id is None else []
            if channel_id is not None and (one := store.channel(channel_id)):
                records = [one]
            found = [(r, store.told_alerts(r.id)) for r in records if _wants(r)]
            return _Loaded(tuple(found), channel_id)

        ref = self.ref

        def reply(answer: _Loaded | Exception) -> None:
            if isinstance(answer, _Loaded):
                ref.tell_system(answer)
            else:  # those that are known go on
                log.warning("alerts.channels_unreadable detail=%s", answer)
                again = ChannelChanged(channel_id)
                self._node.clock.call_later(LOAD_AGAIN_S, ref, again)

        self._node.read(ask, reply)

    def _on_loaded(
        self,
        found: tuple[tuple[ChannelRecord, list[ToldAlert]], ...],
        only: str | None,
    ) -> None:
        now = {record.id: (record, told) for record, told in found}
        for name in tuple(self._lines) if only is None else (only,):
            if name not in now and self._lines.pop(name, None) is not None:
                self._end_worker(name)
        for name, (record, told) in now.items():
            before = self._lines.get(name)
            if before is not None and before.stored == record.state:
                continue
            if before is not None and before.unsaved:
                told = _with(told, before)  # what it heard is not all on disk
            self._end_worker(name)
            until = self._started_at + START_MS
            line = AlertLine(channel_of(record), record.state, told, until)
            self._lines[name] = line
            if before is not None:
                line.unsaved = before.unsaved
        self._look()

    def _end_worker(self, name: str) -> None:
        worker = self._workers.pop(name, None)
        if worker is not None:
            worker.kill()
            worker.stop()

    # -- telling ---------------------------------------------------------------------

    def _look(self) -> None:
        if not self._lines:
            return  # nobody is told anything: no timer either
        now = self._node.clock.now()
        standing = self._node.alerts.standing(now)
        by_merchant: dict[str, dict[Subject, ToldAlert]] = {}
        moments = []
        for name, line in self._lines.items():
            merchant = line.channel.merchant
            if merchant not in by_merchant:
                by_merchant[merchant] = _told_to(merchant, standing)
            mine = by_merchant[merchant]
            sending = line.look(mine, now, self._pace, self._new_id(now))
            if sending is not None:
                self._send(name, line, sending)
            elif line.unsaved:
                self._save(line)
            if (moment := line.wakes_at(mine, self._pace)) is not None:
                moments.append(moment)
        self._wake(min([*moments, now + round(TICK_S * 1000)]))

    def _new_id(self, now: int) -> str:
        self._count += 1
        return f"alt_{now}_{self._count}"

    def _wake(self, at: int) -> None:
        now = self._node.clock.now()
        if self._wakes_at is not None and now < self._wakes_at <= at:
            return
        self._wakes_at = at
        wait_s = max(at - now, 0) / 1000
        self._node.clock.call_later(wait_s, self.ref, AlertsChanged())

    def _send(self, name: str, line: AlertLine, sending: Sending) -> None:
        channel, now = line.channel, self._node.clock.now()
        try:
            endpoint = endpoint_of(channel, self._vault, now)
        except WrongKey as error:
            log.critical("channel.sealed channel=%s detail=%s", name, error)
            line.answered(False, now, self._node.random.random())
            return
        merchant = None if channel.merchant == EVERYBODY else channel.merchant
        wire = encode_alert(sending.message, sending.id, sending.at, merchant)
        worker = self._workers.get(name)
        if worker is None:
            scope = sender_scope(self._node, self._sender, self.ref)
            worker = self._workers[name] = Ref(scope, f"{name}.{ALERTS}")
            worker.start()
        head = Pending(offset=0, seq=0, attempts=0, next_at=0, wire=wire)
        worker.tell(Deliver(ALERTS, head, endpoint, self.ref))

    def _on_delivered(self, answer: Delivered) -> None:
        name = answer.worker.name.removesuffix(f".{ALERTS}")
        if self._workers.get(name) is not answer.worker:
            return  # of a channel that was changed meanwhile
        self._node.counters.add(f"alerts.{answer.result.outcome.value}")
        line, now = self._lines[name], self._node.clock.now()
        is_delivered = answer.result.outcome in DONE
        attempt = line.answered(is_delivered, now, self._node.random.random())
        rows: list[Row] = [_attempt(name, answer.result, attempt, now)]
        changed = after_attempt(line.channel, answer.result)
        if changed is not None:
            rows.append(channel_row(changed, (line.stored,)))
            if not changed.enabled:  # it is read again when somebody enables it
                del self._lines[name]
                self._end_worker(name)
        self._node.append(Write(rows=tuple(rows)), lambda _outcome: None)
        self.ref.tell_system(AlertsChanged())

    def _save(self, line: AlertLine) -> None:
        """What the channel was told, as soon as that can be written."""
        if self._node.health.journal is not None:
            return
        rows, line.unsaved = tuple(line.unsaved), []
        channel_id, ref = line.channel.id, self.ref
        self._node.append(
            Write(rows=rows),
            lambda outcome: ref.tell_system(
                _Saved(channel_id, rows, isinstance(outcome, Committed))
            ),
        )

    def _on_saved(self, name: str, rows: tuple[ToldRow, ...], is_done: bool) -> None:
        if not is_done and name in self._lines:
            self._lines[name].unsaved[:0] = rows

    def _on_exit(self, ref: Ref) -> None:
        """A sender must never raise: a bug. Its message is tried again, later."""
        name = ref.name.removesuffix(f".{ALERTS}")
        if self._workers.get(name) is not ref:
            return
        log.error("sender.crashed channel=%s", name)
        self._end_worker(name)
        now = self._node.clock.now()
        self._lines[name].answered(False, now, self._node.random.random())
        self.ref.tell_system(AlertsChanged())


def _wants(record: ChannelRecord) -> bool:
    types = channel_of(record).types
    return record.enabled and any(is_chosen(types, one) for one in AlertType)


def _told_to(merchant: str, standing: tuple[Alert, ...]) -> dict[Subject, ToldAlert]:
    told = (concerns(alert, merchant) for alert in standing)
    return {(one.kind, one.subject): one for one in told if one is not None}


def _with(told: list[ToldAlert], line: AlertLine) -> list[ToldAlert]:
    """With what the line has heard since."""
    known = {(one.kind, one.subject): one for one in told}
    for row in line.unsaved:
        if row.is_over:
            known.pop((row.kind, row.subject), None)
        else:
            one = ToldAlert(row.kind, row.subject, row.detail, row.since)
            known[row.kind, row.subject] = one
    return [*known.values()]


def _attempt(name: str, result: SendResult, attempt: int, now: int) -> DeliveryResult:
    """For the channel's log; no delivery in the outbox is changed by it."""
    return DeliveryResult(
        channel_id=name,
        payment_id=ALERTS,
        offset=0,
        seq=0,
        attempt=attempt,
        at=now,
        latency_ms=round(result.latency_ms),
        status=result.status,
        outcome=str(result.outcome.value),
        error=result.error,
        state="delivered" if result.outcome in DONE else "pending",
        next_at=0,
    )
