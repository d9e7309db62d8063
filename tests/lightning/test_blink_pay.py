"""Paying from an account at Blink: once, whatever is said of it and whatever is not."""

import json
from collections.abc import Iterator

import pytest

from engine.errors.lightning import NodeBusy, NodeGarbage, NodeRefused, NodeUnavailable
from engine.lightning.node import PayoutStatus
from tests.lightning.blink_stage import ask_for, blink_node, new_key
from tests.tools.blink_double import BlinkAccount, BlinkDouble
from tests.tools.blink_double.accounts import Bank
from tests.tools.receiver import Answer, hang, hang_up, raw, reply
from transport.lightning import blink_payments
from transport.lightning.blink import Blink

ANY_FEE = 10**9


@pytest.fixture
def double() -> Iterator[BlinkDouble]:
    with BlinkDouble() as double:
        yield double


@pytest.fixture
def till(double: BlinkDouble) -> BlinkAccount:
    return double.account("till", sat=10_000, usd_cents=777_777)


@pytest.fixture
def node(double: BlinkDouble, till: BlinkAccount) -> Blink:
    return blink_node(double, till)


@pytest.fixture
def shop(double: BlinkDouble) -> Blink:
    return blink_node(double, double.account("shop"))


def outside(sat: int | None = 1_000) -> tuple[str, str]:
    """An invoice of a node that is not Blink's, and its hash."""
    bank = Bank()
    invoice = bank.new_invoice(bank.account("them").btc, sat, 10)
    return invoice.bolt11, invoice.payment_hash


def test_within_blink_it_costs_nothing_and_is_done_at_once(
    node: Blink, shop: Blink, double: BlinkDouble
) -> None:
    made = ask_for(shop, 4_000)
    paid = node.pay(made.bolt11, max_fee_msat=0, key=new_key())
    assert (paid.status, paid.fee_msat) == (PayoutStatus.PAID, 0)
    assert len(paid.preimage) == 64
    assert node.payout(made.payment_hash) == paid
    assert node.balance().spendable_msat == 6_000_000
    assert shop.balance().spendable_msat == 4_000_000
    assert shop.lookup(made.payment_hash).received_msat == 4_000_000


def test_outside_the_fee_is_what_did_not_come_back(
    node: Blink, double: BlinkDouble
) -> None:
    bolt11, payment_hash = outside()
    double.outside(payment_hash, "success", fee_sat=3)
    paid = node.pay(bolt11, max_fee_msat=ANY_FEE, key=new_key())
    assert (paid.status, paid.fee_msat) == (PayoutStatus.PAID, 3_000)
    assert node.payout(payment_hash).fee_msat == 3_000
    assert node.balance().spendable_msat == 10_000_000 - 1_003_000


def test_a_fee_that_is_too_high_is_not_paid(node: Blink, double: BlinkDouble) -> None:
    bolt11, payment_hash = outside()
    double.outside(payment_hash, "success", fee_sat=3)
    with pytest.raises(NodeRefused, match="3 sat") as caught:
        node.pay(bolt11, max_fee_msat=2_999, key=new_key())
    assert caught.value.why == "route"
    assert node.payout(payment_hash).status is PayoutStatus.UNKNOWN
    paid = node.pay(bolt11, max_fee_msat=3_000, key=new_key())
    assert paid.fee_msat == 3_000


def test_the_same_key_again_moves_nothing_and_tells_how_it_stands(
    node: Blink, shop: Blink, double: BlinkDouble
) -> None:
    """The 409 replays no answer: the ledger is asked."""
    made, key = ask_for(shop, 4_000), new_key()
    first = node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=key)
    assert node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=key) == first
    assert node.balance().spendable_msat == 6_000_000
    assert double.asked_of(double.bank.accounts[0])[-3:] == [
        "lnInvoicePaymentSend", "transactionsByPaymentHash", "wallets",
    ]  # fmt: skip


def test_another_key_for_a_paid_invoice_moves_nothing_either(
    node: Blink, shop: Blink
) -> None:
    made = ask_for(shop, 4_000)
    first = node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=new_key())
    assert node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=new_key()) == first
    assert node.balance().spendable_msat == 6_000_000


