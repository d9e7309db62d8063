"""Which step of a stream's notifier is next: a walk through all that can be known."""

from itertools import product

import pytest

from engine.delivery.stream_steps import StreamStep, StreamSteps

LOOK, SETTLE, TELL, READ = StreamStep


def walked(steps: StreamSteps, *in_hand: bool) -> list[StreamStep | None]:
    """Each step begun and ended, with something in hand or not."""
    found = []
    for has_some in in_hand:
        found.append(steps.next_step(in_hand=has_some))
        steps.ended()
    return found


def test_at_first_it_looks_until_a_place_is_found_then_settles_and_reads() -> None:
    steps = StreamSteps()
    assert walked(steps, False, True) == [LOOK, LOOK]
    steps.place_found()
    assert walked(steps, False, False, False) == [SETTLE, READ, None]


@pytest.mark.parametrize(
    ("known", "settle", "read", "in_hand"), list(product((False, True), repeat=4))
)
def test_of_all_that_is_due_the_first_goes_before_the_others(
    known: bool, settle: bool, read: bool, in_hand: bool
) -> None:
    steps = StreamSteps()
    steps.place_found()
    walked(steps, False, False)
    for step, is_due in ((LOOK, not known), (SETTLE, settle), (READ, read)):
        if is_due:
            steps.make_due(step)
            assert steps.is_due(step)
    due = ((LOOK, not known), (SETTLE, settle), (TELL, in_hand), (READ, read))
    first = next((step for step, is_due in due if is_due), None)
    assert steps.next_step(in_hand=in_hand) is first
    assert steps.under_way is first


def test_what_is_in_hand_is_told_before_more_is_read() -> None:
    steps = StreamSteps()
    steps.place_found()
    assert walked(steps, True, True, True, False) == [SETTLE, TELL, TELL, READ]
    assert not steps.is_due(READ)


def test_a_step_that_is_due_again_while_it_is_under_way_has_another_turn() -> None:
    steps = StreamSteps()
    steps.place_found()
    assert steps.next_step(in_hand=False) is SETTLE
    steps.make_due(SETTLE)
    assert steps.next_step(in_hand=True) is None
    steps.ended()
    assert walked(steps, True, True) == [SETTLE, TELL]


def test_a_look_that_asks_the_store_too_is_one_step() -> None:
    steps = StreamSteps()
    assert steps.next_step(in_hand=False) is LOOK
    steps.ended()
    steps.goes_on(LOOK)
    assert steps.next_step(in_hand=False) is None
    with pytest.raises(AssertionError, match="one step at a time"):
        steps.goes_on(LOOK)


def test_nothing_begins_while_it_rests() -> None:
    steps = StreamSteps()
    steps.is_resting = True
    assert walked(steps, False, True) == [None, None]
    steps.is_resting = False
    assert walked(steps, False) == [LOOK]


def test_when_nothing_is_known_any_more_all_is_done_anew() -> None:
    steps = StreamSteps()
    steps.place_found()
    assert walked(steps, False, False, False) == [SETTLE, READ, None]
    steps.nothing_is_known()
    assert [step for step in StreamStep if steps.is_due(step)] == [LOOK, SETTLE, READ]


def test_to_tell_is_due_by_what_is_in_hand_alone() -> None:
    with pytest.raises(AssertionError, match="in hand"):
        StreamSteps().make_due(TELL)
