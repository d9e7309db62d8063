"""A payment's deliveries to one channel: the table, row by row."""

from collections.abc import Callable

import pytest

from engine.delivery.delivery_queue import (
    TRANSITIONS,
    DeliveryQueue,
    Happening,
    State,
)
from engine.errors import IllegalStep
from tests.unit.engine.delivery.deliveries import NOW, pending, result

LATER = NOW + 60_000


def ready() -> DeliveryQueue:
    return DeliveryQueue(pending(5))


def unread() -> DeliveryQueue:
    return DeliveryQueue()


def resting() -> DeliveryQueue:
    return DeliveryQueue(rests_until=LATER)


def reading() -> DeliveryQueue:
    queue = unread()
    queue.turn()
    return queue


def sending() -> DeliveryQueue:
    queue = ready()
    queue.turn()
    return queue


def recording(state: str = "delivered") -> DeliveryQueue:
    queue = sending()
    queue.answered(result(5, state, LATER))
    return queue


def unrecorded() -> DeliveryQueue:
    queue = recording()
    queue.not_recorded(LATER)
    return queue


def over() -> DeliveryQueue:
    queue = recording()
    queue.recorded()
    return queue


MADE: dict[State, Callable[[], DeliveryQueue]] = {
    State.READY: ready,
    State.UNREAD: unread,
    State.READING: reading,
    State.SENDING: sending,
    State.RECORDING: recording,
    State.RESTING: resting,
    State.UNRECORDED: unrecorded,
    State.OVER: over,
}
HAPPENS: dict[str, Callable[[DeliveryQueue], State]] = {
    "routed": lambda queue: queue.routed(pending(9)),
    "listed": lambda queue: queue.listed(NOW, NOW),
    "listed later": lambda queue: queue.listed(NOW + 1, NOW),
    "owed anew": lambda queue: queue.heard(1),
    "turn": lambda queue: queue.turn(),
    "head": lambda queue: queue.read(pending(5, NOW), NOW),
    "head later": lambda queue: queue.read(pending(5, NOW + 1), NOW),
    "no head": lambda queue: queue.read(None, NOW),
    "unreadable": lambda queue: queue.unreadable(LATER),
    "sender died": lambda queue: queue.sender_died(LATER),
    "not recorded": lambda queue: queue.not_recorded(LATER),
    "due": lambda queue: queue.due(),
}
# Written out once more, from the words of the design: what follows from what.
FOLLOWS: dict[tuple[State, str], State] = {
    (State.UNREAD, "turn"): State.READING,
    (State.READY, "turn"): State.SENDING,
    (State.READY, "listed"): State.UNREAD,
    (State.READY, "listed later"): State.UNREAD,
    (State.READY, "owed anew"): State.UNREAD,
    (State.READING, "head"): State.READY,
    (State.READING, "head later"): State.RESTING,
    (State.READING, "no head"): State.OVER,
    (State.READING, "unreadable"): State.RESTING,
    (State.SENDING, "sender died"): State.RESTING,
    (State.RECORDING, "not recorded"): State.UNRECORDED,
    (State.RESTING, "listed"): State.UNREAD,
    (State.RESTING, "due"): State.UNREAD,
    (State.UNRECORDED, "due"): State.RECORDING,
}
COMES_ANY_TIME = {"routed", "listed", "listed later", "owed anew", "due"}


@pytest.mark.parametrize("state", State)
def test_each_way_into_a_state_leads_there(state: State) -> None:
    assert MADE[state]().state is state


@pytest.mark.parametrize("what", HAPPENS)
@pytest.mark.parametrize("state", State)
def test_what_follows_from_what(state: State, what: str) -> None:
    queue = MADE[state]()
    follows = FOLLOWS.get((state, what))
    if follows is None and what in COMES_ANY_TIME and state is not State.OVER:
        follows = state
    if follows is None:
        with pytest.raises(IllegalStep) as caught:
            HAPPENS[what](queue)
        assert caught.value.state is queue.state is state
    else:
        assert HAPPENS[what](queue) is queue.state is follows


