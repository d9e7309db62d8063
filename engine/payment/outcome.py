"""What a payment came to, in the three words of sites that know no more of it.

    SUCCESS   it is paid, and stays so: what becomes of the money later (`credited`,
              `forwarded`, a forward that `failed`) is not the payer's business
    FAILED    nobody waits for it any more: expired, cancelled, refused by its gateway,
              or taken back by it for good
    PENDING   it is waited for, or on its way; also what a reorganisation took back
              (`reversed`): the same money mostly comes again

The one table; whoever tells of payments in these words takes it from here. A status
alone does not say it: `failed` is a forward that failed where money had come in, and a
payment that failed where none had. Pure.
"""

from enum import StrEnum
from typing import Final

from engine.payment.events import Event
from engine.payment.model import EventType, Payment, Status

__all__ = ["OUTCOMES", "Outcome", "completes", "outcome_after", "outcome_of", "settles"]


class Outcome(StrEnum):
    """The words on the wire."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    PENDING = "PENDING"


OUTCOMES: Final[dict[tuple[Status, bool], Outcome]] = {
    # By status, and whether any money has come in that is counted.
    (Status.PENDING, False): Outcome.PENDING,
    (Status.PENDING, True): Outcome.PENDING,
    (Status.CONFIRMING, False): Outcome.PENDING,
    (Status.CONFIRMING, True): Outcome.PENDING,
    (Status.CONFIRMED, False): Outcome.SUCCESS,  # by hand, or by a gateway's word
    (Status.CONFIRMED, True): Outcome.SUCCESS,
    (Status.FORWARDED, False): Outcome.SUCCESS,
    (Status.FORWARDED, True): Outcome.SUCCESS,
    (Status.EXPIRED, False): Outcome.FAILED,
    (Status.EXPIRED, True): Outcome.FAILED,
    (Status.FAILED, False): Outcome.FAILED,  # its gateway says so
    (Status.FAILED, True): Outcome.SUCCESS,  # only the forward failed
    (Status.CANCELLED, False): Outcome.FAILED,
    (Status.CANCELLED, True): Outcome.FAILED,
}

_SETTLING: Final = frozenset(
    {
        EventType.CONFIRMED,
        EventType.EXPIRED,
        EventType.CANCELLED,
        EventType.FAILED,
        EventType.REVERSED,
    }
)


def outcome_of(payment: Payment) -> Outcome:
    """As it stands now."""
    return OUTCOMES[payment.status, payment.received_sat > 0]


def outcome_after(event: Event) -> Outcome:
    """As it stands after this event."""
    return OUTCOMES[event.status, event.received_sat > 0]


def settles(event: Event) -> bool:
    """Whether the outcome is another one after this event. All other events tell how
    far it is, or what became of the money."""
    is_about_its_forward = (
        event.type is EventType.FAILED and outcome_after(event) is Outcome.SUCCESS
    )
    return event.type in _SETTLING and not is_about_its_forward


def completes(event: Event) -> bool:
    """Whether this is the event that makes it paid."""
    return event.type is EventType.CONFIRMED
