"""What is given: a payment as the contract says, a problem as RFC 9457 says."""

import json
from typing import Any

import msgspec
from msgspec.structs import replace

from engine.errors.codes import Code
from engine.payment.events import Change, Event, encode, with_offset
from engine.payment.model import (
    LIGHTNING,
    EventType,
    Flag,
    Invoice,
    Payment,
    Receipt,
    Settled,
    Status,
    Terms,
    lightning_key,
)
from transport.bodies.problem_body import FieldError
from transport.http.problems import Problem
from transport.http.views import view
from transport.live.allow_list import (
    event_for_strangers,
    event_for_visitors,
    state_for_strangers,
)


def test_a_payment_is_shown_as_the_contract_says() -> None:
    terms = Terms(
        id="pay_1",
        network="regtest",
        address="bcrt1qexample",
        amount_sat=50_000,
        created_at=1_767_323_045_678,
        expires_at=1_767_326_645_678,
        monitor_until=1_767_326_645_678,
        external_id="order-1",
    )
    receipt = Receipt("aa" * 32, 1, 50_000, "bb" * 32, 7, 3)
    payment = Payment(terms, Status.CONFIRMED, (Flag.LATE,), (receipt,), seq=4)
    shown = json.loads(msgspec.json.encode(view(payment)))
    assert shown == {
        "id": "pay_1",
        "status": "confirmed",
        "flags": ["late"],
        "method": "onchain",
        "network": "regtest",
        "asset": "BTC",
        "decimals": 8,
        "tx_hash": "aa" * 32,
        "forwarding_tx_hash": None,
        "confirmed_at": None,
        "completed_at": None,
        "address": "bcrt1qexample",
        "uri": "bitcoin:bcrt1qexample?amount=0.0005",
        "amount_sat": 50_000,
        "tolerance_sat": 0,
        "quorum_above_sat": None,
        "received_sat": 50_000,
        "confirmed_sat": 50_000,
        "refunded_sat": 0,
        "confirmations": 3,
        "confirmations_required": 3,
        "receipts": [
            {
                "txid": "aa" * 32,
                "vout": 1,
                "amount_sat": 50_000,
                "block_hash": "bb" * 32,
                "block_height": 7,
                "confirmations": 3,
            }
        ],
        "external_id": "order-1",
        "merchant": "default",
        "metadata": {},
        "created_at": "2026-01-02T03:04:05.678Z",
        "expires_at": "2026-01-02T04:04:05.678Z",
        "seq": 4,
        "checkout_url": "/pay/pay_1",
    }
    assert view(payment, client_secret="cs_x").client_secret == "cs_x"
    reward = replace(payment, receipts=(replace(receipt, is_coinbase=True),))
    (of_a_miner,) = json.loads(msgspec.json.encode(view(reward)))["receipts"]
    assert of_a_miner == {**shown["receipts"][0], "is_coinbase": True}
    assert view(reward).confirmed_sat == 0, "it is not mature"


def test_a_problem_is_told_as_rfc_9457_says() -> None:
    problem = Problem(
        Code.INVALID_REQUEST, "wrong", errors=(FieldError("/a", "must be b"),)
    )
    assert json.loads(problem.body({"paybell.request_id": "0123"})) == {
        "type": "/docs/errors#invalid_request",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "wrong",
        "code": "invalid_request",
        "request_id": "0123",
        "errors": [{"path": "/a", "message": "must be b"}],
    }


INVOICE = Invoice(
    node="till",
    payment_hash="ab" * 32,
    bolt11="lnbcrt500u1pjexample",
    amount_msat=50_000_000,
    expires_at=1_767_326_645_678,
)
BOTH = Terms(
    id="pay_1",
    network="regtest",
    address="bcrt1qexample",
    amount_sat=50_000,
    created_at=1_767_323_045_678,
    expires_at=1_767_326_645_678,
    monitor_until=1_767_326_645_678,
    lightning=INVOICE,
)
ALONE = replace(
    BOTH,
    method=LIGHTNING,
    address=lightning_key(INVOICE.payment_hash),
    confirmations_required=0,
)
SETTLED = Receipt(
    "ab" * 32,
    0,
    50_000,
    settled=Settled(net_sat=49_680, fee_sat=300, credit_sat=20, msat=999),
)


def shown(payment: Payment) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(msgspec.json.encode(view(payment)))
    return found


