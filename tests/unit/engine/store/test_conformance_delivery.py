"""What any store must do with its outbox: see `test_conformance.py`."""

import json
from itertools import count

import pytest
from msgspec.structs import replace

from engine.payment.model import EventType
from engine.store.records import ATTEMPTS, Backlog, Pending, PendingPayment
from engine.store.writes import (
    FIRST,
    DeliveryResult,
    ForgetIdempotency,
    KeptAnswer,
    RemoveChannel,
    Requeue,
    Write,
)
from tests.unit.engine.store.conformance import (
    OpenStore,
    committed,
    observed,
    whole_journal,
)
from tests.unit.journal_cases import channel, creation
from tests.unit.payment_cases import T0, mempool, mined, view


def pending(store: OpenStore, name: str, *payments: str) -> list[tuple[str, int]]:
    """The next event of each payment, as the channel has to be told it."""
    heads = [(p, store.reader.next_pending(name, p)) for p in payments]
    return [(payment, head.seq) for payment, head in heads if head is not None]


def result(
    name: str, payment_id: str, head: Pending, state: str, next_at: int = 0
) -> DeliveryResult:
    return DeliveryResult(
        channel_id=name,
        payment_id=payment_id,
        offset=head.offset,
        seq=head.seq,
        attempt=head.attempts + 1,
        at=T0,
        latency_ms=12,
        status=200 if state == "delivered" else 500,
        outcome=state,
        error=None,
        state=state,
        next_at=next_at,
    )


def settle(store: OpenStore, payment_id: str, state: str, next_at: int = 0) -> None:
    head = store.reader.next_pending("c", payment_id)
    assert head is not None
    (outcome,) = store.commit(
        Write(rows=(result("c", payment_id, head, state, next_at),))
    )
    assert committed(outcome).changed == 1


def test_an_event_is_owed_from_its_commit_on_to_who_wants_it(store: OpenStore) -> None:
    store.commit(
        channel("all"),
        channel("ann", "ann"),
        channel("off", "*", enabled=False),
        channel("paid", "*", EventType.CONFIRMED),
    )
    store.commit(creation("p", "ann"), creation("q", "bob"))
    assert pending(store, "all", "p", "q") == [("p", 1), ("q", 1)]
    assert pending(store, "ann", "p", "q") == [("p", 1)]
    assert pending(store, "off", "p", "q") == pending(store, "paid", "p", "q") == []
    store.commit(observed(store, "q", view(mined("t1", 998))))
    (confirmed,) = pending(store, "paid", "q")
    assert confirmed[1] > 1
    assert pending(store, "off", "q") == []


def test_what_was_committed_before_a_channel_is_not_owed_to_it(
    store: OpenStore,
) -> None:
    """Of one batch, too: each write sees the channels that earlier ones left."""
    store.commit(creation("p"), channel("c"), creation("q"))
    assert pending(store, "c", "p", "q") == [("q", 1)]


def test_a_channel_hears_a_payment_in_order(store: OpenStore) -> None:
    store.commit(channel("c"), creation("p"))
    store.commit(observed(store, "p", view(mempool("t1"))))
    seqs = [event.seq for event in store.reader.history("p")]
    for seq in seqs:
        head = store.reader.next_pending("c", "p")
        assert head is not None
        stored = store.reader.history("p", seq - 1, 1)[0]
        assert (head.seq, head.offset, head.wire) == (seq, stored.offset, stored.wire)
        settle(store, "p", "delivered")
    assert store.reader.next_pending("c", "p") is None
    assert store.reader.outbox_counts() == {"delivered": len(seqs)}


