"""Blink against its double: invoices, look-ups, the balance, what was paid, errors."""

import hashlib
import time
from collections.abc import Iterator

import pytest

from engine.errors.lightning import (
    NodeBusy,
    NodeGarbage,
    NodeRefused,
    NodeUnavailable,
)
from engine.lightning.invoice import check_invoice, read_invoice
from engine.lightning.node import Can, InvoiceAsked, InvoiceStatus
from tests.lightning.blink_stage import ask_for, blink_node, cut_at
from tests.tools.blink_double import BlinkAccount, BlinkDouble
from tests.tools.receiver import hang_up
from transport.lightning import blink
from transport.lightning.blink import SETTLING_S, Blink


@pytest.fixture
def double() -> Iterator[BlinkDouble]:
    with BlinkDouble() as double:
        yield double


@pytest.fixture
def till(double: BlinkDouble) -> BlinkAccount:
    return double.account("till", sat=5_000, usd_cents=777_777)


@pytest.fixture
def node(double: BlinkDouble, till: BlinkAccount) -> Blink:
    return blink_node(double, till)


def test_it_says_what_it_can_and_shows_no_key(node: Blink, till: BlinkAccount) -> None:
    assert node.can == Can(push=True, description_hash=True, amountless=True, pay=True)
    assert till.key not in repr(node)
    assert till.key not in repr(vars(node))


@pytest.mark.parametrize(
    "asked",
    [
        {"amount_msat": 1_000, "expires_in_s": 60},
        {"amount_msat": 21_000, "expires_in_s": 61, "description": "two coffees ☕"},
        {"amount_msat": 9_000_000_000, "expires_in_s": 86_400},
        {"amount_msat": None, "expires_in_s": 3_599},
        {
            "amount_msat": 5_000,
            "expires_in_s": 600,
            "description_hash": hashlib.sha256(b"[]").hexdigest(),
        },
    ],
    ids=["one satoshi", "minutes", "a day", "amountless", "description hash"],
)
def test_an_invoice_is_the_one_that_was_asked_for(
    node: Blink, double: BlinkDouble, till: BlinkAccount, asked: dict[str, object]
) -> None:
    wanted = InvoiceAsked(payment_id="pay_1", **asked)  # type: ignore[arg-type]
    asked_at = int(time.time() * 1000)
    made = node.create(wanted)
    now_ms = int(time.time() * 1000)
    invoice = check_invoice(made, wanted, "regtest", now_ms, "till")
    assert invoice.amount_msat == wanted.amount_msat
    # An invoice counts whole seconds, from when it is made: that is after it was asked.
    assert invoice.expires_at >= asked_at + wanted.expires_in_s * 1000 - 1000
    # Of the wallet that counts in satoshi, and of no other.
    assert double.bank.invoices[made.payment_hash].wallet is till.btc


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"amount_msat": 1_500}, "amount"),
        ({"amount_msat": 1}, "amount"),
        ({"amount_msat": 0}, "amount"),
        ({"amount_msat": 1_000, "expires_in_s": 86_401}, "other"),
        ({"amount_msat": 1_000, "description": "é" * 320}, "other"),
        ({"amount_msat": None, "description_hash": "ab" * 32}, "other"),
    ],
)
def test_what_blink_cannot_make_is_refused_before_it_is_asked(
    node: Blink, double: BlinkDouble, asked: dict[str, object], why: str
) -> None:
    fields = {"payment_id": "pay_1", "expires_in_s": 600, **asked}
    with pytest.raises(NodeRefused) as caught:
        node.create(InvoiceAsked(**fields))  # type: ignore[arg-type]
    assert caught.value.why == why
    assert double.asked == []


def test_too_many_invoices_are_a_wait(node: Blink, double: BlinkDouble) -> None:
    double.graph.invoices_per_minute = 2
    ask_for(node)
    ask_for(node)
    with pytest.raises(NodeBusy) as caught:
        ask_for(node)
    assert caught.value.retry_after_s


