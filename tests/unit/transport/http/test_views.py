"""What is given: a payment as the contract says, a problem as RFC 9457 says."""

import json

import msgspec
from msgspec.structs import replace

from engine.codes import Code
from engine.payment.model import Flag, Payment, Receipt, Status, Terms
from transport.http.problems import Problem
from transport.http.views import view
from transport.problem_body import FieldError


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
