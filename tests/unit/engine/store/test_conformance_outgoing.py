"""What any store keeps of money on its way out: see `test_conformance.py`."""

import pytest
from msgspec.structs import replace

from engine.payment.events import opening
from engine.payment.observations import Observation
from engine.store.outgoing_port import Paused, Queued
from engine.store.writes import (
    Committed,
    Conflict,
    Entry,
    MoveOutgoing,
    NewOutgoing,
    PauseForwarding,
    QueueForward,
    Unqueue,
    Write,
)
from engine.wallet.outgoing import LIVING, STEPS, Outgoing, OutgoingState, moved
from tests.unit.engine.store.conformance import OpenStore, observed
from tests.unit.engine.store.outgoing_cases import coin, outgoing
from tests.unit.journal_cases import creation
from tests.unit.payment_cases import T0, block, mempool, mined, terms, view

S = OutgoingState


def waiting(store: OpenStore) -> list[Queued]:
    """Of the merchant; none is damaged."""
    return [
        one
        for one in store.reader.forward_queue("default")
        if isinstance(one, Queued) or pytest.fail(f"{one} is damaged")
    ]


def add(store: OpenStore, *made: Outgoing) -> list[object]:
    return [*store.commit(*(Write(rows=(NewOutgoing(o),)) for o in made))]


def move(store: OpenStore, name: str, state: OutgoingState, **more: object) -> object:
    before = store.reader.outgoing(name)
    assert before is not None
    row = MoveOutgoing(moved(before, state, T0, **more), before.state)
    (outcome,) = store.commit(Write(rows=(row,)))
    return outcome


def is_conflict(outcome: object) -> bool:
    return isinstance(outcome, Conflict) and outcome.what == "outgoing"


def test_a_transaction_comes_back_as_it_was_signed(store: OpenStore) -> None:
    made = outgoing(1, coin(1, "p1"), coin(2, "p2"))
    add(store, made)
    store.reopen()
    assert store.reader.outgoing(made.id) == made
    assert store.reader.outgoing("out_none") is None
    assert store.reader.outgoing_of_payment("p2") == [made]
    assert store.reader.outgoing_of_payment("p3") == []


def test_a_transaction_of_the_chain_is_known_for_ours(store: OpenStore) -> None:
    made, other = outgoing(1), outgoing(2)
    add(store, made, other)
    assert store.reader.outgoing_of_txid(made.txid) == made
    move(store, made.id, S.BROADCAST)
    move(store, made.id, S.FAILED, reason="gone", is_open=False)
    store.reopen()
    assert store.reader.outgoing_of_txid(made.txid) == store.reader.outgoing(made.id)
    assert store.reader.outgoing_of_txid("ee" * 32) is None


def test_a_coin_is_in_one_living_transaction(store: OpenStore) -> None:
    first, second = add(store, outgoing(1, coin(7)), outgoing(2, coin(7), coin(8)))
    assert isinstance(first, Committed)
    assert is_conflict(second)
    assert store.reader.outgoing("out_000002") is None
    move(store, "out_000001", S.FAILED, reason="gone", is_open=False)
    assert all(isinstance(o, Committed) for o in add(store, outgoing(2, coin(7))))


def test_a_bump_takes_the_coins_over_in_the_write_that_makes_it(
    store: OpenStore,
) -> None:
    add(store, outgoing(1, coin(7)))
    bump = outgoing(2, coin(7), first="out_000001", replaces="out_000001")
    assert isinstance(add(store, bump)[0], Committed)
    old = store.reader.outgoing("out_000001")
    assert old is not None
    assert (old.state, old.reason) == (S.REPLACED, "bumped by out_000002")
    assert old.is_open
    assert [o.id for o in store.reader.outgoing_family("out_000001")] == [
        "out_000001",
        "out_000002",
    ]


def test_what_is_not_under_way_is_not_bumped(store: OpenStore) -> None:
    add(store, outgoing(1, coin(7)))
    move(store, "out_000001", S.BROADCAST)
    move(store, "out_000001", S.CONFIRMED)
    bump = outgoing(2, coin(7), first="out_000001", replaces="out_000001")
    assert is_conflict(add(store, bump)[0])
    nothing = outgoing(3, coin(9), replaces="out_none")
    assert is_conflict(add(store, nothing)[0])


def test_of_two_hands_that_take_the_same_step_one_does(store: OpenStore) -> None:
    add(store, outgoing(1))
    before = store.reader.outgoing("out_000001")
    assert before is not None
    step = MoveOutgoing(moved(before, S.BROADCAST, T0), before.state)
    one, two = store.commit(Write(rows=(step,)), Write(rows=(step,)))
    assert isinstance(one, Committed)
    assert is_conflict(two)


