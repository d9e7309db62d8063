"""What any store keeps of refunds: see `test_conformance.py`."""

import pytest
from msgspec.structs import replace

from engine.payment.refund import COUNTS, Refund, RefundState
from engine.payment.refund_rules import stepped
from engine.store.writes import Committed, Conflict, MoveRefund, OpenRefund, Write
from tests.unit.engine.store.conformance import OpenStore, committed
from tests.unit.engine.store.refund_cases import refund
from tests.unit.journal_cases import creation
from tests.unit.payment_cases import T0

S = RefundState


def opened(
    one: Refund, *, seq: int = 1, most: int = 10_000, rows: int = 99,
    merchant: int = 99,
) -> Write:  # fmt: skip
    return Write(rows=(OpenRefund(one, seq, most, rows, merchant),))


def moved(one: Refund, before: RefundState) -> Write:
    return Write(rows=(MoveRefund(one, before),))


def refused(store: OpenStore, write: Write, what: str = "refund") -> None:
    (outcome,) = store.commit(write)
    assert isinstance(outcome, Conflict)
    assert outcome.what == what


@pytest.fixture(autouse=True)
def payments(store: OpenStore) -> None:
    store.commit(creation("p1"), creation("p2"))


def test_a_refund_is_read_as_it_was_written(store: OpenStore) -> None:
    first, second = refund(1, "p1"), refund(2, "p1", reason="broken cup")
    for outcome in store.commit(opened(second), opened(first)):
        committed(outcome)
    store.reopen()
    assert store.reader.refund("ref_000001") == first
    assert store.reader.refunds_of("p1") == [first, second]
    assert store.reader.refunds_of("p1", 1) == [first]
    assert store.reader.refunds_of("p2") == []
    assert store.reader.refund("ref_9") is None


def test_refunds_come_to_no_more_than_came_in(store: OpenStore) -> None:
    """Fifty hands at once, in one batch, for parts of which ten are the whole."""
    outcomes = store.commit(*(opened(refund(n, "p1", 1_000)) for n in range(50)))
    assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 10
    assert sum(r.amount_sat for r in store.reader.refunds_of("p1")) == 10_000
    committed(*store.commit(opened(refund(99, "p2", 10_000))))


def test_what_is_withdrawn_or_over_may_be_refunded_anew(store: OpenStore) -> None:
    one = refund(1, "p1", 10_000)
    committed(*store.commit(opened(one)))
    for number, state in enumerate(S, 2):
        stored = store.reader.refund(one.id)
        assert stored is not None
        store.commit(moved(replace(one, state=state), stored.state))
        if state in COUNTS:
            refused(store, opened(refund(number, "p1", 1)))
        else:
            again = refund(number, "p1", 1)
            committed(*store.commit(opened(again)))
            committed(*store.commit(moved(replace(again, state=S.EXPIRED), S.OPEN)))


def test_a_payment_that_moved_on_is_looked_at_again(store: OpenStore) -> None:
    refused(store, opened(refund(1, "p1"), seq=2), "seq")
    refused(store, opened(refund(1, "nobody")), "seq")
    assert store.reader.refunds_of("p1") == []


@pytest.mark.parametrize("after", [S.CANCELLED, S.PAYING])
def test_who_does_not_know_of_a_psbt_takes_no_step(
    store: OpenStore, after: RefundState
) -> None:
    """It was given out between his look and his write: it and he would both pay."""
    seen = refund(1, "p1", state=S.PENDING, address="x")
    committed(*store.commit(opened(seen)))
    given = replace(seen, psbt_at=T0)
    committed(*store.commit(moved(given, S.PENDING)))
    refused(store, moved(replace(seen, state=after), S.PENDING))
    assert store.reader.refund(seen.id) == given
    committed(*store.commit(moved(replace(given, state=after), S.PENDING)))


