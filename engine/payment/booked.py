"""How much of a payment is in the books, and what an event changes of it. Pure.

Booked is the confirmed sum: as `sold` while the payment counts as paid, as `held` when
it is over unpaid, as nothing while it is still waited for; with how much of it came by
Lightning, and what of that the node kept. Of an external payment it is
what its gateway says it has, in the payment's own currency. An event carries the
difference that it makes (`Change.booked_sat` …), so that who books it needs to know
nothing else; `engine/payment/booking.py` makes postings of it.

`EventBuilder` asks a `Bookkeeper` at each event. One that changes nothing of this costs
no sum; one of many new receipts costs one addition.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from engine.money.currency import MAX_MINOR
from engine.money.rates import Rate
from engine.money.worth import (
    Quoted,
    Worth,
    at_rate,
    of_less,
    of_price,
    quoted,
    together,
)
from engine.payment.events import Change
from engine.payment.model import (
    UNPAID,
    WAITED_FOR,
    EventType,
    Payment,
    Receipt,
    Status,
    Terms,
    counts_as_paid,
)

__all__ = ["NOTHING", "Booked", "Bookkeeper", "RateFor", "booked_of", "with_worth"]

RateFor = Callable[[Terms], Rate | None]
"""The rate of now in the currency in which a payment is booked; None: there is none."""


class Booked(NamedTuple):
    """What is in the books of one payment."""

    sold_sat: int = 0
    held_sat: int = 0
    sold_minor: int = 0
    lightning_sat: int = 0  # of `sold_sat` or of `held_sat`, whichever there is
    lightning_fee_sat: int = 0

    @property
    def sold_lightning_sat(self) -> int:
        return self.lightning_sat if self.sold_sat else 0

    @property
    def held_lightning_sat(self) -> int:
        return self.lightning_sat if self.held_sat else 0


NOTHING = Booked()


def booked_of(payment: Payment) -> Booked:
    """As it is now, whatever events it came from."""
    return _booked(payment, payment.status, None)


def _booked(payment: Payment, status: Status, deep_sat: int | None) -> Booked:
    """`status`: the one that counts; `deep_sat`: the confirmed sum, if it is known."""
    is_sold = counts_as_paid(status, payment.confirmed_at)
    if payment.terms.is_external:
        if not is_sold:
            return NOTHING
        said = payment.external
        return Booked(sold_minor=max(said.received_minor - said.returned_minor, 0))
    if not (payment.receipts and (is_sold or status in UNPAID)):
        return NOTHING
    deep = payment.confirmed_sat if deep_sat is None else deep_sat
    booked = Booked(sold_sat=deep) if is_sold else Booked(held_sat=deep)
    if payment.terms.lightning is None:
        return booked
    by_lightning = fee = 0
    for receipt in payment.receipts:
        if receipt.settled is not UNSET:
            by_lightning += receipt.amount_sat
            fee += receipt.settled.fee_sat
    return booked._replace(lightning_sat=by_lightning, lightning_fee_sat=fee)


class Bookkeeper:
    """Follows one payment through one decision."""

    def __init__(self, rate_for: RateFor | None) -> None:
        self._rate_for = rate_for
        self._booked: Booked | None = None  # as the last event left it

    def told(
        self,
        before: Payment,
        after: Payment,
        type: EventType,  # noqa: A002 - the wire's word
        data: Change,
        status: Status,
    ) -> Change:
        """The event's data with what the event changes in the books; mostly as it was.
        `after` has the event's changes but for its status, which is `status`."""
        is_swept = data.swept_sat is not None or data.swept_fee_sat is not None
        if before.status in WAITED_FOR and status in WAITED_FOR and not is_swept:
            return data  # nothing is booked of it before, and nothing after
        new = data.receipt if type is EventType.DETECTED else None
        found = self._differences(before, after, status, new)
        credit = before.terms.credit
        if credit is not None and type is EventType.REVERSED:
            found |= _taken_back(credit.credits, before.credited)
        if is_swept:
            found |= self._swept(before, data)
        elif "lightning_fee_sat" in found:
            found["quoted"] = self.quoted(before.terms)
        return replace(data, **found) if found else data

    def _swept(self, before: Payment, data: Change) -> dict[str, Any]:
        """By which rate the books have it; the payment keeps that with the part. What
        has not arrived after all is worth what it was worth."""
        part = data.forward
        assert part is not None, before.id
        if (data.swept_sat or 0) < 0 and before.forward is not None:
            return {"quoted": before.forward.quoted_for(part)}
        quote = self.quoted(before.terms)
        return {"quoted": quote, "forward": replace(part, quoted=quote)}

    def _differences(
        self, before: Payment, after: Payment, status: Status, new: Receipt | None
    ) -> dict[str, Any]:
        """Fields of `Change`. `new`: all that the event changes of the receipts is this
        one more."""
        was = self._booked
        if was is None:
            was = booked_of(before)
        deep = None
        if after.receipts is before.receipts:
            deep = was.sold_sat or was.held_sat or None
        elif new is not None and was is not NOTHING:  # that is: the sum is known
            required = after.terms.confirmations_required
            counts = new.confirmations >= new.depth_needed(required)
            deep = was.sold_sat + was.held_sat + (new.amount_sat if counts else 0)
        now = self._booked = _booked(after, status, deep)
        if now == was:
            return {}
        said: dict[str, Any] = {
            "booked_sat": now.sold_sat - was.sold_sat,
            "held_sat": now.held_sat - was.held_sat,
            "booked_minor": now.sold_minor - was.sold_minor,
            "booked_lightning_sat": now.sold_lightning_sat - was.sold_lightning_sat,
            "held_lightning_sat": now.held_lightning_sat - was.held_lightning_sat,
            "lightning_fee_sat": now.lightning_fee_sat - was.lightning_fee_sat,
        }
        if now.sold_sat != was.sold_sat:
            said["worth"] = self._worth(before, was.sold_sat, now.sold_sat)
        if now.held_sat != was.held_sat:
            said["held_worth"] = self._held(before, was.held_sat, now.held_sat)
        return {name: value for name, value in said.items() if value}

    def _worth(self, payment: Payment, was: int, now: int) -> Worth | None:
        """What the difference is worth; see `engine/money/worth.py`."""
        terms, known = payment.terms, payment.worth
        if now < was and known is None:
            return None
        price = terms.price
        if price is not None and terms.amount_sat is not None:
            whole = of_price(price.minor, now, terms.amount_sat)
            minor = whole - (0 if known is None else known.minor)
            if abs(minor) > MAX_MINOR:
                return None
            return Worth(
                currency=price.currency,
                minor=minor,
                decimals=price.decimals,
                rate=price.rate,
                rate_at=price.rate_at,
            )
        return self._by_rate(terms, known, was, now)

    def _held(self, payment: Payment, was: int, now: int) -> Worth | None:
        """The same of what is held, which has no price."""
        return self._by_rate(payment.terms, payment.held_worth, was, now)

    def _by_rate(
        self, terms: Terms, known: Worth | None, was: int, now: int
    ) -> Worth | None:
        """More at the rate of now, less as its share of what is `known`."""
        if now < was:
            return None if known is None else of_less(known, now, was)
        quote = self.quoted(terms)
        if quote is None or (known is not None and known.currency != quote.currency):
            return None
        return at_rate(now - was, quote)

    def quoted(self, terms: Terms) -> Quoted | None:
        """What bitcoin is worth now; None: nobody can say."""
        rate = None if self._rate_for is None else self._rate_for(terms)
        return None if rate is None else quoted(rate)


def _taken_back(given: int, paid: Worth | None) -> dict[str, Any]:
    """What a reversal says of the credits that the confirmation gave."""
    if paid is None:
        return {"credits": -given}
    return {"credits": -given, "credits_worth": replace(paid, minor=-paid.minor)}


def with_worth(payment: Payment, type: EventType, data: Change) -> Payment:  # noqa: A002
    """With what the event says of the worth of what is sold and held, of credits, and
    of what was sent on."""
    if data.held_worth is not None:
        held = together(payment.held_worth, data.held_worth)
        payment = replace(payment, held_worth=held if held and held.minor else None)
    if data.forward is not None and data.forward.quoted is not None:
        assert payment.forward is not None, payment.id
        payment = replace(payment, forward=payment.forward.with_part(data.forward))
    if type is EventType.REVERSED:
        return replace(payment, worth=None, credited=None)
    if type is EventType.CREDITED:
        return replace(payment, credited=data.credits_worth)
    if data.booked_sat is None or data.worth is None:
        return payment
    return replace(payment, worth=together(payment.worth, data.worth))
