"""What the receipt of a payment says: in each state, by each way to pay."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from engine.payment.booked import booked_of
from engine.payment.model import Flag, Payment, Status
from engine.payment.money_terms import Price, Worth
from tests.unit.transport.pages.gallery import GALLERY
from tests.unit.transport.pages.page_server import (
    NOW,
    FakeGateway,
    getter,
    payment,
    receipt,
)
from transport.pages.language import words_for

PAID = payment(
    status=Status.CONFIRMED, confirmed_at=NOW, receipts=(receipt(50_000, 3),)
)
WHEN = words_for("en").date_time(NOW)


def data(known: Payment) -> dict[str, Any]:
    answer = getter(FakeGateway(known))("/pay/pay_1/receipt.json", accept="")
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = json.loads(answer.text)
    return found


def page(known: Payment, query: str = "lang=en") -> str:
    return getter(FakeGateway(known))("/pay/pay_1/receipt", QUERY_STRING=query).text


@pytest.mark.parametrize("known", [known for known, _ in GALLERY])
def test_every_paid_payment_has_one_and_no_other(known: Payment) -> None:
    get = getter(FakeGateway(known))
    for path in ("/pay/pay_1/receipt", "/pay/pay_1/receipt.json"):
        assert get(path).status == (200 if known.counts_as_paid else 404)
    links = 'id="receipt"' in get("/pay/pay_1").text
    assert links is known.counts_as_paid
    if known.counts_as_paid:
        assert data(known)["received_sat"] == booked_of(known).sold_sat


def test_it_says_what_was_paid_and_by_what() -> None:
    said = data(PAID)
    assert (said["state"], said["method"]) == ("paid", "onchain")
    assert (said["amount_sat"], said["received_sat"]) == (50_000, 50_000)
    assert said["paid_at"] == "2026-09-21T14:13:20.000Z"
    assert said["proofs"] == [
        {
            "method": "onchain",
            "amount_sat": 50_000,
            "at": None,
            "txid": "aa" * 32,
            "vout": 0,
        }
    ]
    text = page(PAID)
    for words in ("0.0005 BTC · 50,000 sat", "order-1", "pay_1", WHEN, "aa" * 32):
        assert words in text


def test_it_says_what_it_was_for() -> None:
    known = replace(PAID, terms=replace(PAID.terms, description="Two coffees"))
    assert data(known)["description"] == "Two coffees"
    assert "<bdi>Two coffees</bdi>" in page(known)


def test_what_is_not_deep_enough_is_not_on_it() -> None:
    """A second output came after the payment was confirmed: the books do not know it
    yet."""
    more = receipt(9_000, 0, "bb" * 32)
    known = replace(PAID, receipts=(*PAID.receipts, more), flags=(Flag.OVERPAID,))
    said = data(known)
    assert (said["received_sat"], said["over_sat"]) == (50_000, 0)
    assert "bb" * 32 not in page(known)


def test_too_much_and_a_little_less_are_said() -> None:
    more = replace(PAID, receipts=(receipt(50_700, 3),))
    assert (data(more)["over_sat"], data(more)["short_sat"]) == (700, 0)
    less = replace(PAID, receipts=(receipt(49_990, 3),))
    assert (data(less)["over_sat"], data(less)["short_sat"]) == (0, 10)
    assert "Less than asked for" in page(less)


@pytest.mark.parametrize(
    ("sat", "state"), [(20_000, "refunded_in_part"), (50_000, "refunded")]
)
def test_what_was_given_back_is_said_but_not_to_whom(sat: int, state: str) -> None:
    known = replace(PAID, refunds=("ref_0", "ref_1"), refunded_sat=sat)
    said = data(known)
    assert (said["state"], said["refunded_sat"]) == (state, sat)
    assert [one["amount_sat"] for one in said["refunds"]] == [10_000, 10_000]
    text = page(known)
    assert words_for("en").say(f"receipt_{state}") in text
    assert "of-the-payer" not in text + json.dumps(said)


def test_the_price_and_its_rate_are_written_in_the_language() -> None:
    price = Price(
        currency="EUR", minor=123_450, decimals=2, rate="61234.5", rate_at=NOW
    )
    known = replace(PAID, terms=replace(PAID.terms, price=price))
    assert data(known)["price"] == {
        "currency": "EUR",
        "amount": "1234.50",
        "rate": "61234.5",
        "rate_at": "2026-09-21T14:13:20.000Z",
    }
    assert "1.234,50 EUR" in page(known, "lang=de")
    assert "1 BTC = 61.234,5 EUR" in page(known, "lang=de")
    assert "1,234.50 EUR" in page(known)
    assert 'href="../pay_1?lang=de"' in page(known, "lang=de")


def test_one_that_the_shop_confirmed_itself_claims_no_money() -> None:
    known = payment(status=Status.CONFIRMED, confirmed_at=NOW)
    said = data(known)
    assert (said["method"], said["received_sat"], said["proofs"]) == ("by_hand", 0, [])
    assert "confirmed this payment itself" in page(known)


def test_nothing_that_a_shop_wrote_becomes_markup_in_it() -> None:
    evil = "<script>alert(1)</script>"
    terms = replace(PAID.terms, external_id=evil, description=evil)
    assert evil not in page(replace(PAID, terms=terms))


def test_it_tells_nothing_that_is_the_shops_own() -> None:
    text = page(PAID) + json.dumps(data(PAID))
    assert "hidden-merchant" not in text
    assert "Ada of the metadata" not in text


def test_it_loads_its_files_from_where_it_stands() -> None:
    text = page(PAID)
    assert 'href="../../web/receipt.' in text
    assert 'src="../../web/receipt.' in text


EUR = Price(currency="EUR", minor=1_375, decimals=2, rate="50000", rate_at=NOW)


@pytest.mark.parametrize(
    ("price", "metadata", "told", "shown"),
    [
        (EUR, {"tip": "1.25", "tip_currency": "EUR"}, ("EUR", "1.25"), "1.25"),
        (None, {"tip": "500", "tip_currency": "SAT"}, 500, "500 sat"),
    ],
)
def test_a_tip_is_told_apart(
    price: Price | None, metadata: dict[str, Any], told: object, shown: str
) -> None:
    known = replace(PAID, terms=replace(PAID.terms, price=price, metadata=metadata))
    said = data(known)
    tip = said.get("tip_sat") or (said["tip"]["currency"], said["tip"]["amount"])
    assert tip == told
    text = page(known)
    assert "Including a tip of" in text
    assert shown in text


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"tip": "1.25"},
        {"tip": "1.25", "tip_currency": "USD"},
        {"tip": "1.25", "tip_currency": "SAT"},
        {"tip": "13.75", "tip_currency": "EUR"},
        {"tip": "0.00", "tip_currency": "EUR"},
        {"tip": "-1", "tip_currency": "EUR"},
        {"tip": True, "tip_currency": "EUR"},
        {"tip": "<b>", "tip_currency": "EUR"},
    ],
)
def test_what_cannot_be_a_part_of_the_price_is_no_tip(metadata: dict[str, Any]) -> None:
    known = replace(PAID, terms=replace(PAID.terms, price=EUR, metadata=metadata))
    said = data(known)
    assert "tip" not in said
    assert "tip_sat" not in said


def test_of_any_amount_nothing_is_too_much_or_too_little() -> None:
    known = payment(
        amount_sat=None, status=Status.CONFIRMED, receipts=(receipt(9_000, 3),)
    )
    assert (data(known)["over_sat"], data(known)["short_sat"]) == (0, 0)
    by_hand = payment(status=Status.CONFIRMED, confirmed_at=NOW)
    assert (data(by_hand)["over_sat"], data(by_hand)["short_sat"]) == (0, 0)


def test_late_is_what_no_person_has_accepted() -> None:
    late = replace(PAID, flags=(Flag.LATE,), settled_sat=50_000)
    assert data(late)["is_late"] is True
    assert data(replace(late, settled_sat=0))["is_late"] is False, "by hand"


def test_given_back_stands_there_only_if_it_was() -> None:
    back = words_for("en").say("receipt_left")
    assert f"<dt>{back}</dt>" not in page(PAID)
    known = replace(PAID, refunds=("ref_0",), refunded_sat=10_000)
    assert f"<dt>{back}</dt><dd>0.0004 BTC" in page(known)


def test_a_worth_without_a_price_has_its_rate() -> None:
    worth = Worth(currency="EUR", minor=2_500, decimals=2, rate="50000", rate_at=NOW)
    assert page(replace(PAID, worth=worth)).count("1 BTC = 50,000 EUR") == 1
    price = Price(currency="EUR", minor=2_600, decimals=2, rate="52000", rate_at=NOW)
    both = replace(PAID, worth=worth, terms=replace(PAID.terms, price=price))
    text = page(both)
    assert "25.00 EUR" in text
    assert "1 BTC = 52,000 EUR" in text
    assert "1 BTC = 50,000 EUR" not in text, "one rate is enough"
