"""What any store must do: appending, conflicts, group commit, order, keys, replay.

Its outbox is in `test_conformance_delivery.py`, writers that race in
`test_conformance_races.py`. A store that passes all three is a store.
"""

from itertools import pairwise

import msgspec
from msgspec.structs import replace

from engine.payment.events import decode
from engine.payment.model import Status
from engine.store.replay import fold
from engine.store.writes import (
    Committed,
    Conflict,
    Entry,
    InboundWebhook,
    Release,
    SourceTip,
    Unavailable,
    Write,
)
from tests.unit.engine.store.conformance import (
    OpenStore,
    committed,
    observed,
    whole_journal,
)
from tests.unit.journal_cases import creation
from tests.unit.payment_cases import T0, mempool, mined, view

# -- append and replay -----------------------------------------------------------------


def test_an_empty_store_answers_every_question(store: OpenStore) -> None:
    reader = store.reader
    assert reader.payment("p") is reader.payment_at("a") is None
    assert reader.payment_history("p", 0, 9) is None
    assert reader.watched() == []
    assert reader.history("p") == []
    assert reader.list_payments({}).payments == ()
    assert reader.counted_outpoints(["a"]) == {}
    assert reader.events_after(0) == reader.journal_page(0, 9).events == []
    assert reader.last_offset() == 0
    assert reader.oldest_watched() is None
    assert reader.source_tip("node") is None
    assert reader.api_keys() == []
    assert reader.channels() == []
    assert reader.merchants() == []
    assert reader.idempotent_answer("s", "k", 0) is None
    assert reader.pending_payments("c") == reader.owed("c").payments == []
    assert reader.next_pending("c", "p") is None
    assert reader.attempts("c", None, 9) == []
    assert reader.outbox_counts() == {}


def test_what_is_committed_is_read_as_it_was_answered(store: OpenStore) -> None:
    (outcome,) = store.commit(creation("p"))
    (event,) = committed(outcome).events
    (stored,) = store.reader.events_after(0)
    assert (stored.offset, stored.payment_id, stored.seq) == (1, "p", 1)
    assert (stored.wire, stored.event) == (event.wire, event.event)
    assert store.reader.history("p") == [stored]


def test_a_restart_takes_nothing_away(store: OpenStore) -> None:
    store.commit(creation("p"), creation("q"))
    store.commit(observed(store, "p", view(mempool("t1"))))
    before = whole_journal(store), store.reader.watched()
    store.reopen()
    assert (whole_journal(store), store.reader.watched()) == before
    (outcome,) = store.commit(creation("r"))
    assert committed(outcome).events[0].offset == store.reader.last_offset()


def test_every_payment_is_the_fold_of_its_events(store: OpenStore) -> None:
    store.commit(creation("p"), creation("q"))
    for seen in (mempool("t1"), mined("t1", 999), mined("t1", 998)):
        store.commit(observed(store, "p", view(seen)))
    for name in ("p", "q"):
        events = [stored.event for stored in store.reader.history(name)]
        assert fold(events) == store.reader.payment(name)
    paid = store.reader.payment("p")
    assert paid is not None
    assert paid.status is Status.CONFIRMED


def test_a_payment_and_its_history_are_of_one_moment(store: OpenStore) -> None:
    store.commit(creation("p"))
    store.commit(observed(store, "p", view(mined("t1", 998))))
    found = store.reader.payment_history("p", 1, 100)
    assert found is not None
    assert [e.seq for e in found.events] == list(range(2, found.payment.seq + 1))
    short = store.reader.payment_history("p", 0, 1)
    assert short is not None
    assert [e.seq for e in short.events] == [1]
    bare = store.reader.payment_history("p", None, 9)
    assert bare is not None
    assert (bare.payment, bare.events) == (found.payment, [])


# -- group commit, order, conflicts ----------------------------------------------------