def test_an_attempt_that_failed_stays_the_next_until_it_is_given_up(
    store: OpenStore,
) -> None:
    store.commit(channel("c"), creation("p"), creation("q"))
    store.commit(observed(store, "p", view(mempool("t1"))))
    settle(store, "p", "pending", next_at=T0 + 5_000)
    head = store.reader.next_pending("c", "p")
    assert head is not None
    assert (head.seq, head.attempts, head.next_at) == (1, 1, T0 + 5_000)
    owed = store.reader.owed("c")
    assert owed.last_offset == store.reader.last_offset()
    assert sorted(owed.payments, key=lambda p: p.payment_id) == [
        PendingPayment("p", T0 + 5_000),
        PendingPayment("q", 0),
    ]
    assert sorted(store.reader.pending_payments("c"), key=str) == sorted(
        owed.payments, key=str
    )
    settle(store, "p", "dead")
    assert pending(store, "c", "p") == [("p", 2)]
    assert store.reader.outbox_counts()["dead"] == 1


def test_refusals_are_kept_with_the_event_that_was_refused(store: OpenStore) -> None:
    store.commit(channel("c"), creation("p"))
    for times in (0, 1, 2):
        head = store.reader.next_pending("c", "p")
        assert head is not None
        assert (head.refusals, head.refused_at) == (times, T0 if times else 0)
        row = result("c", "p", head, "pending")
        store.commit(Write(rows=(replace(row, refusals=times + 1, refused_at=T0),)))


def test_what_was_given_up_is_named_until_the_next_delivery(store: OpenStore) -> None:
    store.commit(channel("c"), channel("d"), creation("p"), creation("q"))
    for number in range(3):
        store.commit(observed(store, "p", view(mempool(f"t{number}"))))
    assert not store.reader.owed("c").has_dead
    said = []
    for state in ("dead", "delivered", "dead", "dead", "delivered"):
        head = store.reader.next_pending("c", "p")
        if head is None:
            break
        said.append((head.seq, head.skipped))
        settle(store, "p", state)
    assert said[:5] == [
        (1, ()), (2, (1,)), (3, ()), (4, (3,)), (5, (3, 4)),
    ][: len(said)]  # fmt: skip
    assert len(said) >= 4
    assert store.reader.owed("c").has_dead
    assert not store.reader.owed("d").has_dead
    for name, payment in (("d", "p"), ("c", "q")):
        head = store.reader.next_pending(name, payment)
        assert head is not None
        assert head.skipped == (), "another's"


def test_every_attempt_is_in_the_log_newest_first(store: OpenStore) -> None:
    store.commit(channel("c"), creation("p"), creation("q"))
    for state in ("pending", "pending", "delivered"):
        settle(store, "p", state)
    settle(store, "q", "dead")
    page = store.reader.attempts("c", None, 2)
    assert [(a.payment_id, a.attempt, a.outcome) for a in page] == [
        ("q", 1, "dead"),
        ("p", 3, "delivered"),
    ]
    rest = store.reader.attempts("c", page[-1].id, 9)
    told, _ = whole_journal(store)
    event_id = json.loads(told.wire)["id"]
    assert [(a.attempt, a.event_id, a.status) for a in rest] == [
        (2, event_id, 500),
        (1, event_id, 500),
    ]
    assert store.reader.attempts("other", None, 9) == []


def test_what_became_of_a_payment_is_told_by_event_and_channel(
    store: OpenStore,
) -> None:
    store.commit(channel("c"), channel("d", "ann"), channel("e", "bob"))
    store.commit(creation("p", "ann"), creation("q", "ann"))
    store.commit(observed(store, "p", view(mempool("t1"))))
    for state, answer in (("pending", "no such table"), ("delivered", None)):
        head = store.reader.next_pending("c", "p")
        assert head is not None
        row = replace(result("c", "p", head, state, T0 + 9), answer=answer)
        store.commit(Write(rows=(row,)))
    found = store.reader.deliveries_of("p", None, FIRST, 3)
    assert [(d.seq, d.channel_id, d.state, d.attempts) for d in found] == [
        (1, "c", "delivered", 2),
        (1, "d", "pending", 0),
        (2, "c", "pending", 0),
    ]
    assert [(a.attempt, a.answer) for a in found[0].log] == [
        (2, None),
        (1, "no such table"),
    ]
    first = store.reader.history("p", 0, 1)[0]
    assert (found[0].wire, found[0].type) == (first.wire, "payment.created")
    assert found[0].event_id == json.loads(first.wire)["id"]
    rest = store.reader.deliveries_of("p", None, ("c", found[2].offset), 9)
    assert [(d.seq, d.channel_id) for d in rest][:1] == [(2, "d")]
    mine = store.reader.deliveries_of("p", "ann", FIRST, 9)
    assert {d.channel_id for d in mine} == {"d"}
    assert store.reader.deliveries_of("p", "bob", FIRST, 9) == []
    assert store.reader.deliveries_of("nobody", None, FIRST, 9) == []
    store.commit(Write(rows=(RemoveChannel("c"),)))
    left = store.reader.deliveries_of("p", None, FIRST, 9)
    assert {d.channel_id for d in left} == {"d"}