@pytest.mark.parametrize("after", [S.CANCELLED, S.PENDING])
def test_who_does_not_know_of_a_transaction_of_ours_takes_no_step(
    store: OpenStore, after: RefundState
) -> None:
    """It was made between his look and his write, and no node took it; a miner may. It
    is not withdrawn then, nor is a PSBT given out that would pay beside it."""
    seen = refund(1, "p1", state=S.PENDING, address="x")
    committed(*store.commit(opened(seen)))
    sent = replace(seen, state=S.PAYING, outgoing_id="out_1", txid="ab" * 32)
    committed(*store.commit(moved(sent, S.PENDING)))
    waits = replace(sent, state=S.PENDING, txid="")
    committed(*store.commit(moved(waits, S.PAYING)))
    refused(store, moved(replace(seen, state=after), S.PENDING))
    assert store.reader.refund(seen.id) == waits
    committed(*store.commit(moved(replace(waits, state=after), S.PENDING)))


def test_a_step_may_want_the_payment_as_it_was(store: OpenStore) -> None:
    one = refund(1, "p1")
    committed(*store.commit(opened(one)))
    after = stepped(one, S.PENDING, address="a")
    refused(store, Write(rows=(MoveRefund(after, S.OPEN, 2),)), "seq")
    committed(*store.commit(Write(rows=(MoveRefund(after, S.OPEN, 1),))))


def test_there_is_an_end_to_their_number(store: OpenStore) -> None:
    committed(*store.commit(opened(refund(1, "p1"))))
    refused(store, opened(refund(2, "p1"), rows=1))
    refused(store, opened(refund(2, "p2"), merchant=1))
    committed(*store.commit(opened(refund(2, "p2"), rows=1, merchant=2)))


def test_of_fifty_hands_one_takes_the_step(store: OpenStore) -> None:
    one = refund(1, "p1")
    committed(*store.commit(opened(one)))
    claims = [
        stepped(one, S.PENDING, address=f"address {n}", claimed_at=T0)
        for n in range(50)
    ]
    outcomes = store.commit(*(moved(claim, S.OPEN) for claim in claims))
    assert [isinstance(outcome, Committed) for outcome in outcomes].count(True) == 1
    assert store.reader.refund(one.id) == claims[0]


def test_living_ones_are_found_by_state_and_by_when_they_are_due(
    store: OpenStore,
) -> None:
    all_three = [refund(n, "p1", 1) for n in (3, 1, 2)]
    store.commit(*map(opened, all_three))
    assert [r.id[-1] for r in store.reader.refunds_in(S.OPEN)] == ["1", "2", "3"]
    assert [r.id[-1] for r in store.reader.refunds_in(S.OPEN, "ref_000001", 1)] == ["2"]
    assert [r.id[-1] for r in store.reader.refunds_due(T0 + 2)] == ["1", "2"]
    one = stepped(all_three[1], S.PENDING, address="a")
    store.commit(moved(one, S.OPEN))
    assert store.reader.refunds_in(S.PENDING) == [one]
    assert [r.id[-1] for r in store.reader.refunds_due(T0 + 9, 1)] == ["2"]


def test_one_transaction_pays_one_refund(store: OpenStore) -> None:
    ones = [refund(n, "p1", 1, state=S.PENDING) for n in (1, 2)]
    store.commit(*map(opened, ones))
    first = stepped(ones[0], S.PAYING, outgoing_id="out_1")
    committed(*store.commit(moved(first, S.PENDING)))
    assert store.reader.refund(first.id) == first
    refused(store, moved(stepped(ones[1], S.PAYING, outgoing_id="out_1"), S.PENDING))


def test_a_merchants_refunds_are_listed_newest_first(store: OpenStore) -> None:
    mine = [refund(number, "p1", 1_000) for number in (1, 2, 3)]
    other = refund(4, "p2", 1_000, merchant="zoe")
    for one in (*mine, other):
        committed(*store.commit(opened(one)))
    listed = store.reader.refunds_page
    assert listed("ann", None, 10) == mine[::-1]
    assert listed("ann", "ref_000003", 1) == [mine[1]]
    assert listed(None, None, 2) == [other, mine[2]]
    assert listed("nobody", None, 5) == []
