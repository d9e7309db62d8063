"""The journal actor: what waits for a slow disk is bounded, and refused beyond; what
would take long is done step by step, merchants in turn."""

from collections.abc import Sequence
from pathlib import Path

from actors.journal.writer import (
    EVENTS_PER_TURN,
    LARGE,
    MAX_BATCH,
    MAX_PENDING,
    PROBE_S,
    PURGE_S,
    TELL_AGAIN_S,
)
from actors.messages import Append, AwaitWrites, ChannelChanged, Publish
from engine.payment.events import opening
from engine.payment.model import EventType
from engine.payment.observations import Reviewed
from engine.runtime.ref import ActorScope, Ref
from engine.store.writes import (
    Committed,
    Entry,
    Outcome,
    PurgeDeliveries,
    RemoveChannel,
    Requeue,
    Unavailable,
    Write,
)
from tests.tools.memory_store import MemoryStore
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.actors.journal.house import House
from tests.unit.journal_cases import decided
from tests.unit.payment_cases import EXPIRY, mined, terms, view


def test_what_waits_for_a_disk_that_hangs_is_bounded_and_refused_beyond() -> None:
    house = House()
    sent = 1 + MAX_PENDING + 5
    house.append(sent)
    answers = house.answers
    assert len(answers) == 5, "one is being written, the bound waits, five are refused"
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert house.node.counters["journal.refused"] == 5
    while house.disk.under_way:
        house.finish_one(Committed())
    assert sum(isinstance(answer, Committed) for answer in answers) == sent - 5
    assert house.node.counters["journal.writes"] == sent - 5
    assert {len(batch) for batch in house.disk.batches[1:-1]} == {MAX_BATCH}
    assert MAX_BATCH == 512
    assert MAX_PENDING == 20_000


def test_who_waits_for_all_writes_is_answered_after_them_however_many_wait() -> None:
    house = House()
    house.append(1 + MAX_PENDING)
    before: list[int] = []
    house.ref.tell(AwaitWrites(lambda _outcome: before.append(len(house.answers))))
    house.settle()
    assert before == [], "nothing is written yet"
    while house.disk.under_way:
        house.finish_one(Committed())
    assert before == [1 + MAX_PENDING]
    assert house.node.counters["journal.refused"] == 0


def test_a_disk_that_fails_is_probed_until_it_writes_and_each_failure_is_counted() -> (
    None
):
    house = House()
    house.append(2)  # a batch each: the second waits for the first
    for count in (1, 2):
        house.finish_one(Unavailable("disk full"))
        assert house.node.counters["journal.failures"] == count
    assert house.answers == [Unavailable("disk full")] * 2
    assert house.report.now.trouble == "disk full"
    (alert,) = house.node.alerts.standing()
    assert (alert.kind, alert.detail) == ("journal.cannot_write", "disk full")
    assert alert.merchant is None, "it is the whole node's"
    house.clock.advance(round(PROBE_S * 1000) - 1)
    house.settle()
    assert house.disk.under_way == []
    house.clock.advance(1)
    house.settle()
    assert len(house.disk.under_way) == 1, "one probe, though two batches failed"
    house.finish_one(Committed())
    assert house.report.now.trouble is None
    assert house.node.alerts.standing() == ()
    assert house.node.counters["journal.failures"] == 2


def test_what_still_waits_when_the_journal_stops_is_answered() -> None:
    house = House()
    house.append(3)
    house.ref.stop()
    house.settle()
    assert house.answers == [Unavailable("the node is stopping")] * 2


def test_what_a_batch_commits_is_routed_a_hundred_events_in_a_turn(
    tmp_path: Path,
) -> None:
    """A block pays thousands; whoever waits for a socket does not wait for all."""
    stage, router = ActorStage(tmp_path), Inbox()
    stage.node.router = stage.start("routed", router)
    entries = []
    for number in range(2 * EVENTS_PER_TURN + 1):
        event, payment = opening(terms(id=f"pay_{number}", address=f"a{number}"))
        entries.append(Entry(payment, (event,)))
    stage.append(Write(entries=tuple(entries)))
    stage.run()
    told = [message for message in router.got if isinstance(message, Publish)]
    assert [len(message.events) for message in told] == [100, 100, 1]
    offsets = [event.offset for message in told for event in message.events]
    assert offsets == list(range(1, 202))
    stage.close()