def test_of_one_delivery_the_newest_attempts_are_shown(store: OpenStore) -> None:
    store.commit(channel("c"), creation("p"))
    for _ in range(ATTEMPTS + 5):
        settle(store, "p", "pending")
    (found,) = store.reader.deliveries_of("p", None, FIRST, 9)
    newest = [*range(ATTEMPTS + 5, 5, -1)]
    assert [attempt.attempt for attempt in found.log] == newest


def test_what_a_channel_still_owes_is_counted_and_shown_by_state(
    store: OpenStore,
) -> None:
    store.commit(channel("c"), channel("d"))
    store.commit(*(creation(name) for name in ("p", "q", "r", "s")))
    settle(store, "p", "dead")
    settle(store, "s", "dead")
    settle(store, "q", "delivered")
    owed = store.reader.backlog("c", "dead", ("", 0), 1, 100)
    assert (owed.pending, owed.dead) == (1, 2)
    (first,) = owed.deliveries
    assert (first.payment_id, first.seq, first.state) == ("p", 1, "dead")
    rest = store.reader.backlog("c", "dead", ("p", first.offset), 9, 1)
    assert (rest.pending, rest.dead) == (1, 1), "counted no further"
    assert [d.payment_id for d in rest.deliveries] == ["s"]
    pending = store.reader.backlog("c", "pending", ("", 0), 9, 100).deliveries
    assert [(d.payment_id, d.type) for d in pending] == [("r", "payment.created")]
    assert store.reader.backlog("none", "dead", ("", 0), 9, 100) == Backlog(0, 0, [])


REQUEUES = {
    "all": (Requeue(at=T0), 3),
    "of a merchant": (Requeue(merchant="ann", at=T0), 1),
    "of a channel": (Requeue(channel_id="c", at=T0), 2),
    "of a payment": (Requeue(payment_id="p", at=T0), 2),
    "of an event": (Requeue(offset=2, at=T0), 1),
    "since": (Requeue(since=T0 + 10, at=T0), 1),
    "until": (Requeue(until=T0 + 10, at=T0), 2),
    "dead only": (Requeue(dead_only=True, at=T0), 1),
    "nothing": (Requeue(channel_id="off", at=T0), 0),
}


@pytest.mark.parametrize("request_", REQUEUES.values(), ids=REQUEUES)
def test_events_are_owed_again_when_that_is_asked_for(
    store: OpenStore, request_: tuple[Requeue, int]
) -> None:
    store.commit(channel("c"), channel("d", "ann"), channel("off"))
    late = creation("q", "bob").entries[0]
    late = replace(late, events=(replace(late.events[0], at=T0 + 10),))
    store.commit(creation("p", "ann"), Write((late,)))
    store.commit(channel("off", enabled=False))
    settle(store, "p", "delivered")
    settle(store, "q", "dead")
    head = store.reader.next_pending("d", "p")
    assert head is not None
    store.commit(Write(rows=(result("d", "p", head, "delivered"),)))
    asked, wanted = request_
    (outcome,) = store.commit(Write(rows=(asked,)))
    assert committed(outcome).changed == wanted
    of_off = 2  # what an idle channel was owed stays as it was
    assert store.reader.outbox_counts().get("pending", 0) == wanted + of_off