def test_every_state_has_its_row_and_every_happening_its_place() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {h for row in TRANSITIONS.values() for h in row} == set(Happening)


def test_a_refusal_reads_as_a_sentence() -> None:
    error = IllegalStep(State.OVER, Happening.TURN)
    assert str(error) == "a queue that is over: a sender is free"


def test_when_nothing_came_since_a_delivered_event_was_the_last() -> None:
    assert recording().recorded() is State.OVER


def test_the_one_that_came_since_is_sent_next_without_a_reading() -> None:
    queue = recording()
    queue.routed(pending(6))
    assert queue.recorded() is State.READY
    assert queue.head == pending(6)
    queue.turn()
    queue.answered(result(6))
    assert queue.recorded() is State.OVER


def test_what_comes_behind_one_that_is_given_up_is_read_as_it_follows_a_gap() -> None:
    queue = DeliveryQueue(pending(1))
    queue.turn()
    queue.routed(pending(2))
    queue.answered(result(1, "dead"))
    assert queue.recorded() is State.READING
    assert queue.read(pending(2), NOW) is State.READY
    queue.turn()
    queue.answered(result(2))
    assert queue.recorded() is State.OVER


def test_more_than_one_that_came_since_is_read_behind_the_next() -> None:
    queue = recording()
    queue.routed(pending(6))
    queue.routed(pending(7))
    assert queue.recorded() is State.READY
    queue.turn()
    queue.answered(result(6))
    assert queue.recorded() is State.READING


def test_what_was_listed_since_is_read_after_a_delivery() -> None:
    for first in (True, False):
        queue = recording()
        if first:
            queue.listed(0, NOW)
        queue.routed(pending(6))
        queue.listed(0, NOW)
        assert queue.recorded() is State.READING


def test_what_is_known_to_come_next_is_forgotten_where_the_head_is() -> None:
    queue = recording("pending")
    queue.routed(pending(6))
    queue.recorded()
    queue.due()
    queue.turn()
    assert queue.read(pending(5), NOW) is State.READY
    queue.turn()
    queue.answered(result(5))
    assert queue.recorded() is State.READING


def test_an_event_that_is_the_head_itself_is_nothing_more() -> None:
    queue = sending()
    queue.routed(pending(5))
    queue.answered(result(5))
    assert queue.recorded() is State.OVER


def test_the_outbox_is_read_up_to_the_newest_event_and_no_further() -> None:
    queue = recording()
    for offset in (6, 7, 8):
        queue.routed(pending(offset))
    assert queue.recorded() is State.READY
    queue.turn()
    queue.answered(result(6))
    assert queue.recorded() is State.READING
    assert queue.read(pending(7), NOW) is State.READY
    queue.turn()
    queue.answered(result(7))
    assert queue.recorded() is State.READING
    queue.read(pending(8), NOW)
    queue.turn()
    queue.answered(result(8))
    assert queue.recorded() is State.OVER


@pytest.mark.parametrize("make", [unread, resting])
def test_what_only_the_outbox_knows_is_read_to_its_end(
    make: Callable[[], DeliveryQueue],
) -> None:
    queue = make()
    queue.due()
    queue.routed(pending(5))
    queue.turn()
    queue.read(pending(5), NOW)
    queue.turn()
    queue.answered(result(5))
    assert queue.recorded() is State.READING
    assert queue.read(None, NOW) is State.OVER


def test_after_a_redelivery_only_the_outbox_knows() -> None:
    queue = sending()
    queue.listed(0, NOW)
    queue.answered(result(5))
    queue.recorded()
    queue.routed(pending(6))
    queue.read(pending(6), NOW)
    queue.turn()
    queue.answered(result(6))
    assert queue.recorded() is State.READING