def test_a_creation_goes_on_over_a_connection_that_broke(
    node: Blink, double: BlinkDouble
) -> None:
    """An idle one, most likely; if not, there is an invoice that nobody ever sees."""
    double.instead["lnInvoiceCreate"] = [hang_up()]
    ask_for(node)
    assert len(double.bank.invoices) == 1
    double.faults["lnInvoiceCreate"] = [cut_at(0)]
    ask_for(node)
    assert len(double.bank.invoices) == 3


def test_an_answer_to_a_creation_that_is_lost_again_is_no_invoice(
    node: Blink, double: BlinkDouble
) -> None:
    double.faults["lnInvoiceCreate"] = [cut_at(0), cut_at(0)]
    with pytest.raises(NodeUnavailable):
        ask_for(node)
    double.faults["lnInvoiceCreate"] = [cut_at(200)]
    with pytest.raises((NodeUnavailable, NodeGarbage)):
        ask_for(node)


def test_how_an_invoice_stands(
    node: Blink, double: BlinkDouble, till: BlinkAccount
) -> None:
    made = ask_for(node, 1_000)
    assert node.lookup(made.payment_hash).status is InvoiceStatus.OPEN
    double.pay_from_outside(made.payment_hash)
    seen = node.lookup(made.payment_hash)
    assert seen.status is InvoiceStatus.PAID
    assert (seen.received_msat, seen.fee_msat, seen.credit_msat) == (1_000_000, 0, 0)
    assert seen.settled_at is not None
    assert node.lookup("ab" * 32).status is InvoiceStatus.UNKNOWN
    # Invoices of somebody else at Blink are none of ours.
    other = ask_for(blink_node(double, double.account("other")))
    assert node.lookup(other.payment_hash).status is InvoiceStatus.UNKNOWN


def test_the_sum_of_an_amountless_invoice_is_what_came(
    node: Blink, double: BlinkDouble
) -> None:
    made = ask_for(node, None)
    double.pay_from_outside(made.payment_hash, 777)
    assert node.lookup(made.payment_hash).received_msat == 777_000


def test_paid_and_not_booked_yet_has_no_sum_and_is_no_answer(
    node: Blink, double: BlinkDouble
) -> None:
    made = ask_for(node)
    double.bank.invoices[made.payment_hash].paid = True
    with pytest.raises(NodeUnavailable, match="not booked"):
        node.lookup(made.payment_hash)


def test_booked_counts_before_it_is_marked_as_paid(
    node: Blink, double: BlinkDouble
) -> None:
    made = ask_for(node)
    double.pay_from_outside(made.payment_hash)
    double.bank.invoices[made.payment_hash].paid = False
    assert node.lookup(made.payment_hash).status is InvoiceStatus.PAID