def test_an_invoice_that_somebody_else_paid_is_not_paid_by_us(
    node: Blink, shop: Blink, double: BlinkDouble
) -> None:
    made = ask_for(shop, 4_000)
    other = blink_node(double, double.account("other", sat=9_000))
    other.pay(made.bolt11, max_fee_msat=ANY_FEE, key=new_key())
    with pytest.raises(NodeRefused) as caught:
        node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=new_key())
    assert caught.value.why == "paid"
    assert node.payout(made.payment_hash).status is PayoutStatus.UNKNOWN
    assert node.balance().spendable_msat == 10_000_000


@pytest.mark.parametrize("kept", [0, 1, 60, 200, -1])
def test_an_answer_that_is_lost_after_success_is_found_in_the_ledger(
    node: Blink, shop: Blink, double: BlinkDouble, kept: int
) -> None:
    made, key = ask_for(shop, 4_000), new_key()
    double.faults["lnInvoicePaymentSend"] = [lambda answer: raw(answer[:kept])]
    with pytest.raises((NodeUnavailable, NodeGarbage)):
        node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=key)
    assert node.payout(made.payment_hash).status is PayoutStatus.PAID
    again = node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=key)
    assert again.status is PayoutStatus.PAID
    assert node.balance().spendable_msat == 6_000_000


def test_a_request_that_never_arrived_may_be_made_again(
    node: Blink, shop: Blink, double: BlinkDouble
) -> None:
    made, key = ask_for(shop, 4_000), new_key()
    double.instead["lnInvoicePaymentSend"] = [hang_up()]
    with pytest.raises(NodeUnavailable):
        node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=key)
    assert node.payout(made.payment_hash).status is PayoutStatus.UNKNOWN
    paid = node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=key)
    assert paid.status is PayoutStatus.PAID


def test_an_error_after_the_books_is_a_payment(
    node: Blink, shop: Blink, double: BlinkDouble
) -> None:
    """`send-lightning.ts` books, and then may fail to cancel the other invoice."""
    made = ask_for(shop, 4_000)
    double.sender.after_the_books = [("Offchain action failed …", "LND_OFFLINE")]
    paid = node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=new_key())
    assert paid.status is PayoutStatus.PAID
    assert node.balance().spendable_msat == 6_000_000


def test_a_key_that_was_used_and_nothing_in_the_ledger_may_be_on_its_way(
    node: Blink, shop: Blink, double: BlinkDouble, till: BlinkAccount
) -> None:
    made, key = ask_for(shop, 4_000), new_key()
    double._keys[key] = double.bank.now_s()
    with pytest.raises(NodeUnavailable, match="409"):
        node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=key)


def test_after_a_refusal_for_certain_the_next_attempt_is_not_locked_out(
    node: Blink, double: BlinkDouble, till: BlinkAccount, shop: Blink
) -> None:
    """Blink locks a key for an hour, also where it refused the payment."""
    made, key = ask_for(shop, 11_000), new_key()
    for _ in range(2):
        with pytest.raises(NodeRefused) as caught:
            node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=key)
        assert caught.value.why == "funds"
    till.btc.balance += 5_000
    paid = node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=key)
    assert paid.status is PayoutStatus.PAID
    # And that one is locked: nothing is paid twice.
    assert node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=key).status is paid.status
    assert node.balance().spendable_msat == 4_000_000


def test_what_is_on_its_way_is_pending_until_it_is_done(
    node: Blink, double: BlinkDouble
) -> None:
    bolt11, payment_hash = outside()
    double.outside(payment_hash, "pending")
    key = new_key()
    assert node.pay(bolt11, max_fee_msat=ANY_FEE, key=key).status is (
        PayoutStatus.PENDING
    )
    assert node.payout(payment_hash).status is PayoutStatus.PENDING
    # With the same key a 409, with another one `INVALID_INPUT`: it is pending.
    for again in (key, new_key()):
        paid = node.pay(bolt11, max_fee_msat=ANY_FEE, key=again)
        assert paid.status is PayoutStatus.PENDING
    double.finish(payment_hash, "success", fee_sat=2)
    assert node.payout(payment_hash).status is PayoutStatus.PAID
    assert node.payout(payment_hash).fee_msat == 2_000


def test_what_was_on_its_way_may_fail(node: Blink, double: BlinkDouble) -> None:
    bolt11, payment_hash = outside()
    double.outside(payment_hash, "pending")
    node.pay(bolt11, max_fee_msat=ANY_FEE, key=new_key())
    double.finish(payment_hash, "failure")
    assert node.payout(payment_hash).status is PayoutStatus.FAILED
    assert node.balance().spendable_msat == 10_000_000


