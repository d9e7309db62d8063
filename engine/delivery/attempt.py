"""One attempt to deliver: what its answer means, and when the next one is due.

Pure rules: the schedule of webhook attempts and the reading of an endpoint's answer.
No I/O, no state, no log. The notifier and the senders call them, from whichever
greenlet they run in. Times are seconds; `rand` is a number in [0, 1), as
`random.random()` gives it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.policy.waits import JITTER, RETRY_AFTER_CAP_S, jittered

__all__ = [
    "DONE",
    "SCHEDULE_S",
    "AttemptOutcome",
    "SendResult",
    "classify",
    "next_delay_s",
    "was_held_back",
]

SCHEDULE_S: tuple[float, ...] = (
    0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400,
)  # fmt: skip
"""Seconds before each attempt (Standard Webhooks 1.0.0): 75 h 35 min 5 s in all."""

_THROTTLING = frozenset({429, 502, 504})


class AttemptOutcome(StrEnum):
    """What one attempt means for the delivery and its channel."""

    DELIVERED = "delivered"
    """2xx: done."""

    RETRY = "retry"
    """Failed; try again by the schedule."""

    THROTTLED = "throttled"
    """Failed because the endpoint has too much: try again, and slow the channel."""

    GONE = "gone"
    """410: nobody wants these any more; the channel is to be disabled."""

    RESTED = "rested"
    """Nothing can be told there until a person mends something (a bot was blocked, its
    token is wrong): the channel is disabled, and what it is owed waits."""

    MOVED = "moved"
    """It is elsewhere now, as it says: `SendResult.settings`. Try again there, now."""

    LATER = "later"
    """Not this very message now (a mailbox that is full): try again by the schedule.
    The endpoint is well, and others are sent meanwhile."""

    SKIPPED = "skipped"
    """There is nobody to tell of it (an order without a customer's address): done."""

    REFUSED = "refused"
    """It will never have this very message: given up at once. Others are sent."""


DONE = frozenset({AttemptOutcome.DELIVERED, AttemptOutcome.SKIPPED})
"""Nothing more is owed."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """What came of one attempt, whoever made it; fit for the attempt log as it is."""

    outcome: AttemptOutcome
    status: int | None
    """The HTTP status or SMTP code, or None when there was no answer."""

    error: str | None
    """One line for people when it was not delivered. No secret, no path, no query."""

    retry_after_s: float | None
    latency_ms: float

    settings: Mapping[str, object] | None = None
    """When it moved: of the channel's settings those that are others from now on."""

    answer: str | None = None
    """How its answer begins, for whoever looks why. No credential of ours."""


def was_held_back(result: SendResult) -> bool:
    """Whether the node's own limit stood before the attempt: nothing was sent, and
    nobody answered. It uses up nothing of the schedule."""
    mine = result.outcome is AttemptOutcome.THROTTLED and result.status is None
    return mine and result.retry_after_s is not None


def classify(status: int | None, retry_after_s: float | None = None) -> AttemptOutcome:
    """What an endpoint's answer means. `status` None: there was no usable answer.

    Redirects are failures: following one would let an endpoint choose an address
    for us. Retry-After says nothing beside a success or a 410.
    """
    if status is None:
        return AttemptOutcome.RETRY
    if 200 <= status <= 299:
        return AttemptOutcome.DELIVERED
    if status == 410:
        return AttemptOutcome.GONE
    if status in _THROTTLING or retry_after_s is not None:
        return AttemptOutcome.THROTTLED
    return AttemptOutcome.RETRY


def next_delay_s(
    attempt: int,
    schedule: Sequence[float],
    rand: float,
    retry_after_s: float | None = None,
) -> float | None:
    """Seconds to wait after `attempt` attempts, or None: it is a dead letter.

    Retry-After can only lengthen the wait, by a day at most, and jitter never makes
    the wait shorter than it: those who were told the same time spread out after it.
    """
    if attempt < 0:
        raise ValueError(f"attempt is {attempt}; it counts attempts made, from 0")
    if attempt >= len(schedule):
        return None
    delay = jittered(schedule[attempt], rand)
    if retry_after_s is None:
        return delay
    spread = max(0.0, retry_after_s) * (1 + JITTER * rand)
    return max(delay, min(spread, RETRY_AFTER_CAP_S))
