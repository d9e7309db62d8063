"""Who is told of an alert, when, and when of its end. Pure; times are ms.

An alert is no event of a payment: it must be told just when the journal cannot write.
So nothing is queued. What a channel has been told is remembered (`ToldAlert`), and what
it is to be told next is worked out from that and from what stands now:

- An alert that has stood for `after` is told once; one that comes and goes within that
  time is told nobody.
- Its end is told after it has been away for as long, to those who were told of it.
- Of one kind a channel gets one message in `every`; it names all that came together.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from engine.merchants.name import EVERYBODY
from engine.ports import Alert
from engine.store.records import ToldAlert

__all__ = [
    "FOR_ALL",
    "MAX_NAMED",
    "PASSING",
    "AlertMessage",
    "Pace",
    "Subject",
    "concerns",
    "next_message",
    "next_moment",
]

MAX_NAMED: Final = 20
"""Subjects that one message names; of more it says how many."""

FOR_ALL: Final[Mapping[str, str]] = {
    "sources.none_current": "No source of the node is current: payments are neither"
    " confirmed nor expired until one is.",
    "journal.cannot_write": "The node cannot write: it takes no new payments.",
}
"""Alerts of the node that concern every merchant, in words that name nothing of it."""

PASSING: Final = frozenset(
    {
        "address.released",
        "channel.disabled",
        "deliveries.given_up",
        "key.moves_money",
        "merchant.changed",
    }
)
"""What happened once and stands for a day: that the day is over says nothing, so no
end is told."""

Subject = tuple[str, str]
"""Kind and subject: which alert it is."""


class Pace(msgspec.Struct, frozen=True):
    """How soon and how often a channel is told. ms."""

    after: int = 60_000
    every: int = 300_000


class AlertMessage(msgspec.Struct, frozen=True):
    """What a channel is told at once: alerts of one kind that began, or ended."""

    type: Literal["alert.raised", "alert.resolved"]
    kind: str
    alerts: tuple[ToldAlert, ...]  # the oldest first


def concerns(alert: Alert, merchant: str) -> ToldAlert | None:
    """The alert as a channel of this merchant is told it; None: it is not."""
    if merchant == EVERYBODY or alert.merchant == merchant:
        return ToldAlert(alert.kind, alert.subject, alert.detail, alert.since)
    if alert.merchant is None and alert.kind in FOR_ALL:
        return ToldAlert(alert.kind, alert.subject, FOR_ALL[alert.kind], alert.since)
    return None


def next_message(
    standing: Mapping[Subject, ToldAlert],
    told: Mapping[Subject, ToldAlert],
    gone_since: Mapping[Subject, int],
    told_at: Mapping[str, int],
    now: int,
    pace: Pace,
) -> AlertMessage | None:
    """What to tell the channel now, if anything: what is over comes first.

    `gone_since`: of those told that do not stand, since when. `told_at`: when the
    channel was last told of each kind.
    """

    def has_time(kind: str) -> bool:
        return now < told_at.get(kind, -pace.every) + pace.every

    over = [
        alert
        for key, alert in told.items()
        if key not in standing and now >= gone_since.get(key, now) + pace.after
    ]
    begun = [
        alert
        for key, alert in standing.items()
        # One from a time to come was raised by a clock that was ahead.
        if key not in told and not now - pace.after < alert.since <= now
    ]
    for type_, alerts in (("alert.resolved", over), ("alert.raised", begun)):
        due = sorted(
            (alert for alert in alerts if not has_time(alert.kind)),
            key=lambda alert: (alert.since, alert.kind, alert.subject),
        )
        if due:
            kind = due[0].kind
            same = tuple(alert for alert in due if alert.kind == kind)
            return AlertMessage(type_, kind, same)  # type: ignore[arg-type]
    return None


def next_moment(
    standing: Mapping[Subject, ToldAlert],
    told: Mapping[Subject, ToldAlert],
    gone_since: Mapping[Subject, int],
    told_at: Mapping[str, int],
    pace: Pace,
) -> int | None:
    """When (ms) `next_message` may have something new, if nothing changes before."""

    def due(kind: str, at: int) -> int:
        return max(at + pace.after, told_at.get(kind, -pace.every) + pace.every)

    moments: list[Iterable[int]] = [
        [due(a.kind, a.since) for key, a in standing.items() if key not in told],
        [due(key[0], gone_since[key]) for key in told if key in gone_since],
    ]
    return min((at for some in moments for at in some), default=None)