def test_a_payment_that_failed_has_failed_and_may_be_tried_again(
    node: Blink, double: BlinkDouble
) -> None:
    bolt11, payment_hash = outside()
    double.outside(payment_hash, "failure")
    key = new_key()
    failed = node.pay(bolt11, max_fee_msat=ANY_FEE, key=key)
    assert failed.status is PayoutStatus.FAILED
    assert failed.reason
    assert node.balance().spendable_msat == 10_000_000
    double.outside(payment_hash, "success", fee_sat=1)
    paid = node.pay(bolt11, max_fee_msat=ANY_FEE, key=key)
    assert (paid.status, paid.fee_msat) == (PayoutStatus.PAID, 1_000)


def test_already_paid_by_the_other_node_is_a_refusal(
    node: Blink, double: BlinkDouble
) -> None:
    bolt11, payment_hash = outside()
    double.outside(payment_hash, "already")
    with pytest.raises(NodeRefused) as caught:
        node.pay(bolt11, max_fee_msat=ANY_FEE, key=new_key())
    assert caught.value.why == "paid"
    assert node.balance().spendable_msat == 10_000_000


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("INSUFFICIENT_BALANCE", "funds"),
        ("TRANSACTION_RESTRICTED", "amount"),
        ("CANT_PAY_SELF", "other"),
        ("ROUTE_FINDING_ERROR", "route"),
        ("INVALID_INPUT", "other"),
        ("NOT_AUTHORIZED", "key"),
    ],
)
def test_a_clear_no_is_one(
    node: Blink, shop: Blink, double: BlinkDouble, code: str, why: str
) -> None:
    made = ask_for(shop)
    double.instead["lnInvoicePaymentSend"] = [_payload(code)]
    with pytest.raises(NodeRefused) as caught:
        node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=new_key())
    assert caught.value.why == why


@pytest.mark.parametrize(
    "code", ["LIGHTNING_PAYMENT_ERROR", "UNEXPECTED_CLIENT_ERROR", "DB_ERROR", None]
)
def test_an_error_that_proves_nothing_is_no_refusal(
    node: Blink, shop: Blink, double: BlinkDouble, code: str | None
) -> None:
    made = ask_for(shop)
    double.instead["lnInvoicePaymentSend"] = [_payload(code)]
    with pytest.raises(NodeUnavailable):
        node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=new_key())


def test_too_many_are_a_wait(node: Blink, shop: Blink, double: BlinkDouble) -> None:
    made = ask_for(shop)
    for answer in (_payload("TOO_MANY_REQUEST"), reply(429, [("Retry-After", "7")])):
        double.instead["lnInvoicePaymentSend"] = [answer]
        with pytest.raises(NodeBusy) as caught:
            node.pay(made.bolt11, max_fee_msat=ANY_FEE, key=new_key())
        assert caught.value.retry_after_s


def test_what_cannot_be_paid_is_not_asked_for(node: Blink, double: BlinkDouble) -> None:
    mainnet = (
        "lnbc2500u1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xys"
        "xxatsyp3k7enxv4jsxqzpusp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygs9q"
        "rsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegex"
        "t0eh0ymjpf39tuven09sam30g4vgpfna3rh"
    )
    amountless, _hash = outside(None)
    for bolt11 in (mainnet, amountless, "lnbcrt1", ""):
        with pytest.raises(NodeRefused):
            node.pay(bolt11, max_fee_msat=ANY_FEE, key=new_key())
    assert "lnInvoicePaymentSend" not in [field for _name, field in double.asked]


def _payload(code: str | None) -> Answer:
    error = {"message": "words of theirs", "code": code}
    payload = {"status": "FAILURE", "errors": [error], "transaction": None}
    body = json.dumps({"data": {"lnInvoicePaymentSend": payload}}).encode()
    return reply(200, body=body)


def test_a_probe_that_is_not_answered_leaves_time_and_pays_nothing(
    node: Blink, double: BlinkDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows it must have begun before its absence is believed."""
    monkeypatch.setattr(blink_payments, "PROBE_S", 0.3)
    double.instead["lnInvoiceFeeProbe"] = [hang(), hang()]
    bolt11, payment_hash = outside()
    with pytest.raises(NodeUnavailable, match=r"within 0\.3 s"):
        node.pay(bolt11, max_fee_msat=1_000, key=new_key())
    assert node.payout(payment_hash).status is PayoutStatus.UNKNOWN
