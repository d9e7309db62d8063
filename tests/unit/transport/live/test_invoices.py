"""Which payments an invoice is, where many share its number."""

from typing import Any

import msgspec
import pytest

from engine.payment.events import opening
from engine.payment.model import Payment
from engine.store.epochs import START, Epochs, EpochStart, Position
from engine.store.records import Page
from tests.unit.transport.live.stage import FakeGateway, terms_of
from transport.live.doors import Guest
from transport.live.invoices import Wanted, followed, payments_of

FIRST, NOW = "00000000", "11111111"  # epochs


class Listing(FakeGateway):
    """Payments newest first, listed by rank as the store does; counts its reads."""

    reads = 0

    def payments_of(
        self, external_id: str, merchant: str | None = None
    ) -> list[Payment]:
        return super().payments_of(external_id, merchant)[:20]

    def list_payments(
        self, filters: dict[str, str], before_rank: int | None, limit: int
    ) -> Page:
        assert filters == {"external_id": "1", "merchant": "default"}
        self.reads += 1
        at = 0 if before_rank is None else before_rank
        left = len(self.payments) - at - limit
        found = tuple(self.payments[at : at + limit])
        return Page(found, at + limit if left > 0 else None)


def shop(theirs: int) -> Listing:
    made = Listing()
    salons = ["2"] * theirs + ["1"]
    for number, salon in enumerate(salons):
        terms = terms_of(f"pay_{number}", "1")
        terms = msgspec.structs.replace(terms, metadata={"salonId": salon})
        made.payments.append(opening(terms)[1])
    return made


def found(gateway: Any) -> list[str]:
    guest = Guest("default", salon="1")
    return [payment.id for payment in payments_of(gateway, "1", guest)]


def test_newer_payments_of_other_salons_hide_none_of_its_own() -> None:
    assert found(shop(20)) == ["pay_20"]
    assert found(shop(65)) == ["pay_65"]


def test_how_far_is_looked_is_bounded() -> None:
    gateway = shop(1_000)
    assert found(gateway) == []
    assert gateway.reads == 10


def test_a_payment_that_gets_a_number_is_found_by_its_id_all_the_same() -> None:
    """A page that follows it by its id, and comes back after the shop has named it."""
    gateway: Any = FakeGateway(
        terms_of("pay_1", "order-7"), terms_of("pay_2", "order-8", "theirs")
    )
    guest = Guest("default")
    for name, ids in (("order-7", ["pay_1"]), ("pay_1", ["pay_1"]), ("pay_2", [])):
        assert [one.id for one in payments_of(gateway, name, guest)] == ids


AFTER = 3  # what a page has read, up to this seq


@pytest.mark.parametrize(
    ("since", "named", "followed_from"),
    [
        (f"{NOW}-{AFTER}", None, Position(NOW, AFTER)),
        (f"{NOW}-{AFTER}", "pay_1", Position(NOW, AFTER)),
        (f"{FIRST}-{AFTER}", None, Position(FIRST, AFTER)),
        (f"{FIRST}-{AFTER}", "pay_0", Position(FIRST, AFTER)),
        # A number alone was of the payment that had the invoice's number at first.
        (AFTER, None, Position(FIRST, AFTER)),
        (AFTER, "pay_0", Position(FIRST, AFTER)),
        (AFTER, "pay_1", Position(None, AFTER)),
        # It had another number, and was told of pay_0 in this life of the database.
        (f"{NOW}-{AFTER}", "pay_0", START),
        (0, None, START),
        (None, "pay_0", None),
    ],
)
def test_a_place_of_another_payment_is_not_gone_on_from(
    since: object, named: str | None, followed_from: Position | None
) -> None:
    payments = [opening(terms_of("pay_1", "7"))[1]]
    said = {"invoiceId": "7", "since": since, "paymentId": named}
    wanted = msgspec.convert(said, Wanted)
    epochs = Epochs([EpochStart(1, FIRST), EpochStart(40, NOW)])
    assert followed(payments, wanted, lambda: epochs) == [("pay_1", followed_from)]
