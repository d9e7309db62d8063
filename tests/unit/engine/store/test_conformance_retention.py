"""What any store must keep, and may let go: see `test_conformance.py`."""

import pytest

from engine.store.records import Prunable, Pruned
from engine.store.writes import (
    Conflict,
    CustomerRow,
    DeliveryResult,
    Forget,
    ForgetDeliveries,
    InboundWebhook,
    Prune,
    Release,
    Whole,
    Write,
)
from tests.unit.engine.store.conformance import (
    OpenStore,
    committed,
    observed,
    whole_journal,
)
from tests.unit.journal_cases import channel, creation
from tests.unit.payment_cases import HOUR_MS, T0, mined, view

LATER = T0 + 1_000 * HOUR_MS


def paid(store: OpenStore, name: str) -> None:
    """A payment that is over: paid and let go."""
    store.commit(creation(name))
    store.commit(observed(store, name, view(mined(f"of {name}", 990))))
    store.commit(Write(rows=(Release(name),)))


def prunable(store: OpenStore, before: int = LATER) -> Prunable:
    return store.reader.prunable(before, 0, 1_000)


def prune(store: OpenStore, *prunes: Prune) -> int:
    (outcome,) = store.commit(Write(rows=prunes))
    return committed(outcome).changed


def names(found: Prunable) -> list[str]:
    return [prune.payment_id for prune in found.payments]


def test_a_payment_that_is_over_may_lose_its_events_and_keeps_its_row(
    store: OpenStore,
) -> None:
    paid(store, "p")
    paid(store, "q")
    before = store.reader.payment("p")
    (found,) = prunable(store).payments
    events = store.reader.history("p")
    assert prune(store, found) == len(events) > 1
    assert store.reader.history("p") == []
    assert store.reader.payment("p") == before
    assert [event.payment_id for event in whole_journal(store)] == ["q"] * len(events)
    assert store.reader.pruned() == Pruned(len(events), events[-1].offset)


def test_what_wants_all_events_is_not_written_once_they_are_gone(
    store: OpenStore,
) -> None:
    """Also when they go in the same commit, a moment before."""
    paid(store, "p")
    paid(store, "q")
    (found,) = prunable(store).payments
    kept = Write(rows=(Whole("p"), CustomerRow("p", "before")))
    late = Write(rows=(CustomerRow("q", "after"), Whole("p")))
    first, gone, refused = store.commit(kept, Write(rows=(found,)), late)
    assert committed(first).changed == 1
    assert committed(gone).changed > 1
    assert isinstance(refused, Conflict)
    assert refused.what == "seq"
    assert store.reader.customer_email("q") is None


def test_what_is_known_of_the_payer_goes_with_the_events(store: OpenStore) -> None:
    rows = CustomerRow("p", "sealed p"), CustomerRow("q", "sealed q")
    store.commit(Write(rows=rows))
    paid(store, "p")
    paid(store, "q")
    assert prune(store, Prune("p", 1)) == 0, "it has moved on"
    assert store.reader.customer_email("p") == "sealed p"
    prune(store, *prunable(store).payments)
    assert store.reader.customer_email("p") is None
    assert store.reader.customer_email("q") == "sealed q"


def test_what_went_of_one_merchant_is_not_missed_by_another(store: OpenStore) -> None:
    """Bob's last event is older than what went of Ann: his cursor is still good."""
    store.commit(creation("b", "bob"))
    store.commit(creation("a", "ann"))
    store.commit(observed(store, "a", view(mined("of a", 990))))
    store.commit(Write(rows=(Release("a"),)))
    store.commit(creation("newest", "bob"))
    (found,) = prunable(store).payments
    gone = prune(store, found)
    assert store.reader.pruned("ann") == store.reader.pruned()
    assert store.reader.pruned().events == gone > 0
    assert store.reader.pruned("bob") == Pruned(0, 0)


def test_who_is_watched_keeps_all(store: OpenStore) -> None:
    store.commit(creation("p"), creation("q"))
    assert names(prunable(store)) == []
    assert prune(store, Prune("p", 1)) == 0
    assert len(store.reader.history("p")) == 1


def test_what_happened_lately_is_kept(store: OpenStore) -> None:
    paid(store, "p")
    paid(store, "q")
    assert names(prunable(store, before=T0)) == []
    assert names(prunable(store, before=T0 + 1)) == ["p"]