def test_what_speaks_of_an_order_is_routed_in_the_order_of_the_journal() -> None:
    """It was handed in first and is written last: readers go by the offset."""
    house, memory, router = House(), MemoryStore(), Inbox()
    house.node.router = Ref(
        ActorScope(house.dispatcher, lambda _name: router), "router"
    )
    house.node.router.start()
    made = [
        opening(terms(id=name, address=name, external_id="o", merchant="ann"))
        for name in ("a", "b")
    ]
    both = Write(entries=tuple(Entry(payment, (event,)) for event, payment in made))
    stale, other = made[0][1], made[1][1]
    for write in (
        both,  # while this is written the others wait, for one batch
        decided(stale, Reviewed(EXPIRY), EXPIRY),
        decided(other, view(mined("pays", 998)), EXPIRY),
    ):
        assert house.ref.tell(Append(write, house.answers.append))
        house.settle()
    assert [len(batch) for batch in house.disk.batches] == [1]
    for number in range(2):
        answered: list[list[Outcome]] = []
        memory.submit(house.disk.batches[number], answered.append)
        house.finish_so(answered[0])
    assert [len(batch) for batch in house.disk.batches] == [1, 2]
    told = [message for message in router.got if isinstance(message, Publish)]
    events = [event for message in told for event in message.events]
    assert [event.offset for event in events] == list(range(1, len(events) + 1))
    last = events[-1].event
    assert (last.type, last.payment_id) == (EventType.EXPIRED, "a")
    assert last.data.order is not None
    assert last.data.order.paid_by == "b"
    assert house.report.now.last_offset == events[-1].offset


# -- large writes ----------------------------------------------------------------------


def large(house: House, merchant: str, payments: int = LARGE) -> Write:
    entries = []
    for number in range(payments):
        event, payment = opening(terms(id=f"pay_{number}", merchant=merchant))
        entries.append(Entry(payment, (event,)))
    write = Write(entries=tuple(entries))
    assert house.ref.tell(Append(write, house.answers.append))
    house.settle()
    return write


def test_a_transaction_holds_one_batch_of_payments_merchants_in_turn() -> None:
    """Who creates a thousand at a time, again and again, is waited for once."""
    house = House()
    house.append()  # under way, while the others come
    anns = [large(house, "ann") for _ in range(5)]
    (bobs,) = [large(house, "bob")]
    house.append(3)
    small = large(house, "cy", LARGE - 1)
    while house.disk.under_way:
        house.finish_one(Unavailable("no matter"))
    first, second, *later = house.disk.batches[1:]
    assert first == [Write(), Write(), Write(), small, anns[0]]
    assert second == [bobs]
    assert later == [[write] for write in anns[1:]]


# -- steps -----------------------------------------------------------------------------


def step(house: House, merchant: str, *, limit: int = 1) -> None:
    write = Write(rows=(Requeue(merchant=merchant, limit=limit),))
    assert house.ref.tell(Append(write, house.answers.append))
    house.settle()


def steps_of(batch: Sequence[Write]) -> list[str | None]:
    return [row.merchant for w in batch for row in w.rows if isinstance(row, Requeue)]


def test_a_batch_holds_one_step_of_one_merchant_and_all_that_others_write() -> None:
    house = House()
    house.append()  # under way: the others wait
    for _ in range(50):
        step(house, "ann")
    step(house, "bob")
    house.append(30)
    for _ in range(4):
        house.finish_one(Committed())
    sizes = [len(batch) for batch in house.disk.batches]
    assert sizes == [1, 31, 1, 1, 1], "nobody waits for more than one step"
    steps = [steps_of(batch) for batch in house.disk.batches[1:4]]
    assert steps == [["ann"], ["bob"], ["ann"]]


def test_steps_that_wait_are_bounded_and_answered_at_the_end() -> None:
    house = House()
    house.append(MAX_PENDING)
    step(house, "ann")
    step(house, "ann")
    assert house.answers == [Unavailable("the journal has too much to do")]
    house.ref.stop()
    house.settle()
    assert len(house.answers) == MAX_PENDING + 1


