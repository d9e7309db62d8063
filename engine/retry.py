"""When to try again, and when to leave somebody in peace: pure rules.

This is the schedule of webhook attempts, the reading of an endpoint's answer, and a
circuit breaker that serves endpoints and chain sources alike. It is not a timer and
not a queue: it does no I/O, keeps no state of its own and never logs. Time and
randomness are arguments. The notifier, the webhook sender and the source actor call
it, from whichever greenlet they run in.

Times are seconds. `now_s` may come from any clock that does not run backwards, as
long as the same one is used for the whole life of a value; only `parse_retry_after`
needs Unix time, because HTTP dates are wall-clock dates. `rand` is a number in
[0, 1), as `random.random()` gives it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

__all__ = [
    "JITTER",
    "RETRY_AFTER_CAP_S",
    "SCHEDULE_S",
    "Breaker",
    "BreakerPolicy",
    "BreakerState",
    "Outcome",
    "SendResult",
    "classify",
    "jittered",
    "next_delay_s",
    "parse_retry_after",
]

SCHEDULE_S: tuple[float, ...] = (
    0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400,
)  # fmt: skip
"""Seconds before each attempt (Standard Webhooks 1.0.0): 75 h 35 min 5 s in all."""

JITTER = 0.2
"""Waits differ by up to this fraction both ways, so that retries do not keep step."""

RETRY_AFTER_CAP_S = 86400.0
"""The longest that anybody's Retry-After can make us wait: one day."""

_RETRY_AFTER_MAX_CHARS = 64
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")
_THROTTLING = frozenset({429, 502, 504})
_MAX_DOUBLINGS = 40  # beyond any cap worth having; keeps 2**n a small number