def test_the_newest_event_stays_so_that_no_offset_is_used_twice(
    store: OpenStore,
) -> None:
    paid(store, "p")
    payment = store.reader.payment("p")
    assert payment is not None
    assert names(prunable(store)) == []
    assert prune(store, Prune("p", payment.seq)) == 0
    last = store.reader.last_offset()
    store.commit(creation("q"))
    assert store.reader.last_offset() == last + 1


def test_one_that_moved_on_meanwhile_keeps_its_events(store: OpenStore) -> None:
    paid(store, "p")
    paid(store, "q")
    (found,) = prunable(store).payments
    assert prune(store, Prune("p", found.seq - 1)) == 0
    assert store.reader.history("p")


def test_what_a_channel_is_still_owed_is_kept(store: OpenStore) -> None:
    store.commit(channel("c"))
    paid(store, "p")
    paid(store, "q")
    assert names(prunable(store)) == []


def test_for_a_channel_that_is_off_nothing_waits(store: OpenStore) -> None:
    store.commit(channel("c"))
    paid(store, "p")
    paid(store, "q")
    store.commit(channel("c", enabled=False))
    (found,) = prunable(store).payments
    assert prune(store, found) > 0
    assert [owed.payment_id for owed in store.reader.pending_payments("c")] == ["q"]


def test_events_are_looked_at_in_pages(store: OpenStore) -> None:
    for name in "abcd":
        paid(store, name)
    found: list[str] = []
    after: int | None = 0
    pages = 0
    while after is not None:
        page = store.reader.prunable(LATER, after, 2)
        assert len(page.payments) <= 2
        found += names(page)
        after = page.next_after
        pages += 1
    assert list(dict.fromkeys(found)) == ["a", "b", "c"]
    assert pages > 3


def test_offsets_go_on_after_a_restart(store: OpenStore) -> None:
    paid(store, "p")
    paid(store, "q")
    last = store.reader.last_offset()
    prune(store, *prunable(store).payments)
    store.reopen()
    assert store.reader.last_offset() == last
    store.commit(creation("r"))
    assert store.reader.last_offset() == last + 1
    assert store.reader.pruned().events > 0


def delivered(store: OpenStore, name: str, state: str = "delivered") -> None:
    head = store.reader.next_pending("c", name)
    assert head is not None
    row = DeliveryResult(
        channel_id="c",
        payment_id=name,
        offset=head.offset,
        seq=head.seq,
        attempt=1,
        at=T0 + head.offset,
        latency_ms=1,
        status=200,
        outcome=state,
        error=None,
        state=state,
        next_at=0,
    )
    store.commit(Write(rows=(row,)))


def test_what_a_channel_was_told_goes_and_what_it_was_not_stays(
    store: OpenStore,
) -> None:
    store.commit(channel("c"))
    store.commit(*(creation(name) for name in "abcd"))
    delivered(store, "a")
    delivered(store, "b", "dead")
    delivered(store, "d")
    last = store.reader.deliveries_up_to("c", 0, 3, 2)
    assert last == 2
    assert store.reader.deliveries_up_to("c", 2, 3, 2) == 3
    assert store.reader.deliveries_up_to("c", 3, 3, 2) is None
    (outcome,) = store.commit(Write(rows=(ForgetDeliveries("c", 0, 3),)))
    assert committed(outcome).changed == 1
    counts = store.reader.outbox_counts()
    assert (counts["delivered"], counts["dead"], counts["pending"]) == (1, 1, 1)


def test_the_delivery_log_goes_from_its_oldest_end(store: OpenStore) -> None:
    store.commit(channel("c"))
    for name in "abc":
        store.commit(creation(name))
        delivered(store, name)
    logged = store.reader.attempts("c", None, 10)
    (outcome,) = store.commit(Write(rows=(Forget("attempts", T0 + 3, 1),)))
    assert committed(outcome).changed == 1
    (outcome,) = store.commit(Write(rows=(Forget("attempts", T0 + 3, 10),)))
    assert committed(outcome).changed == 1
    assert store.reader.attempts("c", None, 10) == logged[:1]


@pytest.mark.parametrize("limit", [1, 10])
def test_webhooks_that_were_heard_go_by_age(store: OpenStore, limit: int) -> None:
    heard = [InboundWebhook("x", f"{n}", T0 + n, None, "heard", b"") for n in range(3)]
    store.commit(*(Write(rows=(row,)) for row in heard))
    (outcome,) = store.commit(Write(rows=(Forget("inbound", T0 + 2, limit),)))
    assert committed(outcome).changed == min(limit, 2)
    (outcome,) = store.commit(Write(rows=(heard[2],)))
    assert not hasattr(outcome, "events")  # a conflict: it is still known
