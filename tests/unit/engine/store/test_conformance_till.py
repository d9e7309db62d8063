"""What any store keeps of forwards of tills: see `test_conformance.py`."""

from typing import Any

from engine.lightning.till import (
    NEVER,
    TillForward,
    TillState,
    given_up,
    moved,
    told,
)
from engine.lightning.till_steps import invoiced
from engine.payment.events import opening
from engine.payment.lightning_terms import Invoice
from engine.payment.observations import Cancel, ConfirmByHand, Observation
from engine.store.writes import (
    Committed,
    Conflict,
    Entry,
    MoveTill,
    NewTill,
    UnqueueTill,
    Write,
)
from tests.unit.engine.store.conformance import OpenStore, observed
from tests.unit.engine.store.till_cases import forward
from tests.unit.payment_cases import T0, terms

S = TillState


def add(store: OpenStore, *made: TillForward) -> list[object]:
    return [*store.commit(*(Write(rows=(NewTill(f),)) for f in made))]


def move(store: OpenStore, after: TillForward, before: int) -> object:
    (outcome,) = store.commit(Write(rows=(MoveTill(after, before),)))
    return outcome


def is_conflict(outcome: object) -> bool:
    return isinstance(outcome, Conflict) and outcome.what == "till"


def test_a_forward_comes_back_as_it_was_wanted(store: OpenStore) -> None:
    made = forward(1, former=("ab" * 32,), credit_sat=3, reason="why")
    add(store, made)
    store.reopen()
    assert store.reader.till_forward(made.id) == made
    assert store.reader.till_forward_of("p1") == made
    assert store.reader.till_forward("lnf_none") is None
    assert store.reader.till_forward_of("p2") is None


def test_a_payment_has_one_forward_whatever_it_is_called(store: OpenStore) -> None:
    first, second, third = add(
        store, forward(1), forward(2, payment_id="p1"), forward(3)
    )
    assert isinstance(first, Committed)
    assert is_conflict(second)
    assert isinstance(third, Committed)
    assert store.reader.till_forward("lnf_000002") is None


def test_of_two_hands_that_take_the_same_step_one_does(store: OpenStore) -> None:
    before = forward(1)
    add(store, before)
    waits = moved(before, S.WAITING, T0 + 1, reason="no money", next_at=T0 + 9)
    gone = given_up(before, T0 + 2, "by hand")
    assert gone is not None
    assert isinstance(move(store, waits, before.step), Committed)
    assert is_conflict(move(store, gone, before.step))
    assert store.reader.till_forward(before.id) == waits
    assert is_conflict(move(store, forward(7), 0))  # there is none


def test_an_invoice_is_paid_by_one_forward(store: OpenStore) -> None:
    first, second = forward(1), forward(2)
    add(store, first, second)
    shown: dict[str, Any] = {
        "now": T0,
        "amount_sat": 9,
        "payment_hash": "ab" * 32,
        "bolt11": "lnbcrt1",
        "expires_at": T0 + 99,
    }
    assert isinstance(move(store, invoiced(first, **shown), 0), Committed)
    assert is_conflict(move(store, invoiced(second, **shown), 0))
    shown["payment_hash"] = "cd" * 32
    assert isinstance(move(store, invoiced(second, **shown), 0), Committed)


def test_what_is_looked_after_is_found_when_its_time_has_come(store: OpenStore) -> None:
    add(store, forward(3), forward(1), forward(2), forward(4, source="other"))
    add(store, forward(5, is_open=False))
    ids = [f.id for f in store.reader.till_due("till", T0 + 3, 99)]
    assert ids == ["lnf_000001", "lnf_000002", "lnf_000003"]
    assert [f.id for f in store.reader.till_due("till", T0 + 3, 99, 2)] == ids[:2]
    assert [f.id for f in store.reader.till_due("till", T0 + 2, 99)] == ids[:2]
    assert store.reader.till_due("none", T0 + 9, 99) == []
    assert store.reader.till_sources() == ["other", "till"]


def test_what_waits_for_a_time_before_the_clock_was_put_back_is_due(
    store: OpenStore,
) -> None:
    add(store, forward(1), forward(2), forward(3), forward(4, next_at=NEVER))
    ids = [f.id for f in store.reader.till_due("till", T0 - 7, 9)]
    assert ids == ["lnf_000003"], "who is put off for longer than 9 ms"
    ids = [f.id for f in store.reader.till_due("till", T0 + 1, 1)]
    assert ids == ["lnf_000001", "lnf_000003"]
    assert [f.id for f in store.reader.till_due("till", T0 + 1, 1, 1)] == ids[:1]


