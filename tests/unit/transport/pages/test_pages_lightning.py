"""The checkout page of a payment that Lightning can pay: alone, beside the chain in two
tabs, and in one code for both."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from engine.lightning.node import Can
from engine.lightning.upstream import UpstreamReport, UpstreamState
from engine.payment.model import (
    LIGHTNING,
    Flag,
    Invoice,
    Payment,
    Receipt,
    Settled,
    Status,
    lightning_key,
)
from engine.payment.rest_rules import rest_due
from tests.tools.invoices import make_invoice
from tests.unit.transport.pages.page_server import (
    ADDRESS,
    HOUR,
    NOW,
    FakeGateway,
    getter,
    payment,
    receipt,
)
from transport.pages.ways import qr_segments

HASH = "ab" * 32
BOLT11 = make_invoice(HASH, amount_msat=50_000_000, at_s=NOW // 1000)
INVOICE = Invoice(
    node="secret-till",
    payment_hash=HASH,
    bolt11=BOLT11,
    amount_msat=50_000_000,
    expires_at=NOW + HOUR,
)
SETTLED = Receipt(HASH, 0, 50_000, settled=Settled(fee_sat=7_777))
CAPITALS = BOLT11.upper()


def alone(**changes: Any) -> Payment:
    fields = {
        "method": LIGHTNING,
        "address": lightning_key(HASH),
        "confirmations_required": 0,
        "lightning": INVOICE,
    }
    return payment(**{**fields, **changes})


def both(*, is_unified: bool = False, **changes: Any) -> Payment:
    invoice = replace(INVOICE, is_unified=is_unified)
    return payment(**{"lightning": invoice, **changes})


def page(shown: Payment) -> str:
    return getter(FakeGateway(shown))("/pay/pay_1").text


def state(shown: Payment) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        getter(FakeGateway(shown))("/pay/pay_1.json").text
    )
    return found


def test_lightning_alone_shows_its_invoice_and_no_address() -> None:
    text = page(alone())
    assert f'href="lightning:{BOLT11}"' in text
    assert f'data-copy="{BOLT11}"' in text
    assert 'id="address"' not in text
    assert "lightning:abab" not in text, "the key in the place of an address is ours"
    assert "open it here, scan the code with it, or copy the invoice." in text
    assert "confirmation" not in text
    assert "secret-till" not in text
    assert 'type="radio"' not in text, "one way needs no tabs"


def test_its_page_follows_the_payment_by_the_payment_hash() -> None:
    assert state(alone())["followed_by"] == HASH
    assert state(alone())["address"] is None
    assert state(both())["followed_by"] == ADDRESS


def test_both_have_a_tab_each_and_lightning_is_first() -> None:
    text = page(both())
    lightning = text.index('id="way-lightning" checked')
    assert lightning < text.index('id="way-onchain">')
    assert f'href="lightning:{BOLT11}"' in text
    assert f'href="bitcoin:{ADDRESS}?amount=0.0005"' in text
    assert "&amp;lightning=" not in text


def test_unified_is_one_code_with_invoice_and_address_beside_it() -> None:
    text = page(both(is_unified=True))
    uri = f"bitcoin:{ADDRESS}?amount=0.0005&amp;lightning={BOLT11}"
    assert f'href="{uri}"' in text
    assert 'type="radio"' not in text
    assert f'data-copy="{BOLT11}"' in text
    assert f'data-copy="{ADDRESS}"' in text


@pytest.mark.parametrize("shown", [alone(), both()])
def test_paid_by_lightning_is_paid_at_once_without_words_of_blocks(
    shown: Payment,
) -> None:
    paid = replace(
        shown, status=Status.CONFIRMED, receipts=(SETTLED,), confirmed_at=NOW
    )
    text = page(paid)
    assert "Your payment was received. Thank you." in text
    assert "confirmation" not in text
    assert "7777" not in text
    assert "7,777" not in text, "what the node kept is the shop's affair"
    assert HASH not in state(paid)["parts"]["steps"], "it is no transaction"
    assert "lnbcrt" not in text


def test_what_is_left_of_a_short_payment_goes_over_the_chain() -> None:
    short = both(
        status=Status.CONFIRMING,
        flags=(Flag.UNDERPAID,),
        receipts=(receipt(20_000, 3),),
    )
    text = page(short)
    assert f"bitcoin:{ADDRESS}?amount=0.0003" in text
    assert "lnbcrt" not in text, "the invoice asks for all of it"
    alone_short = alone(
        status=Status.CONFIRMING,
        flags=(Flag.UNDERPAID,),
        receipts=(replace(SETTLED, amount_sat=20_000),),
    )
    text = page(alone_short)
    assert "Please contact the shop." in text
    assert "address" not in state(alone_short)["parts"]["pay"]


def test_an_expired_invoice_is_shown_no_more() -> None:
    for shown in (alone(status=Status.EXPIRED), both(status=Status.EXPIRED)):
        text = page(shown)
        assert "lnbcrt" not in text
        assert "qr" not in state(shown)["parts"]["pay"]
    assert "comes back to you" in page(alone(status=Status.EXPIRED))


def test_the_countdown_is_the_invoices_and_says_what_comes_after() -> None:
    text = page(alone())
    assert f'data-until="{NOW + HOUR}"' in text
    assert 'data-over="The invoice has expired. Checking once more…"' in text
    assert "The deadline has passed." in page(both())


def test_a_code_takes_invoice_and_address_in_capitals() -> None:
    assert qr_segments(f"lightning:{CAPITALS}") == ("lightning:", CAPITALS)
    uri = f"bitcoin:{ADDRESS}?amount=0.0005&lightning={CAPITALS}"
    assert qr_segments(uri) == (
        "bitcoin:",
        ADDRESS.upper(),
        "?amount=0.0005&lightning=",
        CAPITALS,
    )
    base58 = f"bitcoin:1BoatSLRHtKNngkdXEeobR76b53LETtpyT?lightning={CAPITALS}"
    assert qr_segments(base58)[-1] == CAPITALS
    assert "".join(qr_segments(base58)) == base58


@pytest.mark.parametrize(
    ("shown", "method", "status"),
    [
        (alone(), "lightning", 200),
        (alone(), "onchain", 404),
        (both(), "lightning", 200),
        (both(), "onchain", 200),
        (both(is_unified=True), "lightning", 200),
        (both(is_unified=True), "onchain", 200),
        (payment(), "onchain", 200),
        (payment(), "lightning", 404),
        (both(), "card", 404),
        (both(status=Status.EXPIRED), "lightning", 404),
    ],
)
def test_the_picture_of_each_method_can_be_asked_for(
    shown: Payment, method: str, status: int
) -> None:
    get = getter(FakeGateway(shown))
    asked = get("/v1/payments/pay_1/qr.svg", accept="", QUERY_STRING=f"method={method}")
    assert asked.status == status
    if status == 200:
        both_codes = {
            get(
                "/v1/payments/pay_1/qr.svg", accept="", QUERY_STRING=f"method={name}"
            ).body
            for name in ("onchain", "lightning")
        }
        assert asked.body in both_codes


def test_the_picture_of_a_unified_payment_is_its_own() -> None:
    get = getter(FakeGateway(both(is_unified=True)))
    codes = {
        get("/v1/payments/pay_1/qr.svg", accept="", QUERY_STRING=q).body
        for q in ("", "method=onchain", "method=lightning")
    }
    assert len(codes) == 3


@pytest.mark.parametrize(
    ("state_of_it", "live"),
    [(UpstreamState.LIVE, True), (UpstreamState.FAILING, False)],
)
def test_a_page_says_when_a_payment_may_be_seen_late(
    state_of_it: UpstreamState, live: bool
) -> None:
    gateway = FakeGateway(alone())
    can = Can(push=True, description_hash=True, amountless=True, pay=True)
    gateway.accounts = [
        UpstreamReport(
            name="secret-till", kind="phoenixd", state=state_of_it, since=1, can=can
        )
    ]
    source = json.loads(getter(gateway)("/pay/pay_1.json").text)["source"]
    assert (source["live"], source["own"]) == (live, not live)
    gateway.known["pay_1"] = alone(status=Status.EXPIRED)
    assert json.loads(getter(gateway)("/pay/pay_1.json").text)["source"]["live"]


@pytest.mark.parametrize("is_unified", [False, True])
def test_of_a_deadline_behind_the_invoices_own_the_chain_is_left(
    is_unified: bool,
) -> None:
    """The deadline was moved; no node takes the invoice, and a wallet that is shown it
    says that the payment is over."""
    for at, names in ((NOW + 1, None), (NOW, "onchain")):
        shown = both(
            is_unified=is_unified,
            lightning=replace(INVOICE, expires_at=at, is_unified=is_unified),
        )
        text, told = page(shown), state(shown)
        assert (BOLT11 in text) == (names is None)
        assert ADDRESS in text
        assert told["ways"] == (
            names or ("unified" if is_unified else "lightning onchain")
        )
        path, query = "/v1/payments/pay_1/qr.svg", "method=lightning"
        code = getter(FakeGateway(shown))(path, accept="", QUERY_STRING=query)
        assert code.status == (200 if names is None else 404)


def test_what_is_over_does_not_come_back_and_both_at_one_moment_stay() -> None:
    over = replace(INVOICE, expires_at=NOW - 1)
    assert state(both(expires_at=NOW, lightning=over))["ways"] == "onchain"
    over = replace(INVOICE, expires_at=NOW)
    assert state(both(expires_at=NOW, lightning=over))["ways"] == "lightning onchain"


# -- an invoice for what is missing ----------------------------------------------------


class Offers:
    """Invoices for what is missing, as if they could be had."""

    is_away = False

    def is_offered(self, known: Payment) -> bool:
        return not self.is_away and rest_due(known, NOW) is not None

    def make(self, known: Payment, client: str) -> Payment:
        raise NotImplementedError


def short(missing: int, *, is_agreed: bool = False, **changes: Any) -> Payment:
    payment_hash = "cd" * 32
    invoice = Invoice(
        node="secret-till",
        payment_hash=payment_hash,
        bolt11=make_invoice(payment_hash, amount_msat=missing * 1000, at_s=NOW // 1000),
        amount_msat=missing * 1000,
        expires_at=NOW + HOUR // 2,
    )
    return both(
        status=Status.CONFIRMING,
        flags=(Flag.UNDERPAID,),
        receipts=(receipt(50_000 - missing),),
        rests=(invoice,) if is_agreed else (),
        **changes,
    )


def shown(known: Payment) -> tuple[str, dict[str, Any]]:
    get = getter(FakeGateway(known), rests=Offers())
    return get("/pay/pay_1").text, json.loads(get("/pay/pay_1.json").text)


def test_the_rest_is_offered_beside_the_chain() -> None:
    text, said = shown(short(20_000))
    assert 'action="pay_1/rest"' in text
    assert 'class="button plain-button" id="pay-rest"' in text
    assert "by Lightning, or to the same address." in text
    assert said["ways"] == "onchain"
    assert said["title"] == "Pay 0.0002 BTC more"


def test_what_is_too_little_for_the_chain_is_asked_for_by_lightning_alone() -> None:
    text, said = shown(short(300))
    assert 'class="button" id="pay-rest"' in text
    assert "too little for a Bitcoin transaction. Please pay it by Lightning." in text
    assert said["ways"] == ""
    assert "<b>0.000003</b> BTC" in text
    assert "300 sat still to pay" in text
    text, said = shown(short(300, is_agreed=True))
    assert "pay-rest" not in text
    assert said["ways"] == "lightning"
    assert "0.000003" in text
    assert said["title"] == "Pay 0.000003 BTC more"


@pytest.mark.parametrize(
    ("is_unified", "ways"), [(False, "lightning onchain"), (True, "unified")]
)
def test_the_invoice_for_the_rest_is_shown_and_the_one_for_all_of_it_is_not(
    is_unified: bool, ways: str
) -> None:
    known = short(20_000, is_agreed=True, is_unified=is_unified)
    text, said = shown(known)
    (invoice,) = known.terms.rests
    assert said["ways"] == ways
    assert f'data-copy="{invoice.bolt11}"' in text
    assert f'lightning={invoice.bolt11}"' in text or not is_unified
    assert BOLT11 not in text
    assert CAPITALS not in text
    assert "amount=0.0002" in text
    assert "pay-rest" not in text
    assert "secret-till" not in text


def test_an_invoice_for_another_sum_is_not_shown() -> None:
    known = short(20_000, is_agreed=True)
    moved = replace(known, receipts=(receipt(30_000), receipt(1, txid="bb" * 32)))
    text, said = shown(moved)
    assert said["ways"] == "onchain"
    assert "lnbcrt" not in text.lower()
    assert "pay-rest" in text
    full = replace(known, flags=(), receipts=(receipt(50_000),))
    text, said = shown(full)
    assert (said["stage"], said["ways"]) == ("seen", "")
    assert "pay-rest" not in text


def test_where_no_account_makes_one_nothing_is_said_of_it() -> None:
    assert "Lightning" not in page(short(300))
    assert "less than a wallet can send" in page(short(300))
    assert "pay-rest" not in page(short(20_000))


def test_an_offer_that_comes_and_goes_is_told_without_an_event() -> None:
    """The page's script shows its parts anew when this has moved."""
    offers, gateway = Offers(), FakeGateway(short(20_000))
    get = getter(gateway, rests=offers)
    said = []
    for offers.is_away in (False, True):
        state_of_it = json.loads(get("/pay/pay_1.json").text)
        said.append(state_of_it)
        assert ("pay-rest" in state_of_it["parts"]["summary"]) is not offers.is_away
    assert [one["offers_rest"] for one in said] == [True, False]
    assert said[0]["ways"] == said[1]["ways"]