def test_offsets_go_up_by_one_in_the_order_of_the_writes(store: OpenStore) -> None:
    names = [f"p{n}" for n in range(20)]
    outcomes = store.commit(*(creation(name) for name in names))
    outcomes += store.commit(creation("last"))
    events = [event for outcome in outcomes for event in committed(outcome).events]
    assert [event.offset for event in events] == list(range(1, 22))
    assert [event.event.payment_id for event in events] == [*names, "last"]
    assert [stored.offset for stored in whole_journal(store)] == list(range(1, 22))


def test_a_conflict_undoes_its_own_write_only(store: OpenStore) -> None:
    taken = InboundWebhook("provider", "t1", T0, None, "heard", b"{}")
    store.commit(Write(rows=(taken,)))
    spoilt = Write(creation("q").entries, (SourceTip("node", 7, "aa"), taken))
    outcomes = store.commit(creation("p"), spoilt, creation("r"))
    assert isinstance(outcomes[1], Conflict)
    assert outcomes[1].what == "inbound"
    assert [e.payment_id for e in whole_journal(store)] == ["p", "r"]
    assert [e.offset for e in whole_journal(store)] == [1, 2]
    assert store.reader.payment("q") is None
    assert store.reader.source_tip("node") is None


def test_later_writes_of_a_batch_see_what_earlier_ones_left(store: OpenStore) -> None:
    outcomes = store.commit(
        creation("p", address="a"),
        creation("q", address="a"),
        Write(rows=(Release("p"),)),
        creation("r", address="a"),
    )
    assert [type(o) for o in outcomes] == [Committed, Conflict, Committed, Committed]
    assert isinstance(outcomes[1], Conflict)
    assert outcomes[1].what == "address"


def test_an_address_is_watched_by_one_payment_at_a_time(store: OpenStore) -> None:
    store.commit(creation("p", address="a"))
    store.commit(observed(store, "p", view(mined("t1", 998))))
    (refused,) = store.commit(creation("q", address="a"))
    assert isinstance(refused, Conflict)
    assert refused.what == "address"
    (released,) = store.commit(Write(rows=(Release("p"),)))
    assert committed(released).changed == 1
    assert store.reader.watched() == []
    (outcome,) = store.commit(creation("q", address="a"))
    committed(outcome)
    at = store.reader.payment_at("a")
    assert at is not None
    assert at.id == "q"
    assert store.reader.counted_outpoints(["a", "b"]) == {"a": (("t1", 0),)}


def test_an_event_that_is_not_the_next_is_a_conflict(store: OpenStore) -> None:
    """What was decided on a state that is gone; and what leaves a hole."""
    store.commit(creation("p"))
    first = observed(store, "p", view(mempool("t1")))
    second = observed(store, "p", view(mempool("t2")))
    (entry,) = first.entries
    last = entry.events[-1].seq
    later = [replace(event, seq=event.seq + last) for event in entry.events]
    hole = Entry(replace(entry.payment, seq=later[-1].seq), tuple(later))
    for refused in store.commit(first, second, Write((hole,)))[1:]:
        assert isinstance(refused, Conflict)
        assert refused.what == "seq"
    (refused,) = store.commit(Write((hole,)))
    assert isinstance(refused, Conflict)
    assert refused.what == "seq"
    assert store.reader.payment("p") == entry.payment


def test_a_hole_after_what_the_same_batch_left_is_a_conflict(store: OpenStore) -> None:
    store.commit(creation("p"))
    first = observed(store, "p", view(mempool("t1")))
    (entry,) = first.entries
    gone = len(entry.events) + 1
    later = tuple(replace(event, seq=event.seq + gone) for event in entry.events)
    hole = Entry(replace(entry.payment, seq=later[-1].seq), later)
    outcome, refused = store.commit(first, Write((hole,)))
    committed(outcome)
    assert isinstance(refused, Conflict)
    assert refused.what == "seq"
    assert store.reader.payment("p") == entry.payment


