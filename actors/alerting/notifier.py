"""Tells channels of alerts: those that name `alert.raised` or `alert.resolved`.

Beside the notifiers of events, and apart from them: what is told here is worked out
from what stands (`engine/alerts/telling.py`), in memory. So an operator is told that
the disk is full while nothing can be written; what a channel was told is written when
that is possible again. One message to a channel is under way at a time; a dead channel
delays no other. Senders and their limits are those of events.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from actors.alerting.line import QUIET_MS, AlertLine, Sending
from actors.delivery.sender import Deliver, Delivered, sender_scope
from actors.messages import ChannelChanged
from actors.node import Node
from engine.alerts.telling import Pace, Subject, concerns
from engine.alerts.wire import encode_alert
from engine.delivery.attempt import DONE, AttemptOutcome, SendResult
from engine.delivery.channel import Channel, after_attempt, channel_of, channel_row
from engine.delivery.endpoint import endpoint_of
from engine.delivery.refusal import is_refusal
from engine.delivery.selection import AlertType, is_chosen
from engine.errors import WrongKey
from engine.merchants.name import EVERYBODY
from engine.policy.periods import DAY_MS
from engine.ports import Alert, ChannelSender
from engine.runtime.actor import Actor
from engine.runtime.ref import Exited, Ref
from engine.secrets.vault import Vault
from engine.store.port import StoreReader
from engine.store.records import ChannelRecord, Pending, ToldAlert
from engine.store.writes import Committed, DeliveryResult, Outcome, Row, ToldRow, Write

__all__ = ["AlertNotifierActor", "AlertsChanged"]

log = logging.getLogger("paybell.alert")

TICK_S = 30.0
"""Looked at so often at least: alerts that stand for a day pass without a word."""

LOOK_AGAIN_S = 1.0
"""Between two looks; alerts of many payments come in rows."""

LINES_PER_TURN = 200
"""Channels that are looked at in one turn."""

LOAD_AGAIN_S = 5.0

DISABLED = "channel.disabled"


ALERTS = "alerts"
"""In place of a payment's id, in orders to senders and in the log of attempts."""


class _Standing(msgspec.Struct, frozen=True):
    """What stands, as channels are told it."""

    all: Mapping[Subject, ToldAlert]  # those of the whole node are told all
    common: Mapping[Subject, ToldAlert]  # and everybody this
    own: Mapping[str, Mapping[Subject, ToldAlert]]  # and of its own a merchant's

    def of(self, merchant: str) -> Mapping[Subject, ToldAlert]:
        if merchant == EVERYBODY:
            return self.all
        own = self.own.get(merchant)
        return self.common if own is None else {**self.common, **own}


class AlertsChanged(msgspec.Struct, frozen=True):
    """To itself: something began or ended, or it is time to look."""

    coalesce: ClassVar[bool] = True


class _LookOn(msgspec.Struct, frozen=True):
    """To itself: the rest of a look."""

    names: tuple[str, ...]
    standing: _Standing