def test_notifiers_are_told_of_many_steps_once_a_second() -> None:
    house = House()
    told = house.listen()
    house.append()
    for _ in range(20):
        step(house, "ann")
    house.finish_one(Committed())
    for _ in range(19):
        house.finish_one(Committed(changed=5, more_after=("c", 7)))
    assert told.got == [ChannelChanged(None, "ann")], "at once, of this merchant"
    house.finish_one(Committed(changed=0))
    house.clock.advance(round(TELL_AGAIN_S * 1000))
    house.settle()
    assert told.got == [ChannelChanged(None, "ann")] * 2
    house.clock.advance(round(TELL_AGAIN_S * 3000))
    house.settle()
    assert len(told.got) == 2, "nothing more was owed anew"
    step(house, "ann")
    house.finish_one(Committed(changed=1))
    assert len(told.got) == 3


def test_each_step_that_changed_something_is_counted_before_anybody_is_told() -> None:
    """Notifiers ask: they are told once a second, and send events meanwhile."""
    house = House()
    house.listen()
    counted: list[int] = []
    of = house.node.redeliveries.of
    house.append()
    for merchant in ("ann", "ann", "ann", "bob"):
        step(house, merchant)
    house.finish_one(Committed())
    for changed in (5, 0, 7):
        house.finish_one(Committed(changed=changed))
        counted.append(of("ann"))
    assert (counted, of("bob"), of("cy")) == ([1, 1, 2], 0, 0)
    house.finish_one(Unavailable("the disk is full"))
    assert of("bob") == 0


def test_a_reminder_from_before_a_crash_ends_nobody() -> None:
    """Simulated world 375: the journal crashed a second time by it."""
    house = House()
    told = house.listen()
    step(house, "ann")
    house.finish_one(Committed(changed=5))
    house.clock.advance(round(TELL_AGAIN_S * 1000))
    house.ref.kill()  # its mail stays
    house.ref.start()
    house.settle()
    assert house.ref.is_alive
    assert told.got == [ChannelChanged(None, "ann")], "nothing new was owed"


def test_what_changes_no_delivery_wakes_no_notifier() -> None:
    house = House()
    told = house.listen()
    step(house, "ann")
    house.finish_one(Committed(changed=0))
    assert told.got == []


def test_deliveries_of_a_removed_channel_are_taken_away_step_by_step() -> None:
    house = House()
    told = house.listen()
    row = RemoveChannel("c", limit=1)
    house.ref.tell(Append(Write(rows=(row,)), house.answers.append))
    house.settle()
    house.finish_one(Committed(changed=1, more_after=("c", 0)))
    assert house.answers == [Committed(changed=1, more_after=("c", 0))]
    assert told.got == [ChannelChanged("c")]
    house.finish_one(Committed(changed=1_000, more_after=("c", 0)))
    house.finish_one(Committed(changed=3))
    assert house.disk.under_way == []
    purges = [w.rows for batch in house.disk.batches[1:] for w in batch]
    assert purges == [(PurgeDeliveries(),)] * 2


def test_what_a_removed_channel_left_is_looked_for_after_a_start_and_a_failure() -> (
    None
):
    house = House()
    house.settle()
    words: list[Outcome] = [Unavailable("disk full"), Committed(changed=4)]
    purge = PurgeDeliveries()
    for tries, word in enumerate(words, 1):
        assert house.disk.under_way == []
        house.clock.advance(round(PURGE_S * 1000))
        house.settle()
        while house.disk.under_way:
            house.finish_one(word)
        purges = [w for b in house.disk.batches for w in b if w.rows == (purge,)]
        assert len(purges) == tries, "once each time"
    house.clock.advance(round(PURGE_S * 3000))
    house.settle()
    assert house.disk.under_way == []


def test_how_many_writes_wait_for_the_next_transaction_is_there_to_be_read() -> None:
    house = House()
    house.append()
    assert house.waiting.now == 0, "it is being written"
    house.append(MAX_BATCH + 3)
    assert house.waiting.now == MAX_BATCH + 3
    house.finish_one(Committed())
    assert house.waiting.now == 3
    house.ref.kill()
    house.ref.start()
    house.settle()
    assert house.waiting.now == 0, "what waited when it crashed waits no more"