def test_an_answer_of_nothing_is_no_answer_about_what_came_since() -> None:
    queue = reading()
    queue.routed(pending(7))
    assert queue.read(None, NOW) is State.READING
    assert queue.read(None, NOW) is State.OVER


@pytest.mark.parametrize("state", ["delivered", "dead"])
def test_an_event_that_is_delivered_or_given_up_is_done_with(state: str) -> None:
    assert recording(state).recorded() is State.OVER


def test_a_failed_attempt_is_followed_by_another_at_its_time() -> None:
    queue = recording("pending")
    assert queue.recorded() is State.RESTING
    assert (queue.rests_until, queue.head, queue.result) == (LATER, None, None)


def test_each_rest_is_until_the_time_that_was_given() -> None:
    rests: dict[str, tuple[DeliveryQueue, Callable[[DeliveryQueue], object]]] = {
        "head": (reading(), lambda q: q.read(pending(5, LATER), NOW)),
        "read": (reading(), lambda q: q.unreadable(LATER)),
        "died": (sending(), lambda q: q.sender_died(LATER)),
        "unrecorded": (recording(), lambda q: q.not_recorded(LATER)),
        "listed": (DeliveryQueue(rests_until=LATER * 2), lambda q: q.listed(LATER, 1)),
    }
    for queue, happen in rests.values():
        happen(queue)
        assert queue.rests_until == LATER


def test_what_is_listed_moves_no_time_of_an_attempt_that_is_not_recorded() -> None:
    queue = unrecorded()
    queue.listed(LATER * 2, NOW)
    assert queue.rests_until == LATER


def test_an_outcome_that_was_not_committed_is_kept_and_nothing_is_sent() -> None:
    queue = recording()
    outcome = queue.result
    queue.not_recorded(LATER)
    assert queue.listed(0, NOW) is State.UNRECORDED
    assert queue.due() is State.RECORDING
    assert queue.result is outcome is not None


def test_the_head_is_known_only_where_it_is_sent_or_was() -> None:
    for state, make in MADE.items():
        known = make().head is not None
        assert known is (
            state in {State.READY, State.SENDING, State.RECORDING, State.UNRECORDED}
        )


def test_an_outcome_is_of_the_event_that_was_sent() -> None:
    with pytest.raises(AssertionError):
        sending().answered(result(6))


def test_a_queue_that_begins_has_no_result_and_rests_as_long_as_it_was_told() -> None:
    assert (ready().result, ready().rests_until) == (None, 0)
    assert (resting().state, resting().rests_until) == (State.RESTING, LATER)


def test_what_is_heard_of_twice_changes_nothing() -> None:
    queue = DeliveryQueue(pending(5), as_of=3)
    assert queue.heard(3) is State.READY
    assert queue.heard(4) is State.UNREAD
    queue.turn()
    queue.read(pending(4), NOW)
    assert queue.heard(4) is State.READY


def test_after_a_redelivery_the_outbox_is_asked_for_what_comes_next() -> None:
    for known in ((), (6,)):
        queue = sending()
        for offset in known:
            queue.routed(pending(offset))
        queue.heard(1)
        queue.answered(result(5, "delivered"))
        queue.heard(1)
        assert queue.recorded() is State.READING


def test_after_a_redelivery_it_is_asked_again_behind_the_newest_event() -> None:
    """Of a queue that knew which was the newest; what was told is before it no more."""
    queue = DeliveryQueue(newest=5)
    queue.heard(1)
    queue.turn()
    queue.read(pending(5), NOW)
    queue.turn()
    queue.answered(result(5, "delivered"))
    assert queue.recorded() is State.READING


def test_what_was_asked_before_a_redelivery_is_asked_again() -> None:
    queue = reading()
    assert queue.heard(1) is State.READING
    queue.read(pending(5), NOW)
    assert queue.heard(1) is State.UNREAD