def test_expired_counts_when_what_came_before_must_have_been_booked(
    double: BlinkDouble, till: BlinkAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = blink_node(double, till)
    made = ask_for(node, expires_in_s=60)
    expiry_s = read_invoice(made.bolt11).expires_at / 1000
    double.bank.ahead_s = expiry_s + 1 - time.time()
    now_s = [expiry_s + 1]
    monkeypatch.setattr(node, "_clock", lambda: now_s[0])
    assert node.lookup(made.payment_hash).status is InvoiceStatus.OPEN
    now_s[0] = expiry_s + SETTLING_S
    assert node.lookup(made.payment_hash).status is InvoiceStatus.EXPIRED
    double.pay_from_outside(made.payment_hash)  # it was held, and settled much later
    assert node.lookup(made.payment_hash).status is InvoiceStatus.PAID


def test_the_balance_is_of_the_wallet_in_satoshi(
    double: BlinkDouble, till: BlinkAccount, node: Blink
) -> None:
    assert node.balance().spendable_msat == 5_000_000
    named = blink_node(double, till, wallet=till.btc.id)
    assert named.balance().spendable_msat == 5_000_000


def test_a_balance_that_lies_is_not_believed(till: BlinkAccount, node: Blink) -> None:
    till.btc.balance = -7
    assert node.balance().spendable_msat == 0
    till.btc.balance = 21_000_000 * 10**8 + 1
    with pytest.raises(NodeGarbage, match="more than there is"):
        node.balance()


@pytest.mark.parametrize("wallet", ["usd", "none"])
def test_another_wallet_than_one_in_satoshi_is_never_used(
    double: BlinkDouble, till: BlinkAccount, wallet: str
) -> None:
    id_ = till.usd.id if wallet == "usd" else "00000000-0000-4000-8000-000000000000"
    node = blink_node(double, till, wallet=id_)
    for ask in (node.balance, lambda: ask_for(node), lambda: node.lookup("ab" * 32)):
        with pytest.raises(NodeRefused, match="no BTC wallet"):
            ask()
    assert double.bank.invoices == {}


# What was paid since.


def test_a_fresh_installation_begins_now(node: Blink, double: BlinkDouble) -> None:
    old = ask_for(node)
    double.pay_from_outside(old.payment_hash)
    page = node.paid_since("")
    assert (page.paid, page.more) == ((), False)
    made = ask_for(node)
    double.pay_from_outside(made.payment_hash)
    paid = node.paid_since(page.cursor).paid
    assert paid[-1].payment_hash == made.payment_hash


def test_an_account_without_any_transaction_begins_at_the_beginning(
    node: Blink, double: BlinkDouble
) -> None:
    cursor = node.paid_since("").cursor
    assert cursor, "an empty one would begin anew for ever"
    made = ask_for(node)
    double.pay_from_outside(made.payment_hash)
    assert [x.payment_hash for x in node.paid_since(cursor).paid] == [made.payment_hash]


def test_everything_that_was_paid_meanwhile_is_read_page_by_page(
    node: Blink,
    double: BlinkDouble,
    till: BlinkAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blink, "PAGE", 7)
    cursor = node.paid_since("").cursor
    start_s = time.time() - 3_600
    hashes = [f"{number:064x}" for number in range(40)]
    for number, payment_hash in enumerate(hashes):
        at_s = start_s + number * 30
        # Among dollars, what was sent, and what is on its way.
        double.bank.book(till.usd, 5, "cd" * 32, created_at_s=at_s)
        double.bank.book(till.btc, -5, "ef" * 32, created_at_s=at_s, status="PENDING")
        double.bank.book(till.btc, 100, payment_hash, created_at_s=at_s)
    told: list[str] = []
    for _ in range(20):
        page = node.paid_since(cursor)
        told += [seen.payment_hash for seen in page.paid]
        cursor = page.cursor
        if not page.more:
            break
    assert told == hashes  # the oldest first
    # What is old is told once; what is newest may be told again.
    assert len(node.paid_since(cursor).paid) < 7


def test_a_line_that_another_server_commits_late_is_not_lost(
    node: Blink, double: BlinkDouble, till: BlinkAccount
) -> None:
    cursor = node.paid_since("").cursor
    late = double.bank.book(till.btc, 5, "01" * 32, process=1)
    double.graph.hide = lambda tx: tx is late
    double.bank.book(till.btc, 6, "02" * 32, process=2)  # a greater id, seen earlier
    page = node.paid_since(cursor)
    assert [x.payment_hash for x in page.paid] == ["02" * 32]
    double.graph.hide = lambda tx: False
    page = node.paid_since(page.cursor)
    assert "01" * 32 in [x.payment_hash for x in page.paid]


def test_a_cursor_of_another_kind_of_node_reads_everything(
    node: Blink, double: BlinkDouble
) -> None:
    made = ask_for(node)
    double.pay_from_outside(made.payment_hash)
    page = node.paid_since("1712785550079")
    assert [x.payment_hash for x in page.paid] == [made.payment_hash]