def test_one_that_was_replaced_and_confirms_gets_its_coins_back(
    store: OpenStore,
) -> None:
    """And not before the other one has let them go."""
    add(store, outgoing(1, coin(7)))
    bump = outgoing(2, coin(7), first="out_000001", replaces="out_000001")
    add(store, bump)
    old = store.reader.outgoing("out_000001")
    assert old is not None
    won = MoveOutgoing(moved(old, S.CONFIRMED, T0), S.REPLACED)
    lost = MoveOutgoing(moved(bump, S.REPLACED, T0), S.PREPARED)
    (outcome,) = store.commit(Write(rows=(won,)))
    assert is_conflict(outcome)
    (outcome,) = store.commit(Write(rows=(lost, won)))
    assert isinstance(outcome, Committed)
    states = {o.id: o.state for o in store.reader.outgoing_family("out_000001")}
    assert states == {"out_000001": S.CONFIRMED, "out_000002": S.REPLACED}


def test_what_is_looked_after_is_found_by_pages(store: OpenStore) -> None:
    add(store, *(outgoing(n) for n in (1, 2, 3)))
    move(store, "out_000002", S.FAILED, is_open=False)
    reader = store.reader
    assert [o.id for o in reader.outgoing_open("", 1)] == ["out_000001"]
    assert [o.id for o in reader.outgoing_open("out_000001")] == ["out_000003"]
    assert [o.id for o in reader.outgoing_of_merchant("ann", "", 2)] == [
        "out_000003",
        "out_000002",
    ]
    assert [o.id for o in reader.outgoing_of_merchant("ann", "out_000002")] == [
        "out_000001"
    ]
    assert reader.outgoing_of_merchant("bob") == []


def test_what_living_sweeps_send_is_summed_from_a_time_on(store: OpenStore) -> None:
    add(store, *(outgoing(n) for n in (1, 2, 3)))
    add(store, outgoing(4, kind="refund"), outgoing(5, merchant="bob"))
    move(store, "out_000002", S.FAILED)
    assert store.reader.sent_since("ann", T0) == 98_000
    assert store.reader.sent_since("ann", T0 + 2) == 49_000


def test_forwarding_is_paused_until_it_is_resumed(store: OpenStore) -> None:
    assert store.reader.forward_paused() is None
    store.commit(Write(rows=(PauseForwarding(T0, "ann"),)))
    store.commit(Write(rows=(PauseForwarding(T0 + 5, "bob"),)))
    store.reopen()
    assert store.reader.forward_paused() == Paused(T0, "ann")
    store.commit(Write(rows=(PauseForwarding(0),)))
    assert store.reader.forward_paused() is None


def forwarding(store: OpenStore, name: str, to: str = "bcrt1q") -> None:
    event, payment = opening(terms(id=name, address=name, forward_to=to))
    store.commit(Write(entries=(Entry(payment, (event,)),)))


def see(store: OpenStore, name: str, what: Observation) -> None:
    store.commit(observed(store, name, what))


def test_a_payment_is_queued_by_the_events_that_concern_the_forwarder(
    store: OpenStore,
) -> None:
    """In the write of the event, whoever writes it."""
    forwarding(store, "p1")
    store.commit(creation("p2"))
    for name in ("p1", "p2"):
        see(store, name, view(mempool("t1")))
    assert store.reader.forward_due(T0, 60) == []
    for name in ("p1", "p2"):
        see(store, name, view(mined("t1", 998)))
    assert store.reader.forward_due(T0, 60) == ["default"]
    (queued,) = waiting(store)
    assert queued.payment == store.reader.payment("p1")
    assert queued.seq == queued.payment.seq


def test_a_payment_leaves_the_queue_unless_more_has_happened(store: OpenStore) -> None:
    forwarding(store, "p1")
    see(store, "p1", view(mined("t1", 998)))
    (before,) = waiting(store)
    see(store, "p1", view(off_chain=(block(998),)))
    store.commit(Write(rows=(Unqueue("p1", before.seq),)))
    (after,) = waiting(store)
    assert after.seq > before.seq
    store.commit(Write(rows=(Unqueue("p1", after.seq),)))
    assert store.reader.forward_queue("default") == []


def test_what_is_put_off_is_due_later_and_comes_last(store: OpenStore) -> None:
    for name in ("p1", "p2"):
        forwarding(store, name)
        see(store, name, view(mined(f"t {name}", 998)))
    store.commit(Write(rows=(QueueForward("p1", "default", 1, T0 + 60),)))
    assert [q.payment.id for q in waiting(store)] == ["p2", "p1"]
    store.commit(Write(rows=(Unqueue("p2", 99),)))
    assert store.reader.forward_due(T0 + 59, 60) == []
    assert store.reader.forward_due(T0 + 60, 60) == ["default"]
    # Nobody puts off for longer: the wall clock was put back since.
    assert store.reader.forward_due(T0 - 1, 60) == ["default"]
    assert store.reader.forward_due(T0, 60) == []


def test_every_living_state_leads_to_an_end_and_only_those_have_coins() -> None:
    assert {S.REPLACED, S.FAILED} == set(S) - LIVING
    for state in LIVING - {S.CONFIRMED}:
        assert {S.REPLACED, S.FAILED} <= STEPS[state]


def test_a_step_that_there_is_not_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        moved(replace(outgoing(1), state=S.FAILED), S.SEEN, T0)
