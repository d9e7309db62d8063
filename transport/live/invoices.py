"""Which payments an invoice of a site is, and from where a client follows them.

An invoice is the payments that have its number: the newest one that there is, and those
that are made later. Shared by the plain WebSocket and Socket.IO.
"""

from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from engine.gateway import Gateway
from engine.payment.model import Payment
from engine.store.epochs import POSITION, START, Epochs, Position
from transport.live.doors import Guest

__all__ = ["Name", "Number", "Wanted", "followed", "payments_of"]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Number = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]
_Since = Annotated[str, msgspec.Meta(pattern=POSITION)]

#: Payments of a number that are looked through for one that the guest may hear of.
_PAGES: Final = 10
_PAGE: Final = 20


class Wanted(msgspec.Struct, rename="camel"):
    """What a page says of an invoice. Unknown fields are a page's own business."""

    invoice_id: Name | Number
    since: Number | _Since | None = None
    payment_id: Name | None = None
    steps: bool = False

    @property
    def name(self) -> str:
        return str(self.invoice_id)

    @property
    def position(self) -> Position | None:
        """Where the client is; a number alone is a seq of no epoch."""
        if isinstance(self.since, str):
            return Position.parse(self.since)
        return None if self.since is None else Position(None, self.since)


def payments_of(gateway: Gateway, name: str, guest: Guest) -> list[Payment]:
    """Of those that the guest may hear of, newest first; an invoice without a number is
    its payment's id, also when it gets a number later. Reads the store."""
    found = gateway.payments_of(name, guest.merchant)
    if not found:
        payment = gateway.payment(name)
        is_meant = payment is not None and guest.may_hear_of(payment.terms)
        found = [payment] if payment is not None and is_meant else []
    mine = [payment for payment in found if guest.may_hear_of(payment.terms)]
    return mine if mine or not found else _older(gateway, name, guest)


def _older(gateway: Gateway, name: str, guest: Guest) -> list[Payment]:
    """The newest page with any of its own, where the newest of the number are all of
    other salons."""
    filters = {"external_id": name, "merchant": guest.merchant}
    rank: int | None = None
    for _ in range(_PAGES):
        page = gateway.list_payments(filters, rank, _PAGE)
        mine = [each for each in page.payments if guest.may_hear_of(each.terms)]
        rank = page.next_place
        if mine or rank is None:
            return mine
    return []


def followed(
    payments: list[Payment], wanted: Wanted, epochs: Callable[[], Epochs]
) -> list[tuple[str, Position | None]]:
    """Which payments of an invoice to follow, and from where; `payments` newest first.

    `since` is of the payment that the client names. It names none: of the only one
    there is. Of several it may be an earlier one's, so the newest is told whole; and
    so it is if the one that is named is not of the invoice (any more). `epochs` may
    read the store.
    """
    if not payments:
        return []
    newest, since = payments[0], wanted.position
    if since is None:
        return [(newest.id, None)]
    ids = [payment.id for payment in payments]
    known = wanted.payment_id
    if known is None or known not in ids:
        # After a restore a number may be another payment's than it was, as an address.
        since = epochs().at_an_address(since)
        is_anothers = known is not None and epochs().is_present(since)
        is_its_own = len(payments) == 1 and not is_anothers
        return [(newest.id, since if is_its_own else START)]
    later = ids[: ids.index(known)]
    return [(known, since), *((each, START) for each in reversed(later))]