def test_a_payment_must_be_there_to_have_events(store: OpenStore) -> None:
    store.commit(creation("p"))
    write = observed(store, "p", view(mempool("t1")))
    other = msgspec.structs.replace(
        write.entries[0].payment,
        terms=replace(write.entries[0].payment.terms, id="q", address="b"),
    )
    events = tuple(replace(e, payment_id="q") for e in write.entries[0].events)
    (outcome,) = store.commit(Write((Entry(other, events),)))
    assert isinstance(outcome, Conflict)
    assert outcome.what == "seq"
    assert store.reader.history("q") == []


def test_when_it_cannot_write_nothing_is_done_and_it_can_again(
    store: OpenStore,
) -> None:
    store.commit(creation("p"))
    with store.refuses_writes():
        outcomes = store.commit(creation("q"), Write(rows=(Release("p"),)))
        assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
        assert [p.id for p in store.reader.watched()] == ["p"], "it can be read"
    outcomes = store.commit(creation("q"))
    assert [event.offset for event in committed(outcomes[0]).events] == [2]


# -- what the edges ask ----------------------------------------------------------------


def test_payments_are_listed_newest_first_in_pages(store: OpenStore) -> None:
    for number in range(5):
        merchant = "ann" if number % 2 else "bob"
        store.commit(creation(f"p{number}", merchant))
    seen: list[str] = []
    before: int | None = None
    while True:
        page = store.reader.list_payments({}, before, 2)
        seen += [payment.id for payment in page.payments]
        before = page.next_place
        if before is None:
            break
    assert seen == ["p4", "p3", "p2", "p1", "p0"]
    for filters, wanted in (
        ({"merchant": "ann"}, ["p3", "p1"]),
        ({"address": "address of p2"}, ["p2"]),
        ({"status": "pending", "merchant": "bob"}, ["p4", "p2", "p0"]),
        ({"status": "confirmed"}, []),
        ({"external_id": "none"}, []),
    ):
        page = store.reader.list_payments(filters)
        assert [payment.id for payment in page.payments] == wanted


def test_a_page_of_payments_is_fifty_if_nothing_else_is_asked_for(
    store: OpenStore,
) -> None:
    store.commit(*(creation(f"p{number}") for number in range(51)))
    page = store.reader.list_payments({})
    assert len(page.payments) == 50
    rest = store.reader.list_payments({}, page.next_place)
    assert [payment.id for payment in rest.payments] == ["p0"]
    assert rest.next_place is None


def test_payments_of_an_order_number_are_found(store: OpenStore) -> None:
    for number in range(3):
        (entry,) = creation(f"p{number}").entries
        terms = replace(entry.payment.terms, external_id="order 7")
        payment = replace(entry.payment, terms=terms)
        data = replace(entry.events[0].data, terms=terms)
        event = replace(entry.events[0], data=data)
        store.commit(Write((Entry(payment, (event,)),)))
    found = store.reader.list_payments({"external_id": "order 7"}, None, 2)
    assert [payment.id for payment in found.payments] == ["p2", "p1"]
    assert decode(store.reader.history("p0")[0].wire).payment_id == "p0"


def test_watched_payments_come_oldest_first_in_pages(store: OpenStore) -> None:
    made = [creation(f"p{9 - number}") for number in range(5)]
    store.commit(*made, Write(rows=(Release("p8"),)))
    reader = store.reader
    assert [p.id for p in reader.watched("", 2)] == ["p9", "p7"]
    assert [p.id for p in reader.watched("p7", 9)] == ["p6", "p5"]
    assert reader.oldest_watched() == T0


def test_the_journal_is_read_by_merchant_with_its_end(store: OpenStore) -> None:
    store.commit(creation("p", "ann"), creation("q", "bob"), creation("r", "ann"))
    page = store.reader.journal_page(0, 1, "ann")
    assert [event.payment_id for event in page.events] == ["p"]
    assert page.last_offset == 3
    page = store.reader.journal_page(1, 9, "ann")
    assert [event.offset for event in page.events] == [3]
    assert all(a.offset < b.offset for a, b in pairwise(whole_journal(store)))
