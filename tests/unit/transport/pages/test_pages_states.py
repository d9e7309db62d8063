"""The checkout page in each state of a payment: its stage, its words, how to pay."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from engine.merchants.record import Merchant
from engine.payment.model import Claim, EventType, Flag, Payment, Status
from engine.payment.money_terms import Price
from tests.unit.transport.pages.page_server import (
    ADDRESS,
    HOUR,
    NOW,
    FakeGateway,
    getter,
    payment,
    receipt,
)
from transport.pages.checkout import look
from transport.pages.language import words_for
from transport.pages.stages import Stage

CLAIM = Claim(provider="p", txid=None, amount_sat=1, at=NOW, withdraw_at=NOW + HOUR)
STAGES = [
    (payment(), Stage.WAITING, "Waiting for your payment"),
    (payment(claims=(CLAIM,)), Stage.ANNOUNCED, "announced"),
    (payment(flags=(Flag.REPLACED,)), Stage.REPLACED, "waiting for a new one"),
    (
        payment(status=Status.CONFIRMING, receipts=(receipt(50_000),)),
        Stage.SEEN,
        "0 of 3",
    ),
    (
        payment(status=Status.CONFIRMING, receipts=(receipt(50_000, 2),)),
        Stage.CONFIRMING,
        "2 of 3",
    ),
    (
        payment(
            status=Status.CONFIRMING,
            receipts=(receipt(20_000, 1),),
            flags=(Flag.UNDERPAID,),
        ),
        Stage.UNDERPAID,
        "send the remaining 0.0003 BTC",
    ),
    (
        payment(
            status=Status.CONFIRMING,
            receipts=(receipt(50_000),),
            flags=(Flag.REORGED,),
        ),
        Stage.SEEN,
        "You do not need to do anything",
    ),
    (
        payment(status=Status.CONFIRMED, receipts=(receipt(50_000, 3),)),
        Stage.PAID,
        "0.0005 BTC was received",
    ),
    (
        payment(
            status=Status.CONFIRMED,
            receipts=(receipt(70_000, 3),),
            flags=(Flag.OVERPAID,),
        ),
        Stage.PAID,
        "0.0002 BTC more than requested",
    ),
    (
        payment(
            status=Status.FORWARDED,
            receipts=(receipt(50_000, 3),),
            flags=(Flag.LATE,),
            settled_sat=50_000,
            confirmed_at=NOW,
        ),
        Stage.LATE,
        "arrived, but after the deadline. Your money is not lost. The shop decides",
    ),
    (
        payment(
            status=Status.CONFIRMING,
            receipts=(receipt(50_000, 1),),
            flags=(Flag.LATE,),
        ),
        Stage.CONFIRMING,
        "after the deadline. The shop decides",
    ),
    (
        payment(
            status=Status.CONFIRMED,
            receipts=(receipt(20_000, 3),),
            flags=(Flag.UNDERPAID, Flag.LATE),
            confirmed_at=NOW,  # by hand: the shop has decided
        ),
        Stage.PAID,
        "0.0002 BTC was received",
    ),
    (payment(status=Status.CONFIRMED), Stage.PAID, "manually"),
    (payment(status=Status.EXPIRED), Stage.EXPIRED, "do not pay any more"),
    (
        payment(status=Status.EXPIRED, receipts=(receipt(20_000),)),
        Stage.EXPIRED,
        "Only 0.0002 BTC arrived",
    ),
    (
        payment(
            status=Status.EXPIRED,
            receipts=(receipt(20_000),),
            flags=(Flag.UNDERPAID, Flag.LATE),
        ),
        Stage.EXPIRED,
        "0.0002 BTC arrived, not all of it before the deadline, and it is not enough",
    ),
    (payment(status=Status.EXPIRED, claims=(CLAIM,)), Stage.EXPIRED, "announced"),
    (payment(status=Status.CANCELLED), Stage.CANCELLED, "do not pay it"),
    (
        payment(status=Status.CANCELLED, receipts=(receipt(9_000),)),
        Stage.CANCELLED,
        "arrived afterwards",
    ),
    (payment(status=Status.FAILED), Stage.FAILED, "contact the shop"),
    (payment(amount_sat=None), Stage.WAITING, "any amount"),
]


@pytest.mark.parametrize(("known", "stage", "words"), STAGES)
def test_each_state_has_a_stage_and_a_plain_sentence(
    known: Payment, stage: Stage, words: str
) -> None:
    get = getter(FakeGateway(known))
    page = get("/pay/pay_1").text
    assert f'data-stage="{stage}"' in page
    assert words in page
    state = json.loads(get("/pay/pay_1.json").body)
    assert state["stage"] == stage
    assert state["announcement"]


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (
            payment(
                status=Status.CONFIRMING,
                receipts=(receipt(50_000),),
                flags=(Flag.REORGED,),
            ),
            "This usually resolves itself",
        ),
        (payment(flags=(Flag.REPLACED, Flag.REORGED)), "waiting for it again"),
    ],
)
def test_a_payment_that_was_confirmed_once_says_that_it_was_reversed(
    known: Payment, words: str
) -> None:
    gateway = FakeGateway(known)
    get = getter(gateway)
    assert json.loads(get("/pay/pay_1.json").body)["stage"] != Stage.REVERSED
    gateway.told = [EventType.CREATED, EventType.CONFIRMED, EventType.REVERSED]
    page = get("/pay/pay_1").text
    assert 'data-stage="reversed"' in page
    assert words in page


def test_what_is_not_to_be_paid_shows_no_way_to_pay() -> None:
    for known, stage, _ in STAGES:
        page = getter(FakeGateway(known))("/pay/pay_1").text
        payable = stage in {
            Stage.WAITING,
            Stage.ANNOUNCED,
            Stage.REPLACED,
            Stage.UNDERPAID,
        }
        assert ("bitcoin:" in page) is payable, stage
        assert ('class="qr"' in page) is payable, stage
        assert ("data-until=" in page) is payable, stage


def test_the_rest_of_an_underpaid_payment_is_what_the_link_asks_for() -> None:
    known = payment(status=Status.CONFIRMING, receipts=(receipt(20_000),))
    page = getter(FakeGateway(known))("/pay/pay_1").text
    assert f'href="bitcoin:{ADDRESS}?amount=0.0003"' in page
    assert "amount=0.0005" not in page


@pytest.mark.parametrize(
    ("missing", "is_asked_for"), [(1, False), (545, False), (546, True)]
)
def test_less_than_a_wallet_can_send_is_not_asked_for(
    missing: int, is_asked_for: bool
) -> None:
    known = payment(status=Status.CONFIRMING, receipts=(receipt(50_000 - missing),))
    page = getter(FakeGateway(known))("/pay/pay_1").text
    assert ("bitcoin:" in page) is is_asked_for
    assert ('class="qr"' in page) is is_asked_for
    assert ("Please send the remaining" in page) is is_asked_for
    assert ("please do not try" in page) is not is_asked_for
    assert "Partly paid" in page


def test_what_a_reorganisation_took_away_is_not_asked_for_again() -> None:
    gateway = FakeGateway(payment(flags=(Flag.REPLACED, Flag.REORGED)))
    gateway.told = [EventType.CREATED, EventType.CONFIRMED, EventType.REVERSED]
    page = getter(gateway)("/pay/pay_1").text
    assert "Please do not pay again" in page
    assert "bitcoin:" not in page
    assert 'class="qr"' not in page


def test_what_is_late_in_full_thanks_nobody() -> None:
    late = payment(
        status=Status.CONFIRMED,
        receipts=(receipt(50_000, 3),),
        flags=(Flag.LATE,),
        settled_sat=50_000,
        confirmed_at=NOW,
    )
    page = getter(FakeGateway(late))("/pay/pay_1").text
    assert "Thank you" not in page
    assert "<title>Received after the deadline</title>" in page


def test_an_overpaid_payment_still_shows_what_was_asked_for() -> None:
    over = payment(
        status=Status.CONFIRMED,
        receipts=(receipt(70_000, 3),),
        flags=(Flag.OVERPAID,),
        confirmed_at=NOW,
    )
    view = look(over, words_for("en"))
    assert view.shown_sat == 50_000
    page = getter(FakeGateway(over))("/pay/pay_1").text
    assert "<b>0.0005</b> BTC" in page
    assert "<dt>Received</dt><dd>70,000 sat</dd>" in page


def test_notes_are_announced_with_the_headline() -> None:
    for known, _, _ in STAGES:
        state = json.loads(getter(FakeGateway(known))("/pay/pay_1.json").body)
        view = look(known, words_for("en"))
        told = [view.headline, view.sentence, *view.notes]
        assert all(text in state["announcement"] for text in told)


@pytest.mark.parametrize(
    ("changes", "is_shown"),
    [
        ({"status": Status.CONFIRMED}, True),
        ({"status": Status.EXPIRED}, True),
        ({"status": Status.CANCELLED}, True),
        ({"status": Status.FAILED}, True),
        ({}, False),
        ({"status": Status.CONFIRMING, "receipts": (receipt(50_000),)}, False),
    ],
)
def test_every_end_has_the_way_back_to_the_shop(
    changes: dict[str, Any], is_shown: bool
) -> None:
    back = "https://shop.example/orders/7"
    known = payment(return_url=back, **changes)
    gateway = FakeGateway(known)
    shop = Merchant(name="m", return_urls=("https://shop.example/orders/",))
    gateway.merchant = lambda name: shop  # type: ignore[method-assign]
    page = getter(gateway)("/pay/pay_1").text
    assert (f'href="{back}"' in page) is is_shown


@pytest.mark.parametrize(("merchants", "is_known"), [(1, True), (2, False)])
def test_a_link_to_no_payment_leads_to_the_shop_if_it_is_the_only_one(
    merchants: int, is_known: bool
) -> None:
    gateway = FakeGateway()
    shops = ("https://shop.example/orders/",)
    shop = Merchant(name="default", version=3, display_name="Café", return_urls=shops)
    gateway.merchant = lambda name: shop  # type: ignore[method-assign]
    gateway.merchants = lambda: merchants  # type: ignore[method-assign]
    answer = getter(gateway)("/pay/pay_9")
    assert answer.status == 404
    assert ('href="https://shop.example"' in answer.text) is is_known
    assert ("Back to Café" in answer.text) is is_known


def test_confirmations_are_never_shown_beyond_what_is_required() -> None:
    known = payment(
        status=Status.CONFIRMED,
        confirmations_required=1,
        receipts=(receipt(50_000, 6),),
    )
    view = look(known, words_for("en"))
    assert view.confirmations == 1
    assert "1 of 1 confirmation" in [step.label for step in view.steps]
    assert {step.state for step in view.steps} == {"done"}


@pytest.mark.parametrize("receipts", [(), (receipt(20_000, 1),)])
def test_what_the_shop_confirmed_itself_claims_no_steps(receipts: tuple[Any]) -> None:
    by_hand = payment(status=Status.CONFIRMED, receipts=receipts, confirmed_at=NOW)
    page = getter(FakeGateway(by_hand))("/pay/pay_1").text
    assert 'data-stage="paid"' in page
    for claimed in ("Payment sent", "Seen on the network", "confirmation"):
        assert claimed not in page, claimed
    seen = payment(status=Status.CONFIRMED, receipts=(receipt(50_000, 3),))
    assert "3 of 3 confirmations" in getter(FakeGateway(seen))("/pay/pay_1").text


PRICE = Price(currency="EUR", minor=2_500, decimals=2, rate="50000", rate_at=NOW)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "50,000 sat · 25.00 EUR"),
        (
            {
                "status": Status.CONFIRMING,
                "receipts": (receipt(20_000, 1),),
                "flags": (Flag.UNDERPAID,),
            },
            "30,000 sat · 15.00 EUR still to pay",
        ),
        (
            {"status": Status.CONFIRMED, "receipts": (receipt(50_000, 3),)},
            "50,000 sat · 25.00 EUR",
        ),
        (
            {"status": Status.CONFIRMED, "receipts": (receipt(60_000, 3),)},
            "60,000 sat · 30.00 EUR",
        ),
    ],
)
def test_a_price_stands_beside_the_satoshi_at_its_own_rate(
    changes: dict[str, Any], words: str
) -> None:
    priced = payment(**changes)
    priced = replace(priced, terms=replace(priced.terms, price=PRICE))
    assert words in getter(FakeGateway(priced))("/pay/pay_1").text
    assert "EUR" not in getter(FakeGateway(payment(**changes)))("/pay/pay_1").text
