"""What any store must do: appending, conflicts, group commit, order, keys, replay.

Its outbox is in `test_conformance_delivery.py`, writers that race in
`test_conformance_races.py`. A store that passes all three is a store.
"""

from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from engine.payment.events import decode
from engine.payment.model import Status
from engine.store.records import MerchantRecord
from engine.store.replay import fold
from engine.store.writes import (
    BEST_TIP,
    MAX_BLOCKS_READ_AGAIN,
    Committed,
    Conflict,
    CustomerRow,
    Entry,
    ForgetIdempotency,
    IdempotencyRow,
    InboundRow,
    KeyRow,
    MerchantRow,
    ReadAgain,
    Release,
    RevokeKey,
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
    taken = InboundRow("provider", "t1", T0, None, "heard", b"{}")
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
        before = page.next_rank
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
    rest = store.reader.list_payments({}, page.next_rank)
    assert [payment.id for payment in rest.payments] == ["p0"]
    assert rest.next_rank is None


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


def test_the_address_of_a_payer_is_kept_beside_the_payment(store: OpenStore) -> None:
    made = creation("p")
    beside = Write(entries=made.entries, rows=(CustomerRow("p", "sealed"),))
    store.commit(beside)
    assert store.reader.customer_email("p") == "sealed"
    assert store.reader.customer_email("q") is None
    store.reopen()
    assert store.reader.customer_email("p") == "sealed"
    assert "sealed" not in repr(CustomerRow("p", "sealed"))


def test_an_idempotent_answer_is_kept_once_and_for_its_time(store: OpenStore) -> None:
    first = IdempotencyRow("scope", "key", b"hash", 201, b"first", T0)
    (outcome, again) = store.commit(
        Write(rows=(first,)), Write(rows=(replace(first, body=b"second", at=T0 + 1),))
    )
    committed(outcome)
    assert isinstance(again, Conflict)
    assert again.what == "idempotency"
    reader = store.reader
    answer = reader.idempotent_answer("scope", "key", T0)
    assert answer is not None
    assert (answer.request_hash, answer.status, answer.body) == (b"hash", 201, b"first")
    assert reader.idempotent_answer("scope", "key", T0 + 1) is None
    assert reader.idempotent_answer("other", "key", 0) is None
    former = reader.idempotent_answer("other", "key", 0, "scope")
    assert former == reader.idempotent_answer("scope", "key", 0)
    assert reader.idempotent_answer("other", "key", T0 + 1, "scope") is None
    newer = IdempotencyRow("zone", "key", b"h", 200, b"newer", T0)
    store.commit(Write(rows=(newer,)))
    for own, other in (("zone", "scope"), ("scope", "zone")):
        found = reader.idempotent_answer(own, "key", 0, other)
        assert found == reader.idempotent_answer(own, "key", 0)
    (kept,) = store.commit(Write(rows=(ForgetIdempotency(T0),)))
    (forgot,) = store.commit(Write(rows=(ForgetIdempotency(T0 + 1),)))
    assert (committed(kept).changed, committed(forgot).changed) == (0, 2)
    assert reader.idempotent_answer("scope", "key", 0) is None


def test_keys_are_listed_revoked_once_and_never_two_alike(store: OpenStore) -> None:
    old = KeyRow("k1", "shop", None, b"1" * 32, T0, ("read", "operator"))
    new = KeyRow("k2", "till", "ann", b"2" * 32, T0 + 1, ("create",))
    twin = KeyRow("k3", "twin", None, b"1" * 32, T0 + 2, ())
    outcomes = store.commit(*(Write(rows=(row,)) for row in (new, old, twin)))
    assert isinstance(outcomes[2], Conflict)
    (gone,) = store.commit(Write(rows=(RevokeKey("k1", T0 + 5),)))
    (again,) = store.commit(Write(rows=(RevokeKey("k1", T0 + 6), RevokeKey("x", T0))))
    assert (committed(gone).changed, committed(again).changed) == (1, 0)
    keys = store.reader.api_keys()
    assert [(k.id, k.merchant, k.revoked_at, k.scopes) for k in keys] == [
        ("k1", None, T0 + 5, ("read", "operator")),
        ("k2", "ann", None, ("create",)),
    ]


def test_a_merchant_is_replaced_as_a_whole_and_survives_a_restart(
    store: OpenStore,
) -> None:
    first, other = MerchantRow("bob", 1, T0, b"{}"), MerchantRow("ann", 1, T0, b"1")
    later = MerchantRow("bob", 2, T0 + 1, b'{"display_name":"Bob"}')
    for row in (first, other, later):
        (outcome,) = store.commit(Write(rows=(row,)))
        assert committed(outcome).changed == 1
    kept = [
        MerchantRecord("ann", 1, T0, b"1"),
        MerchantRecord("bob", 2, T0 + 1, later.state),
    ]
    assert store.reader.merchants() == kept
    store.reopen()
    assert store.reader.merchants() == kept


@pytest.mark.parametrize("source", ["other", "slow"])
def test_a_source_begins_where_it_or_else_the_furthest_came(
    store: OpenStore, source: str
) -> None:
    tips = (SourceTip("good", 999, "99"), SourceTip("slow", 900, "90"))
    best = SourceTip(BEST_TIP, 6_000, "be")
    apart = (SourceTip("devchain", 5_000, "dd"), SourceTip("probe", 0, "1"), best)
    store.commit(Write(rows=(*tips, *apart)))
    store.commit(Write(rows=(SourceTip("good", 1_000, "a0"),)))
    wanted = {"slow": tips[1], "other": SourceTip("good", 1_000, "a0")}
    assert store.reader.source_tip(source) == wanted[source]
    assert store.reader.source_tip("devchain") == apart[0]
    assert store.reader.source_tip(BEST_TIP) == best, "what was shown, and not read"


def test_without_a_best_tip_of_its_own_nobodys_place_is_taken_for_it(
    store: OpenStore,
) -> None:
    store.commit(Write(rows=(SourceTip("good", 999, "99"),)))
    assert store.reader.source_tip(BEST_TIP) is None


def test_a_lost_block_is_read_again_by_all_who_had_read_past_it(
    store: OpenStore,
) -> None:
    far = 500 + MAX_BLOCKS_READ_AGAIN
    before = {"below": 499, "above": 600, "far": far + 1, "devchain": 600}
    before[BEST_TIP] = 600
    tips = tuple(SourceTip(name, height, "aa") for name, height in before.items())
    (outcome,) = store.commit(Write(rows=(*tips, ReadAgain(500, "bb"))))
    assert committed(outcome).changed == len(tips) + 1
    assert store.reader.source_tip("above") == SourceTip("above", 500, "bb")
    for name in ("below", "far", "devchain", BEST_TIP):
        assert store.reader.source_tip(name) == SourceTip(name, before[name], "aa")
