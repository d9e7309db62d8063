"""A circuit breaker: when to leave somebody who is down in peace. A pure value.

It serves webhook endpoints and chain sources alike. It is not a timer and not a queue:
no I/O, no log, and every change is a new value. Times are seconds of any clock that
does not run backwards, the same one for the whole life of a value; `rand` is a number
in [0, 1).
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from engine.policy.waits import RETRY_AFTER_CAP_S, jittered

__all__ = ["Breaker", "BreakerPolicy", "BreakerState"]

_MAX_DOUBLINGS = 40  # beyond any cap worth having; keeps 2**n a small number


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

    def after_nothing(self) -> "Breaker":
        """No call was made after all: it stands as it did, and another may probe."""
        return replace(self, probe_since_s=None)

    def resting(self, now_s: float, for_s: float) -> "Breaker":
        """It asked for a pause (Retry-After): open for at least so long, a day at most.

        Being busy is not being down: no failure is counted and no rest is doubled.
        """
        until_s = now_s + min(max(0.0, for_s), RETRY_AFTER_CAP_S)
        if self.rests_until_s is not None:
            until_s = max(until_s, self.rests_until_s)
        return replace(self, rests_until_s=until_s, probe_since_s=None)