class _Loaded(msgspec.Struct, frozen=True):
    """Channels with what they were told, read from the store."""

    found: tuple[tuple[ChannelRecord, tuple[ToldAlert, ...]], ...]
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
        "_looked_at",
        "_node",
        "_pace",
        "_sender",
        "_started_at",
        "_vault",
        "_waits_to_look",
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
        self._looked_at = -LOOK_AGAIN_S  # monotonic s
        self._waits_to_look = False

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
                self._look_soon()
            case _LookOn(names, standing):
                self._look_at(names, standing)
            case ChannelChanged(channel_id, None):
                self._load(channel_id)
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
            found = [(r, (*store.told_alerts(r.id),)) for r in records if _wants(r)]
            return _Loaded(tuple(found), channel_id)

        # Mail waits: a later change must not be overtaken by what was read before it.
        self.await_reply(
            lambda reply: self._node.read(ask, reply),
            lambda answer: self._on_answer(channel_id, answer),
        )

    def _on_answer(self, channel_id: str | None, answer: Any) -> None:
        if isinstance(answer, _Loaded):
            self._on_loaded(answer.found, answer.only)
            return
        log.warning("alerts.channels_unreadable detail=%s", answer)
        again = ChannelChanged(channel_id)  # those that are known go on
        self._node.clock.call_later(LOAD_AGAIN_S, self.ref, again)

    def _on_loaded(
        self,
        found: tuple[tuple[ChannelRecord, tuple[ToldAlert, ...]], ...],
        only: str | None,
    ) -> None:
        now = {record.id: (record, told) for record, told in found}
        for name in tuple(self._lines) if only is None else (only,):
            if name not in now and self._lines.pop(name, None) is not None:
                self._end_worker(name)
        for name, (record, told) in now.items():
            before = self._lines.get(name)
            is_same = before is not None and before.stored == record.state
            if before is not None and is_same and not before.is_resting:
                continue
            if before is not None:
                told = (*before.known(told),)  # what it heard is not all on disk
            self._end_worker(name)
            until = self._started_at + QUIET_MS
            line = AlertLine(channel_of(record), record.state, told, until)
            self._lines[name] = line
            if before is not None:
                line.unsaved, line.saving = before.unsaved, before.saving
        self._look()

    def _end_worker(self, name: str) -> None:
        worker = self._workers.pop(name, None)
        if worker is not None:
            worker.kill()
            worker.stop()

    # -- telling ---------------------------------------------------------------------

    def _look_soon(self) -> None:
        """Once a second is enough, whatever comes and goes."""
        if not self._lines:
            return  # nobody is told anything: no timer either
        now_s = self._node.clock.monotonic()
        wait_s = self._looked_at + LOOK_AGAIN_S - now_s
        if wait_s > 0.001:
            if not self._waits_to_look:
                self._waits_to_look = True
                self._node.clock.call_later(wait_s, self.ref, AlertsChanged())
            return
        self._waits_to_look, self._looked_at = False, now_s
        self._look()

    def _look(self) -> None:
        now = self._node.clock.now()
        standing = _sorted(self._node.alerts.standing(now))
        self._wake(now + round(TICK_S * 1000))
        self._look_at(tuple(self._lines), standing)

    def _look_at(self, names: tuple[str, ...], standing: _Standing) -> None:
        now = self._node.clock.now()
        moments = []
        for name in names[:LINES_PER_TURN]:
            line = self._lines.get(name)
            if line is None:
                continue
            mine = standing.of(line.channel.merchant)
            sending = line.look(mine, now, self._pace, self._new_id(now))
            if sending is not None:
                self._send(name, line, sending)
            elif line.unsaved and not line.saving:
                self._save(line)
            if (moment := line.wakes_at(mine, self._pace)) is not None:
                moments.append(moment)
        if moments:
            self._wake(min(moments))
        if later := names[LINES_PER_TURN:]:
            self.ref.tell_system(_LookOn(later, standing))

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
        result = answer.result
        attempt = line.answered(
            result.outcome in DONE,
            now,
            self._node.random.random(),
            refused=result.outcome is AttemptOutcome.REFUSED or is_refusal(result),
        )
        rows: list[Row] = [_attempt(name, result, attempt, now)]
        changed = after_attempt(line.channel, result)
        if changed is not None:
            rows.append(channel_row(changed, (line.stored,)))
            # It is read again when that is written, or could not be.
            line.is_resting = True
            if not changed.enabled:
                self._tell_disabled(changed, now)
        ref = self.ref

        def reply(outcome: Outcome) -> None:
            if changed is not None and not isinstance(outcome, Committed):
                again = ChannelChanged(name)
                self._node.clock.call_later(LOAD_AGAIN_S, ref, again)

        self._node.append(Write(rows=tuple(rows)), reply)
        self.ref.tell_system(AlertsChanged())

    def _tell_disabled(self, channel: Channel, now: int) -> None:
        """To the other channels: this one hears nothing more."""
        reason = str(channel.disabled_reason)
        log.warning("channel.disabled channel=%s detail=%s", channel.id, reason)
        whose = None if channel.merchant == EVERYBODY else channel.merchant
        self._node.alerts.raise_(DISABLED, channel.id, reason, now, DAY_MS, whose)

    def _save(self, line: AlertLine) -> None:
        """What the channel was told, as soon as that can be written."""
        if self._node.health.journal is not None:
            return
        line.saving, line.unsaved = line.unsaved, []
        rows = tuple(line.saving)
        channel_id, ref = line.channel.id, self.ref
        self._node.append(
            Write(rows=rows),
            lambda outcome: ref.tell_system(
                _Saved(channel_id, rows, isinstance(outcome, Committed))
            ),
        )

    def _on_saved(self, name: str, rows: tuple[ToldRow, ...], is_done: bool) -> None:
        line = self._lines.get(name)
        if line is None:
            return
        line.saving = []
        if not is_done:
            line.unsaved[:0] = rows

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


def _sorted(standing: tuple[Alert, ...]) -> _Standing:
    """Each alert is looked at once, however many are told of it."""
    all_: dict[Subject, ToldAlert] = {}
    common: dict[Subject, ToldAlert] = {}
    own: dict[str, dict[Subject, ToldAlert]] = {}
    for alert in standing:
        key = alert.kind, alert.subject
        told = concerns(alert, EVERYBODY)
        assert told is not None, "who runs the node is told all"
        all_[key] = told
        if alert.merchant is not None:
            own.setdefault(alert.merchant, {})[key] = told
        elif (for_all := concerns(alert, "")) is not None:
            common[key] = for_all
    return _Standing(all_, common, own)


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