def test_one_that_is_over_is_looked_after_until_its_payment_has_heard(
    store: OpenStore,
) -> None:
    before = forward(1)
    add(store, before)
    gone = given_up(before, T0 + 2, "by hand")
    assert gone is not None
    move(store, gone, before.step)
    assert store.reader.till_due("till", T0 + 2, 99) == [gone]
    move(store, told(gone), gone.step)
    assert store.reader.till_due("till", T0 + 99, 99) == []
    assert store.reader.till_sources() == []
    assert store.reader.till_forward(before.id) == told(gone)


def test_those_in_trouble_are_found_whatever_their_time(store: OpenStore) -> None:
    add(store, *(forward(n) for n in range(1, 5)))
    for number, state in ((1, S.WAITING), (2, S.STUCK)):
        before = forward(number)
        move(store, moved(before, state, T0, next_at=2**53 - 1), before.step)
    before = forward(3)
    move(store, moved(before, S.WANTED, T0, delays=1), before.step)
    found = [f.id for f in store.reader.till_troubled("till")]
    assert found == ["lnf_000001", "lnf_000002", "lnf_000003"]
    assert [f.id for f in store.reader.till_troubled("till", 1)] == found[:1]
    assert store.reader.till_troubled("none") == []
    before = moved(forward(1), S.WAITING, T0, next_at=2**53 - 1)
    move(store, moved(before, S.WANTED, T0), before.step)
    assert [f.id for f in store.reader.till_troubled("till")] == found[1:]


def test_a_merchants_forwards_are_listed_by_pages(store: OpenStore) -> None:
    add(store, *(forward(n, merchant="ann") for n in (1, 2, 3)), forward(4))
    found = store.reader.till_forwards_of_merchant("ann")
    assert [f.id for f in found] == ["lnf_000003", "lnf_000002", "lnf_000001"]
    found = store.reader.till_forwards_of_merchant("ann", "lnf_000003", 1)
    assert [f.id for f in found] == ["lnf_000002"]


def created(store: OpenStore, name: str, is_till: bool, node: str = "till") -> None:
    invoice = Invoice(
        node=node,
        payment_hash=name.rjust(64, "0"),
        bolt11="lnbcrt1",
        expires_at=T0 + 9,
        is_till=is_till,
    )
    event, payment = opening(
        terms(id=name, address=f"address of {name}", lightning=invoice)
    )
    store.commit(Write(entries=(Entry(payment, (event,)),)))


def see(store: OpenStore, name: str, what: Observation) -> None:
    store.commit(observed(store, name, what))


def queued(store: OpenStore, source: str = "till") -> list[tuple[str, int]]:
    return [(q.payment.id, q.seq) for q in store.reader.till_queue(source)]


def test_a_payment_is_queued_by_the_events_that_concern_its_till(
    store: OpenStore,
) -> None:
    for name, is_till, node in (
        ("p1", True, "till"),
        ("p2", False, "till"),
        ("p3", True, "other"),
    ):
        created(store, name, is_till, node)
    assert queued(store) == []
    for name in ("p1", "p2", "p3"):
        see(store, name, ConfirmByHand("me"))
    assert queued(store) == [("p1", 2)]
    assert queued(store, "other") == [("p3", 2)]
    assert store.reader.till_queue("till")[0].payment.status == "confirmed"
    assert store.reader.till_sources() == ["other", "till"]
    store.reopen()
    assert queued(store) == [("p1", 2)]


def test_what_concerns_no_till_queues_nothing(store: OpenStore) -> None:
    created(store, "p1", True)
    see(store, "p1", Cancel("me"))
    assert queued(store) == []
    assert len(store.reader.history("p1")) == 2


def test_a_payment_leaves_the_queue_unless_more_has_happened(store: OpenStore) -> None:
    created(store, "p1", True)
    see(store, "p1", ConfirmByHand("me"))
    store.commit(Write(rows=(UnqueueTill("p1", 1),)))
    assert queued(store) == [("p1", 2)]
    store.commit(Write(rows=(NewTill(forward(1)), UnqueueTill("p1", 2))))
    assert queued(store) == []
    assert store.reader.till_forward_of("p1") is not None
