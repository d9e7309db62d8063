"""When an endpoint is left in peace: its circuit breaker, and what trips it. Pure."""

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.refusal import is_refusal
from engine.policy.breaker import Breaker, BreakerPolicy

__all__ = ["CHANNEL_BREAKER", "breaker_after"]

CHANNEL_BREAKER = BreakerPolicy(threshold=10, base_s=5.0, cap_s=300.0, probe_s=60.0)
"""Ten failures in a row: only one probe at a time, after 5, 10 … 300 s."""

_IT_WORKS = frozenset(
    {
        AttemptOutcome.DELIVERED,
        AttemptOutcome.LATER,
        AttemptOutcome.MOVED,
        AttemptOutcome.REFUSED,
    }
)


def breaker_after(
    breaker: Breaker, result: SendResult, now: float, rand: float
) -> Breaker:
    """What an attempt means for those that come next. `now`: monotonic s."""
    if result.outcome in _IT_WORKS or is_refusal(result):
        # Who refuses one message is not down: others need not wait.
        return breaker.after_success()
    if result.outcome is AttemptOutcome.SKIPPED:
        return breaker.after_nothing()
    throttled = result.outcome is AttemptOutcome.THROTTLED
    if throttled and result.retry_after_s is not None:
        return breaker.resting(now, result.retry_after_s)
    return breaker.after_failure(now, rand)