def test_a_lightning_payment_is_shown_with_its_invoice_and_without_an_address() -> None:
    of_lightning = shown(Payment(ALONE))
    assert of_lightning["method"] == "lightning"
    assert of_lightning["methods"] == ["lightning"]
    assert of_lightning["address"] is None
    assert of_lightning["uri"] == "lightning:LNBCRT500U1PJEXAMPLE"
    assert of_lightning["lightning"] == {
        "bolt11": "lnbcrt500u1pjexample",
        "payment_hash": "ab" * 32,
        "expires_at": "2026-01-02T04:04:05.678Z",
        "amount_msat": 50_000_000,
    }
    assert "till" not in json.dumps(of_lightning), "the account's name is the shop's"


def test_a_payment_of_both_has_both() -> None:
    of_both = shown(Payment(BOTH))
    assert of_both["method"] == "onchain"
    assert of_both["methods"] == ["onchain", "lightning"]
    assert of_both["uri"] == "bitcoin:bcrt1qexample?amount=0.0005"
    assert of_both["lightning"]["bolt11"] == INVOICE.bolt11
    unified = replace(BOTH, lightning=replace(INVOICE, is_unified=True))
    assert shown(Payment(unified))["uri"].endswith("&lightning=LNBCRT500U1PJEXAMPLE")
    without = shown(Payment(replace(BOTH, lightning=None)))
    assert not {"methods", "lightning", "warnings"} & without.keys()


def test_gross_fee_and_credit_of_a_settled_invoice_stand_apart() -> None:
    payment = Payment(BOTH, Status.CONFIRMED, receipts=(SETTLED,))
    (receipt,) = shown(payment)["receipts"]
    assert receipt == {
        "txid": "ab" * 32,
        "vout": 0,
        "amount_sat": 50_000,
        "block_hash": None,
        "block_height": None,
        "confirmations": 0,
        "method": "lightning",
        "net_sat": 49_680,
        "fee_sat": 300,
        "credit_sat": 20,
        "msat": 999,
    }


def test_a_stranger_sees_neither_the_invoice_nor_what_the_node_kept() -> None:
    payment = Payment(BOTH, Status.CONFIRMED, receipts=(SETTLED,))
    state = json.loads(state_for_strangers(msgspec.json.encode(view(payment))))
    assert "lightning" not in state
    assert state["methods"] == ["onchain", "lightning"]
    (receipt,) = state["receipts"]
    assert (receipt["txid"], receipt["method"]) == ("ab" * 32, "lightning")
    assert not {"net_sat", "fee_sat", "credit_sat", "msat"} & receipt.keys()
    for kind, data in (
        (EventType.CREATED, Change(terms=BOTH)),
        (EventType.DETECTED, Change(receipt=SETTLED)),
    ):
        event = Event(
            payment_id="pay_1",
            seq=1,
            type=kind,
            at=1,
            status=Status.PENDING,
            flags=(),
            received_sat=0,
            confirmations=0,
            txid=None,
            data=data,
        )
        wire = with_offset(1, encode(event, BOTH), "0a1b2c3d")
        for told in (event_for_strangers(wire), event_for_visitors(wire)):
            for word in (b"lnbcrt", b"till", b"fee_sat", b"credit_sat", b"settled"):
                assert word not in told, word


def test_an_invoice_for_the_rest_that_is_over_is_shown_no_more() -> None:
    """A deadline may be far behind it: a wallet that is given it says that the payment
    is over, though the chain pays it."""
    first = Invoice(
        node="till",
        payment_hash="ab" * 32,
        bolt11="lnbcrt1first",
        amount_msat=50_000_000,
        expires_at=9_000_000,
        is_unified=True,
    )
    rest = replace(
        first, bolt11="lnbcrt1rest", amount_msat=20_000_000, expires_at=2_000_000
    )
    terms = Terms(
        id="pay_1",
        network="regtest",
        address="bcrt1qexample",
        amount_sat=50_000,
        created_at=1_000_000,
        expires_at=10_000_000,
        monitor_until=10_000_000,
        lightning=first,
        rests=(replace(rest, payment_hash="cd" * 32),),
    )
    short = Payment(terms, Status.CONFIRMING, receipts=(Receipt("aa" * 32, 0, 30_000),))
    open_, over = (view(short, now=now) for now in (1_999_999, 2_000_000))
    assert (open_.uri or "").endswith("&lightning=LNBCRT1REST")
    assert "LNBCRT1REST" not in (over.uri or "")
    shown = [json.loads(msgspec.json.encode(one))["lightning"] for one in (open_, over)]
    assert ["rest" in one for one in shown] == [True, False]
