"""The rest of a short payment by Lightning: which invoice is due, and that each counts
once, in whatever order what it brings is told."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain.feed import Output
from engine.errors import AmendmentRefused, Refused
from engine.payment.amendment import changes_of
from engine.payment.booked import booked_of
from engine.payment.changed import Amend
from engine.payment.events import encode
from engine.payment.lightning_rules import expires_at, open_invoices
from engine.payment.model import EventType, Flag, Invoice, Payment, Status
from engine.payment.observations import AgreeRest, InvoiceGone, Observation
from engine.payment.rest_rules import (
    RestDue,
    rest_due,
    rest_shown,
    short_sat,
)
from engine.payment.review import ReviewState, judge
from engine.payment.rules import follow
from engine.payment.search import new_txid, txid_key, txid_keys
from engine.payment.uri import invoice_uri, rest_uri
from tests.unit.payment_cases import (
    EXPIRY,
    INVOICE_HASH,
    T0,
    Told,
    alone,
    both,
    gone,
    invoice,
    mempool,
    mined,
    replayed,
    settled,
    terms,
    view,
)

FEE = 300
"""What an exchange kept of 50,000."""


def rest(number: int, sat: int, **changes: Any) -> Invoice:
    more = {"payment_hash": f"{number:064x}", "amount_msat": sat * 1000} | changes
    return invoice(bolt11=f"lnbcrt{number}", **more)


def agree(number: int, sat: int, **changes: Any) -> AgreeRest:
    return AgreeRest(invoice=rest(number, sat, **changes), by="payer")


def paid(number: int, sat: int) -> Observation:
    return settled(sat, payment_hash=f"{number:064x}")


def short(sat: int = FEE, **changes: Any) -> Told:
    """50,000 are asked for, and so much less came over the chain, deep enough."""
    told = both(**changes)
    told(view(mined("t1", 998, 50_000 - sat)))
    assert Flag.UNDERPAID in told.payment.flags
    return told


# -- what is due -----------------------------------------------------------------------


def test_a_short_payment_may_have_an_invoice_for_exactly_the_rest() -> None:
    told = short()
    assert short_sat(told.payment) == FEE
    due = rest_due(told.payment, told.now)
    assert due is not None
    assert due.amount_sat == FEE
    assert told.now + due.expires_in_s * 1000 < told.payment.terms.expires_at
    assert due.expires_in_s % 60 == 0
    assert told(agree(1, FEE)) == ["updated"]
    assert rest_shown(told.payment, told.now) == rest(1, FEE)
    assert rest_due(told.payment, told.now) is None, "it has one"
    assert told.last.data.by == "payer"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (both(), "nothing came"),
        (alone(), "no coins can come"),
        (Told(terms()), "no Lightning"),
        (both(amount_sat=None, lightning=invoice(amount_msat=None)), "any sum"),
    ],
)
def test_nothing_is_due_of_what_is_not_short(told: Told, why: str) -> None:
    if told.payment.terms.has_chain and why != "nothing came":
        told(view(mempool("t1", 10)))
    assert short_sat(told.payment) == 0, why
    assert rest_due(told.payment, told.now) is None, why
    with pytest.raises(Refused):
        told(agree(1, 49_990))


def test_nothing_is_due_of_what_is_paid_expired_or_within_the_tolerance() -> None:
    told = both()
    told(view(mempool("t1")))
    assert short_sat(told.payment) == 0
    told = both(tolerance_sat=FEE)
    told(view(mempool("t1", 50_000 - FEE)))
    assert short_sat(told.payment) == 0
    told = short()
    assert told.review(EXPIRY, EXPIRY) == ["expired"]
    assert Flag.UNDERPAID in told.payment.flags
    assert short_sat(told.payment) == 0


def test_the_invoice_is_over_before_the_payment_is() -> None:
    told = short()
    deadline = told.payment.terms.expires_at
    for left_s, wanted_s in ((64, None), (65, 60), (124, 60), (125, 120)):
        due = rest_due(told.payment, deadline - left_s * 1000)
        assert (due and due.expires_in_s) == wanted_s, left_s
    far = replace(told.payment, terms=replace(told.payment.terms, expires_at=10**13))
    assert rest_due(far, told.now) == RestDue(FEE, 86_400)


def test_another_sum_is_due_anew_and_the_same_one_is_not() -> None:
    told = short()
    told(agree(1, FEE))
    assert told(agree(2, FEE)) == [], "somebody was first"
    assert told.payment.terms.rests == (rest(1, FEE),)
    told(view(mined("t1", 998, 50_000 - FEE), mempool("t2", 100)))
    assert rest_shown(told.payment, told.now) is None, "it is for too much"
    assert rest_due(told.payment, told.now) is not None
    assert told(agree(3, FEE - 100)) == ["updated"]
    moved = told.last.data.changed
    assert moved is not None
    assert moved.lightning_rest is not None
    assert moved.lightning_rest.old == rest(1, FEE)
    assert rest_shown(told.payment, told.now) == rest(3, FEE - 100)


def test_when_the_sum_is_the_old_one_again_so_is_the_invoice() -> None:
    told = short()
    told(agree(1, FEE))
    told(view(mined("t1", 998, 50_000 - FEE), mempool("t2", 100)))
    told(agree(2, 200))
    told(view(mined("t1", 998, 50_000 - FEE), mempool("t3", 0)))
    assert short_sat(told.payment) == FEE
    assert rest_shown(told.payment, told.now) == rest(1, FEE)


def test_one_that_is_over_is_due_anew() -> None:
    told = short()
    told(agree(1, FEE, expires_at=T0 + 60_000))
    assert rest_shown(told.payment, T0 + 59_999) == rest(1, FEE, expires_at=T0 + 60_000)
    assert rest_shown(told.payment, T0 + 60_000) is None
    assert told(agree(2, FEE), after_ms=60_000) == ["updated"]


def test_a_payer_gets_five_and_no_more() -> None:
    told = short()
    for number in range(1, 5 + 1):
        until = told.now + 1
        assert told(agree(number, FEE, expires_at=until)) == ["updated"]
        told.now = until
    assert rest_due(told.payment, told.now) is None
    with pytest.raises(Refused):
        told(agree(9, FEE))


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_msat": FEE * 1000 + 1},
        {"amount_msat": None},
        {"node": "another"},
        {"payment_hash": INVOICE_HASH},
        {"expires_at": T0},
    ],
)
def test_an_invoice_that_is_not_for_the_rest_is_refused(changes: Any) -> None:
    told = short()
    with pytest.raises(Refused):
        told(agree(1, FEE, **changes))
    assert told.payment.terms.rests == ()


# -- what comes of it ------------------------------------------------------------------


def test_the_rest_by_lightning_completes_what_the_chain_has_confirmed() -> None:
    told = short()
    told(agree(1, FEE))
    assert told(paid(1, FEE)) == ["detected", "confirmed"]
    assert told.last.data.settled_sat == 50_000
    assert told.payment.flags == ()
    assert short_sat(told.payment) == 0
    assert rest_shown(told.payment, told.now) is None


def test_the_rest_by_lightning_waits_for_the_depth_of_the_coins() -> None:
    told = both()
    told(view(mempool("t1", 49_700)))
    told(agree(1, FEE))
    assert told(paid(1, FEE)) == ["detected"]
    assert told(view(mined("t1", 1000, 49_700), tip=1002))[-1] == "confirmed"


def test_the_invoice_for_all_of_it_is_too_much_and_counts() -> None:
    told = short()
    told(agree(1, FEE))
    told(paid(1, FEE))
    assert told(settled()) == ["detected", "overpaid"]
    assert told.last.data.excess_sat == 50_000
    assert told.payment.received_sat == 100_000


def test_a_rest_that_nobody_is_shown_any_more_counts_if_it_is_paid() -> None:
    told = short()
    told(agree(1, FEE))
    told(view(mined("t1", 998, 49_700), mined("t2", 998, FEE)))
    assert told.payment.status is Status.CONFIRMED
    assert rest_shown(told.payment, told.now) is None
    assert told(paid(1, FEE)) == ["detected", "overpaid"]
    assert told.last.data.excess_sat == FEE


def test_what_another_payment_or_node_was_paid_is_not_counted() -> None:
    told = short()
    told(agree(1, FEE))
    assert told(paid(2, FEE)) == []
    assert told(settled(FEE, payment_hash=f"{1:064x}", node="another")) == []


def test_both_invoices_are_in_the_books_with_what_their_node_kept() -> None:
    told = short()
    told(agree(1, FEE))
    told(settled(FEE, payment_hash=f"{1:064x}", fee_msat=10_000))
    told(settled(fee_msat=5_000))
    booked = booked_of(told.payment)
    assert booked.sold_sat == 100_000
    assert booked.sold_lightning_sat == 50_300
    assert booked.lightning_fee_sat == 15


def test_what_is_told_of_a_rest_names_its_invoice() -> None:
    told = short()
    told(agree(1, FEE))
    assert f'"payment_hash":"{INVOICE_HASH}"'.encode() in _wire(told)
    told(paid(1, FEE))
    assert f'"payment_hash":"{1:064x}"'.encode() in _wire(told)
    assert replayed(told.events) == told.payment


def test_a_payment_is_found_by_an_invoice_that_is_not_paid_yet() -> None:
    told = short()
    told(agree(1, FEE))
    assert txid_key(f"{1:064x}") in txid_keys(told.payment)
    assert new_txid(told.last, told.payment.terms) == f"{1:064x}"


def test_what_was_paid_is_shown_no_more_when_as_much_is_missing_again() -> None:
    told = both()
    told(view(mempool("t1", 49_400), mempool("t2", FEE)))
    told(agree(1, FEE))
    told(paid(1, FEE))
    told(view(mempool("t1", 49_400), mempool("t3", 0)))
    assert short_sat(told.payment) == FEE
    assert rest_shown(told.payment, told.now) is None
    assert told(agree(2, FEE)) == ["updated"]
    moved = told.last.data.changed
    assert moved is not None
    assert moved.lightning_rest is not None
    assert moved.lightning_rest.old is None, "it was paid"
    assert told(paid(2, FEE)) == ["detected"]
    assert told.payment.received_sat == 50_000


def _wire(told: Told) -> bytes:
    return encode(told.last, told.payment.terms)


# -- when it is over -------------------------------------------------------------------


def test_it_expires_when_the_node_has_said_so_of_each_invoice() -> None:
    told = short()
    told(agree(1, FEE))
    state = ReviewState().passed(EXPIRY, 0.0).node_said(gone())
    seen = view(mined("t1", 998, 50_000 - FEE))

    def judged() -> Any:
        return judge(state, told.payment, seen, EXPIRY, now=EXPIRY, now_s=1.0)

    assert judged().events == []
    assert judged().state.reason is not None
    state = state.node_said(InvoiceGone(payment_hash=f"{1:064x}", asked_at=EXPIRY - 1))
    assert judged().events == [], "it was asked too soon"
    state = state.node_said(InvoiceGone(payment_hash=f"{1:064x}", asked_at=EXPIRY))
    assert [event.type for event in judged().events] == [EventType.EXPIRED]


def test_no_invoice_outlives_its_payment() -> None:
    told = short()
    told(agree(1, FEE, expires_at=EXPIRY + 7_000))
    assert expires_at(told.payment) == EXPIRY + 7_000
    assert {one.payment_hash for one in open_invoices(told.payment)} == {
        INVOICE_HASH,
        f"{1:064x}",
    }
    with pytest.raises(AmendmentRefused):
        changes_of(told.payment, Amend(by="me", expires_at=EXPIRY + 6_999), told.now)
    assert changes_of(told.payment, Amend(by="me", expires_at=EXPIRY + 7_000), told.now)


# -- what a wallet is given ------------------------------------------------------------


def test_the_uri_asks_for_the_rest_alone() -> None:
    agreed = short().payment.terms
    one = rest(1, 700)
    assert rest_uri(agreed, one).endswith("?amount=0.000007")
    assert rest_uri(agreed, rest(1, 546)).endswith("?amount=0.00000546")
    little = rest(1, 545)
    assert rest_uri(agreed, little) == invoice_uri(little.bolt11)
    agreed = replace(agreed, lightning=invoice(is_unified=True))
    uri = rest_uri(agreed, one)
    assert uri.endswith("?amount=0.000007&lightning=LNBCRT1")


# -- any order -------------------------------------------------------------------------

SHARES = st.lists(st.integers(100, 30_000), min_size=1, max_size=4)


@settings(max_examples=150)
@given(data=st.data(), parts=SHARES)
def test_whatever_comes_counts_once_and_in_any_order(
    data: st.DataObject, parts: list[int]
) -> None:
    """Coins come one after the other, and a rest is asked for between them; then all of
    it is told again, with some of the invoices paid, in two orders."""
    told, outputs = both(), list[Output]()
    for number, sat in enumerate(parts):
        outputs.append(mined(f"t{number}", 998, sat))
        told(view(*outputs))
        due = rest_due(told.payment, told.now)
        if due is not None and data.draw(st.booleans()):
            told(agree(number + 1, due.amount_sat))
        missing = 50_000 - sum(parts[: number + 1])
        is_short = missing > 0
        assert short_sat(told.payment) == (missing if is_short else 0)
        shown = rest_shown(told.payment, told.now)
        assert shown is None or shown.amount_msat == missing * 1000
    invoices = told.payment.terms.invoices
    settle = data.draw(st.lists(st.sampled_from(invoices), unique=True, max_size=3))
    facts: list[Observation] = [view(*outputs)]
    for one in settle:
        msat = one.amount_msat or 0
        facts += [settled(msat // 1000, payment_hash=one.payment_hash)] * 2
    ends = [_after(told.payment, data.draw(st.permutations(facts))) for _ in "ab"]
    wanted = sum(parts) + sum((one.amount_msat or 0) // 1000 for one in settle)
    for end in ends:
        assert end.received_sat == end.confirmed_sat == wanted
        assert end.counts_as_paid == (wanted >= 50_000)
        assert (Flag.OVERPAID in end.flags) == (wanted > 50_000)
        assert booked_of(end).sold_sat == (wanted if wanted >= 50_000 else 0)
    assert {r.txid for r in ends[0].receipts} == {r.txid for r in ends[1].receipts}


def _after(payment: Payment, facts: list[Observation]) -> Payment:
    for fact in facts:
        payment = follow(payment, fact, T0 + 1).payment
    return payment