def test_what_a_late_answer_says_of_a_removed_channel_harms_nobody(
    store: OpenStore,
) -> None:
    store.commit(channel("c"), creation("p"))
    head = store.reader.next_pending("c", "p")
    assert head is not None
    late = Write(rows=(result("c", "p", head, "delivered"),))
    for outcome in store.commit(Write(rows=(RemoveChannel("c"),)), late):
        committed(outcome)
    assert store.reader.outbox_counts() == {}


def test_a_delivery_survives_a_restart(store: OpenStore) -> None:
    numbers = count()
    store.commit(channel("c"), *(creation(f"p{next(numbers)}") for _ in range(3)))
    settle(store, "p0", "delivered")
    settle(store, "p1", "pending", next_at=T0 + 9)
    store.reopen()
    assert sorted(store.reader.pending_payments("c"), key=str) == [
        PendingPayment("p1", T0 + 9),
        PendingPayment("p2", 0),
    ]


def test_a_batch_is_written_in_its_order(store: OpenStore) -> None:
    """An outcome, and that it is owed again: the later of the two stays."""
    store.commit(channel("c"), creation("p"))
    head = store.reader.next_pending("c", "p")
    assert head is not None
    told = Write(rows=(result("c", "p", head, "delivered"),))
    again = Write(rows=(Requeue(payment_id="p", at=T0),))
    store.commit(told, again)
    assert store.reader.outbox_counts() == {"pending": 1}
    store.commit(again, told)
    assert store.reader.outbox_counts() == {"delivered": 1}
    answer = KeptAnswer("scope", "key", b"hash", 201, b"{}", T0)
    store.commit(Write(rows=(answer,)), Write(rows=(ForgetIdempotency(T0 + 1),)))
    assert store.reader.idempotent_answer("scope", "key", 0) is None


def test_deliveries_are_read_in_the_order_of_the_journal_whatever_their_state(
    store: OpenStore,
) -> None:
    """What a stream is told: who reads it knows how far it has been told."""
    names = ["p1", "p2", "p3"]
    store.commit(channel("c"), *[creation(n) for n in names])
    settle(store, "p2", "delivered")
    settle(store, "p1", "dead")
    read = store.reader.deliveries_after("c", 0, 10)
    assert [(d.offset, d.payment_id, d.seq, d.attempts) for d in read] == [
        (1, "p1", 1, 1),
        (2, "p2", 1, 1),
        (3, "p3", 1, 0),
    ]
    assert [d.wire for d in read] == [e.wire for e in whole_journal(store)]
    assert [d.offset for d in store.reader.deliveries_after("c", 1, 1)] == [2]
    assert store.reader.deliveries_after("c", 3, 10) == []
    assert store.reader.deliveries_after("other", 0, 10) == []


def test_what_is_pending_up_to_an_offset_is_found(store: OpenStore) -> None:
    store.commit(channel("c"), *[creation(n) for n in ("p1", "p2", "p3")])
    settle(store, "p1", "delivered")
    found = store.reader.pending_up_to("c", 2, 10)
    assert [(d.offset, d.payment_id) for d in found] == [(2, "p2")]
    assert len(store.reader.pending_up_to("c", 3, 1)) == 1
    assert store.reader.pending_up_to("c", 1, 10) == []


def test_the_last_deliveries_of_a_channel_begin_behind_an_offset(
    store: OpenStore,
) -> None:
    store.commit(creation("before"), channel("c"))
    store.commit(*[creation(n) for n in ("p1", "p2", "p3")])
    assert store.reader.last_deliveries_after("c", 2) == 2
    assert store.reader.last_deliveries_after("c", 3) == 0
    assert store.reader.last_deliveries_after("other", 1) == 0