class Outcome(StrEnum):
    """What one attempt means for the delivery and its channel."""

    DELIVERED = "delivered"
    """2xx: done."""

    RETRY = "retry"
    """Failed; try again by the schedule."""

    THROTTLED = "throttled"
    """Failed because the endpoint has too much: try again, and slow the channel."""

    GONE = "gone"
    """410: nobody wants these any more; the channel is to be disabled."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """What came of one attempt, whoever made it; fit for the attempt log as it is."""

    outcome: Outcome
    status: int | None
    """The HTTP status, or None when there was no answer."""

    error: str | None
    """One line for people when it was not delivered. No secret, no path, no query."""

    retry_after_s: float | None
    latency_ms: float


def classify(status: int | None, retry_after_s: float | None = None) -> Outcome:
    """What an endpoint's answer means. `status` None: there was no usable answer.

    Redirects are failures: following one would let an endpoint choose an address
    for us. Retry-After says nothing beside a success or a 410.
    """
    if status is None:
        return Outcome.RETRY
    if 200 <= status <= 299:
        return Outcome.DELIVERED
    if status == 410:
        return Outcome.GONE
    if status in _THROTTLING or retry_after_s is not None:
        return Outcome.THROTTLED
    return Outcome.RETRY


def jittered(seconds: float, rand: float) -> float:
    """`seconds` moved by up to ±20 %."""
    return seconds * (1 - JITTER + 2 * JITTER * rand)


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


def parse_retry_after(header: str | None, now_s: float) -> float | None:
    """Seconds from `now_s` (Unix time) that a Retry-After header asks for.

    Seconds or an HTTP date (RFC 9110, 10.2.3). Fractions are not in the RFC but on
    the wire. A date in the past is 0. Bounded by `RETRY_AFTER_CAP_S`; whatever
    cannot be read is None, as if it had not been sent.
    """
    if header is None or len(header) > _RETRY_AFTER_MAX_CHARS:
        return None
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_CAP_S)
    # An HTTP date begins with the day's name. The parser below guesses at much less.
    if not text[:3].isalpha() or not text.isascii():
        return None
    try:
        date = parsedate_to_datetime(text)
        at_s = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(0.0, at_s - now_s), RETRY_AFTER_CAP_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """How soon a breaker opens and how long it rests."""

    threshold: int = 5
    """This many failures in a row open it."""

    base_s: float = 30.0
    """The first rest; each further one in a row is twice as long."""

    cap_s: float = 3600.0
    """The longest rest before jitter."""

    probe_s: float = 60.0
    """A probe that has not answered for so long is lost; the next one may go."""

    def __post_init__(self) -> None:
        if self.threshold < 1:
            raise ValueError("threshold must be at least 1")
        if not 0 < self.base_s <= self.cap_s or self.probe_s <= 0:
            raise ValueError("a breaker needs 0 < base_s <= cap_s and 0 < probe_s")


class BreakerState(StrEnum):
    """What a breaker looks like to a person."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Keeps us from hammering what is down. A value: every change is a new one.

    Use: if `permits(now_s)`, keep `taking(now_s)`, make the call, then keep
    `after_success()` or `after_failure(now_s, rand)`. Closed permits everything.
    After `threshold` failures in a row it is open and permits nothing until the
    rest is over; then one call may probe (half-open). Success closes it, failure
    doubles the rest.
    """

    policy: BreakerPolicy = BreakerPolicy()
    failures: int = 0
    """Failures since the last success."""

    trips: int = 0
    """Rests since the last success."""

    rests_until_s: float | None = None
    """None: closed. Else nothing is permitted before this time."""

    probe_since_s: float | None = None
    """When the probe that is under way was let through, or None."""

    def permits(self, now_s: float) -> bool:
        """Whether a call may be made now."""
        return self.wait_s(now_s) <= 0

    def wait_s(self, now_s: float) -> float:
        """Seconds until it is worth asking again; 0 if a call may be made now."""
        if self.rests_until_s is None:
            return 0.0
        if self.probe_since_s is not None:
            return max(0.0, self.probe_since_s + self.policy.probe_s - now_s)
        return max(0.0, self.rests_until_s - now_s)

    def state(self, now_s: float) -> BreakerState:
        """Closed, open, or half-open: the rest is over, success not yet shown."""
        if self.rests_until_s is None:
            return BreakerState.CLOSED
        if now_s < self.rests_until_s:
            return BreakerState.OPEN
        return BreakerState.HALF_OPEN

    def taking(self, now_s: float) -> "Breaker":
        """A permitted call is now being made. When half-open it is the one probe."""
        if self.state(now_s) is not BreakerState.HALF_OPEN:
            return self
        return replace(self, probe_since_s=now_s)

    def after_success(self) -> "Breaker":
        """It answered: closed, nothing held against it."""
        return Breaker(policy=self.policy)

    def after_failure(self, now_s: float, rand: float) -> "Breaker":
        """It failed: opens at the threshold, rests longer when a probe failed.

        Calls that began before it opened may fail while it rests; they are counted
        but do not prolong the rest, or ten calls in flight would mean ten doublings.
        """
        failed = replace(self, failures=self.failures + 1)
        if self.state(now_s) is BreakerState.OPEN:
            return failed
        if self.rests_until_s is None and failed.failures < self.policy.threshold:
            return failed
        doublings = min(self.trips, _MAX_DOUBLINGS)
        rest_s = min(self.policy.base_s * 2.0**doublings, self.policy.cap_s)
        return replace(
            failed,
            trips=self.trips + 1,
            rests_until_s=now_s + jittered(rest_s, rand),
            probe_since_s=None,
        )

    def resting(self, now_s: float, for_s: float) -> "Breaker":
        """It asked for a pause (Retry-After): open for at least so long, a day at most.

        Being busy is not being down: no failure is counted and no rest is doubled.
        """
        until_s = now_s + min(max(0.0, for_s), RETRY_AFTER_CAP_S)
        if self.rests_until_s is not None:
            until_s = max(until_s, self.rests_until_s)
        return replace(self, rests_until_s=until_s, probe_since_s=None)
