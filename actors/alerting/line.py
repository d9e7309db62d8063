"""What one channel has heard of alerts, and is being told just now. No I/O.

`look` is asked whenever something may be new; what an attempt came to is said to
`answered`. A message that failed keeps its id as long as it says the same.
"""

import msgspec

from engine.alerts.telling import (
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

__all__ = ["AlertLine", "Sending"]

RETRY_S = (5.0, 30.0, 120.0, 300.0, 900.0)
"""After a failure; then as the last, for as long as it is true: nothing is queued."""

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
        "_waits_until",
        "channel",
        "sending",
        "stored",
        "unsaved",
    )

    def __init__(
        self, channel: Channel, stored: bytes, told: list[ToldAlert], quiet_until: int
    ) -> None:
        """`stored`: the channel as the database has it. `told`: before this start.
        `quiet_until`: nothing of that is held to be over before, as what raised it may
        not have come to look."""
        self.channel = channel
        self.stored = stored
        self._told: dict[Subject, ToldAlert] = {(t.kind, t.subject): t for t in told}
        self._gone: dict[Subject, int] = dict.fromkeys(self._told, quiet_until)
        self._told_at: dict[str, int] = {}
        self._failed: Sending | None = None  # the last attempt's
        self._attempts = 0  # that failed, one after the other
        self._waits_until = 0
        self.sending: Sending | None = None
        self.unsaved: list[ToldRow] = []

    def look(
        self, standing: dict[Subject, ToldAlert], now: int, pace: Pace, new_id: str
    ) -> Sending | None:
        """What to send now, if nothing is being sent; it is then."""
        for key in self._told:
            if key in standing:
                self._gone.pop(key, None)
            else:
                self._gone.setdefault(key, now)
        if self.sending is not None or now < self._waits_until:
            return None
        while True:
            message = next_message(
                standing, self._told, self._gone, self._told_at, now, pace
            )
            if message is None:
                self._failed = None
                return None
            if is_chosen(self.channel.types, message.type):
                break
            self._hear(message)  # it did not want to be told of that
        again = self._failed
        if again is not None and _is_same(again.message, message):
            self.sending = again
        else:
            self.sending = Sending(message, new_id, now)
        return self.sending

    def wakes_at(self, standing: dict[Subject, ToldAlert], pace: Pace) -> int | None:
        """When to look again though nothing changes; None: no need."""
        if self.sending is not None:
            return None
        moment = next_moment(standing, self._told, self._gone, self._told_at, pace)
        return None if moment is None else max(moment, self._waits_until)

    def answered(self, delivered: bool, now: int, rand: float) -> int:
        """The attempt is over; which one of this message it was, from 1."""
        sent, self.sending = self.sending, None
        assert sent is not None
        self._attempts += 1
        attempt = self._attempts
        if not delivered:
            wait_s = jittered(RETRY_S[min(attempt, len(RETRY_S)) - 1], rand)
            self._waits_until = now + round(wait_s * 1000)
            self._failed = sent
            return attempt
        self._attempts, self._failed = 0, None
        self._told_at[sent.message.kind] = now
        self._hear(sent.message)
        return attempt

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
    return (one.type, one.kind, one.subjects) == (
        other.type,
        other.kind,
        other.subjects,
    )
