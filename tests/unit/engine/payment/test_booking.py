"""Which postings an event causes: of money that comes, goes on, and goes back."""

from engine.money.ledger import Posting
from engine.money.worth import Quoted, Worth
from engine.payment.booked import Booked
from engine.payment.booking import (
    gateway_account,
    opening_of,
    postings_of,
    unit_of,
)
from engine.payment.booking_out import refunded, swept
from engine.payment.events import Change, Event
from engine.payment.model import EventType, GivenBack, Payment, Status, Terms
from tests.unit.payment_cases import T0, terms

QUOTE = Quoted(currency="EUR", rate="50000", rate_at=T0)


def worth(minor: int) -> Worth:
    return Worth(currency="EUR", minor=minor, decimals=2, rate="50000", rate_at=T0)


def card(**changes: object) -> Terms:
    return terms(method="external", asset="EUR", decimals=2, gateway="pay", **changes)


def posted(agreed: Terms | None = None, **change: object) -> list[Posting]:
    event = Event(
        payment_id="pay_1",
        seq=2,
        type=EventType.FORWARDED,
        at=T0,
        status=Status.FORWARDED,
        flags=(),
        received_sat=0,
        confirmations=0,
        txid=None,
        data=Change(**change),  # type: ignore[arg-type]
    )
    return [*postings_of(event, agreed or terms())]


def test_what_was_swept_is_the_owners_less_the_fee() -> None:
    assert posted(swept_sat=50_000, swept_fee_sat=1_000, quoted=QUOTE) == [
        Posting("sat", "onchain", "own", 49_000, worth(2_450)),
        Posting("sat", "onchain", "fees", 1_000, worth(50)),
    ]
    assert posted(swept_sat=-50_000, swept_fee_sat=-1_000) == [
        Posting("sat", "own", "onchain", 49_000),
        Posting("sat", "fees", "onchain", 1_000),
    ]
    assert posted(swept_fee_sat=200) == [  # a bump: the same coins, a higher fee
        Posting("sat", "own", "onchain", 200),
        Posting("sat", "onchain", "fees", 200),
    ]
    assert posted(swept_sat=300) == [Posting("sat", "onchain", "own", 300)]
    assert swept(0, 0) == ()
    assert swept(5, 0) == (Posting("sat", "onchain", "own", 5),)


def test_what_is_held_is_worth_what_its_moment_says() -> None:
    assert posted(held_sat=20_000, quoted=QUOTE) == [
        Posting("sat", "held", "onchain", 20_000, worth(1_000))
    ]
    assert posted(held_sat=-20_000, booked_sat=20_000) == [
        Posting("sat", "sales", "onchain", 20_000),
        Posting("sat", "onchain", "held", 20_000),
    ]


def test_a_refund_is_of_our_coins_or_of_the_owners() -> None:
    back = GivenBack(
        id="r", amount_sat=9_000, fee_sat=200, is_ours=True, worth=worth(450)
    )
    assert posted(refund=back) == [
        Posting("sat", "onchain", "refunds", 9_000, worth(450)),
        Posting("sat", "onchain", "fees", 200, worth(10)),
    ]
    elsewhere = GivenBack(id="r", amount_sat=9_000)
    assert posted(refund=elsewhere) == [Posting("sat", "own", "refunds", 9_000)]
    assert posted(card(), refund=elsewhere) == []
    assert refunded(0, 0) == ()
    assert refunded(7, 0) == (Posting("sat", "onchain", "refunds", 7),)


def test_of_a_payment_without_a_chain_its_currency_is_booked() -> None:
    assert posted(card(), booked_minor=1_990) == [
        Posting("EUR", "sales", "gateway:pay", 1_990)
    ]
    assert posted(card(), booked_minor=-500) == [
        Posting("EUR", "gateway:pay", "sales", 500)
    ]
    assert unit_of(card()) == "EUR"
    assert unit_of(terms(method="external", asset="KWD", decimals=2)) == "KWD:2"
    assert gateway_account(card()) == "gateway:pay"


def test_an_opening_is_what_a_payment_stands_at() -> None:
    payment = Payment(terms=terms())
    assert opening_of(payment, Booked()) == ()
    assert opening_of(payment, Booked(sold_sat=5)) == (
        Posting("sat", "sales", "onchain", 5),
    )
    assert opening_of(payment, Booked(held_sat=5)) == (
        Posting("sat", "held", "onchain", 5),
    )
    assert opening_of(Payment(terms=card()), Booked(sold_minor=5)) == (
        Posting("EUR", "sales", "gateway:pay", 5),
    )
