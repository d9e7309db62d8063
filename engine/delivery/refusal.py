"""A poison event: one that its endpoint answers, and will not have. Pure.

An endpoint that is down is waited for: nothing may be lost while a shop is repaired. An
endpoint that says 400 to one event will say it again, and all that happens to that
payment afterwards would wait for it. So refusals are counted by themselves, and bounded
in number and in time, by the channel. What is given up so is a dead letter as any
other, and the next delivery of the payment says that something was left out.

Only answers that speak of the message count. 401, 403, 404 or 405 are a password that
is wrong, a route that is gone: of everything, until somebody mends it. 408, 425 and 429
ask for another try, and 5xx is the endpoint's own fault, whatever the event did to it.
"""

import msgspec

from engine.delivery.attempt import AttemptOutcome, SendResult

__all__ = ["REFUSED_ATTEMPTS", "REFUSED_S", "Refusals", "is_refusal"]

REFUSED_ATTEMPTS = 4
REFUSED_S = 3600.0
"""By the usual schedule the fourth attempt is 35 minutes after the first: long enough
for a handler that is being replaced, not for a customer who waits."""

_OF_THE_MESSAGE = frozenset(
    {400, 406, 409, 411, 412, 413, 414, 415, 417, 422, 428, 431}
)


def is_refusal(result: SendResult) -> bool:
    """Whether the endpoint will not have this very message."""
    return result.outcome is AttemptOutcome.RETRY and result.status in _OF_THE_MESSAGE


class Refusals(msgspec.Struct, frozen=True):
    """How often one event was refused so far, and since when (ms)."""

    count: int = 0
    since: int = 0

    def and_one(self, now: int) -> "Refusals":
        """One more."""
        return Refusals(self.count + 1, self.since if self.count else now)
