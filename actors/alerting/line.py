"""What one channel has heard of alerts, and is being told just now. No I/O.

`look` is asked whenever something may be new; what an attempt came to is said to
`answered`. A message that failed keeps its id as long as it says the same.
"""

from collections.abc import Mapping, Sequence

import msgspec

from engine.alerts.telling import (
    PASSING,
    AlertMessage,
    Pace,
    Subject,
    next_message,
    next_moment,
)
from engine.delivery.channel import Channel
from engine.delivery.selection import is_chosen
from engine.policy.waits import jittered
from engine.store.records import ToldAlert
from engine.store.writes import ToldRow

__all__ = ["QUIET_MS", "AlertLine", "Sending"]

RETRY_S = (5.0, 30.0, 120.0, 300.0, 900.0)
"""After a failure; then as the last, for as long as it is true: nothing is queued."""

REFUSALS = 3
"""After so many answers that it will not have this very message it counts as told."""

QUIET_MS = 900_000
"""After a start nothing that was told before is held to be over: what raised it may
look at it again only after ten minutes (`payment.waits`)."""

MAX_UNSAVED = 1_000
"""Rows that wait for a journal that cannot write. Beyond, the oldest are forgotten: a
restart then tells some alert once more."""


class Sending(msgspec.Struct, frozen=True):
    """A message with the id and time (ms) that it keeps over its attempts."""

    message: AlertMessage
    id: str
    at: int


class AlertLine:
    """See the module docstring. Times are ms of the wall clock."""

    __slots__ = (
        "_attempts",
        "_failed",
        "_gone",
        "_told",
        "_told_at",
        "_waits",
        "channel",
        "is_resting",
        "saving",
        "sending",
        "stored",
        "unsaved",
    )

    def __init__(
        self,
        channel: Channel,
        stored: bytes,
        told: Sequence[ToldAlert],
        quiet_until: int,
    ) -> None:
        """`stored`: the channel as the database has it. `told`: before this start.
        `quiet_until`: nothing of that is held to be over before, as what raised it may
        not have come to look."""
        self.channel = channel
        self.stored = stored
        self._told: dict[Subject, ToldAlert] = {(t.kind, t.subject): t for t in told}
        self._gone: dict[Subject, int] = dict.fromkeys(self._told, quiet_until)
        self._told_at: dict[str, int] = {}
        self._failed: dict[str, Sending] = {}  # by kind: the last attempt's
        self._attempts: dict[str, int] = {}  # by kind: that failed, one after the other
        self._waits: dict[str, int] = {}  # by kind: until when it is not tried again
        self.sending: Sending | None = None
        self.unsaved: list[ToldRow] = []
        self.saving: list[ToldRow] = []  # that are being written
        self.is_resting = False  # its endpoint takes nothing; that is to be written

    def look(
        self, standing: Mapping[Subject, ToldAlert], now: int, pace: Pace, new_id: str
    ) -> Sending | None:
        """What to send now, if nothing is being sent; it is then."""
        self._never_ahead(now, pace)
        for key in self._told:
            if key in standing:
                self._gone.pop(key, None)
            else:
                self._gone.setdefault(key, now)
        if self.sending is not None or self.is_resting:
            return None
        while True:
            message = next_message(
                self._without_waiting(standing),
                self._without_waiting(self._told),
                self._gone,
                self._told_at,
                now,
                pace,
            )
            if message is None:
                return None
            is_end = message.type == "alert.resolved"
            is_nothing = is_end and message.kind in PASSING
            if is_chosen(self.channel.types, message.type) and not is_nothing:
                break
            self._hear(message)  # it did not want to be told of that
        again = self._failed.pop(message.kind, None)
        if again is None or not _is_same(again.message, message):
            self._attempts.pop(message.kind, None)
            again = Sending(message, new_id, now)
        self.sending = again
        return again

    def _without_waiting(
        self, alerts: Mapping[Subject, ToldAlert]
    ) -> Mapping[Subject, ToldAlert]:
        """One kind that failed does not hold up the others."""
        if not self._waits:
            return alerts
        return {key: one for key, one in alerts.items() if key[0] not in self._waits}

    def _never_ahead(self, now: int, pace: Pace) -> None:
        """A clock that was ahead for a moment must not silence a channel until then."""
        for kind, at in self._told_at.items():
            self._told_at[kind] = min(at, now)
        longest = now + round(2_000 * RETRY_S[-1])
        self._waits = {
            kind: min(until, longest)
            for kind, until in self._waits.items()
            if until > now
        }
        for key, at in self._gone.items():
            self._gone[key] = min(at, now + QUIET_MS)

    def wakes_at(self, standing: Mapping[Subject, ToldAlert], pace: Pace) -> int | None:
        """When to look again though nothing changes; None: no need."""
        if self.sending is not None or self.is_resting:
            return None
        moment = next_moment(
            self._without_waiting(standing),
            self._without_waiting(self._told),
            self._gone,
            self._told_at,
            pace,
        )
        moments = [*self._waits.values()]
        return min(moments if moment is None else [moment, *moments], default=None)

    def answered(
        self, delivered: bool, now: int, rand: float, *, refused: bool = False
    ) -> int:
        """The attempt is over; which one of this message it was, from 1. `refused`: the
        endpoint will never take this message, and is not asked again."""
        sent, self.sending = self.sending, None
        assert sent is not None
        kind = sent.message.kind
        attempt = self._attempts.get(kind, 0) + 1
        if not delivered and not (refused and attempt >= REFUSALS):
            wait_s = jittered(RETRY_S[min(attempt, len(RETRY_S)) - 1], rand)
            self._attempts[kind] = attempt
            self._waits[kind] = now + round(wait_s * 1000)
            self._failed[kind] = sent
            return attempt
        self._attempts.pop(kind, None)
        self._told_at[kind] = now
        self._hear(sent.message)
        return attempt

    def known(self, told: Sequence[ToldAlert]) -> list[ToldAlert]:
        """What it has heard: `told`, as it is on disk, and what is not yet there."""
        found = {(one.kind, one.subject): one for one in told}
        for row in (*self.saving, *self.unsaved):
            if row.is_over:
                found.pop((row.kind, row.subject), None)
            else:
                one = ToldAlert(row.kind, row.subject, row.detail, row.since)
                found[row.kind, row.subject] = one
        return [*found.values()]

    def _hear(self, message: AlertMessage) -> None:
        is_over = message.type == "alert.resolved"
        for alert in message.alerts:
            key = alert.kind, alert.subject
            if is_over:
                self._told.pop(key, None)
                self._gone.pop(key, None)
            else:
                self._told[key] = alert
            self.unsaved.append(
                ToldRow(
                    self.channel.id,
                    alert.kind,
                    alert.subject,
                    alert.detail,
                    alert.since,
                    is_over,
                )
            )
        del self.unsaved[:-MAX_UNSAVED]


def _is_same(one: AlertMessage, other: AlertMessage) -> bool:
    return (one.type, one.kind, _begun(one)) == (other.type, other.kind, _begun(other))


def _begun(message: AlertMessage) -> frozenset[tuple[str, int]]:
    return frozenset((alert.subject, alert.since) for alert in message.alerts)
