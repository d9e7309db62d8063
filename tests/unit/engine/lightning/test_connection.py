"""The state machine of a connection: its table, and what no run of events can do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BrokenInvariant
from engine.lightning.connection import (
    LONGEST_WAIT_S,
    REFUSED_WAIT_S,
    STEADY_MS,
    TRANSITIONS,
    Connection,
    LinkStep,
    fresh,
    wait_s,
)
from engine.lightning.upstream import UpstreamState as S

BAD = {
    LinkStep.LOST,
    LinkStep.UNHELD,
    LinkStep.FAILED,
    LinkStep.REFUSED,
}


def walk(*steps: LinkStep, push: bool = True, at: int = 0) -> Connection:
    one = fresh(at, push=push)
    for number, step in enumerate(steps, 1):
        one = one.after(step, at + number, "why" if step in BAD else "")
    return one


def test_each_state_answers_to_a_persons_wish_and_to_trouble() -> None:
    assert set(TRANSITIONS) == set(S)
    for state, steps in TRANSITIONS.items():
        assert steps[LinkStep.RECONNECT] is S.CONNECTING, state
        assert steps[LinkStep.FAILED] is steps[LinkStep.REFUSED] is S.FAILING, state
    assert {
        at for at, steps in TRANSITIONS.items() if LinkStep.UNHELD not in steps
    } == {S.LIVE}


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ((), S.CONNECTING),
        ((LinkStep.OPENED,), S.BEHIND),
        ((LinkStep.OPENED, LinkStep.READ_SOME), S.BEHIND),
        ((LinkStep.OPENED, LinkStep.READ_ALL), S.LIVE),
        (
            (LinkStep.OPENED, LinkStep.READ_ALL, LinkStep.ALIVE),
            S.LIVE,
        ),
        (
            (LinkStep.OPENED, LinkStep.READ_ALL, LinkStep.LOST),
            S.FAILING,
        ),
        (
            (
                LinkStep.OPENED,
                LinkStep.READ_ALL,
                LinkStep.LOST,
                LinkStep.READ_SOME,
            ),
            S.BEHIND,
        ),
        (
            (
                LinkStep.OPENED,
                LinkStep.READ_ALL,
                LinkStep.LOST,
                LinkStep.OPENED,
            ),
            S.BEHIND,
        ),
        (
            (
                LinkStep.OPENED,
                LinkStep.READ_ALL,
                LinkStep.REFUSED,
                LinkStep.ALIVE,
            ),
            S.FAILING,
        ),
        (
            (LinkStep.OPENED, LinkStep.FAILED, LinkStep.READ_ALL),
            S.LIVE,
        ),
        (
            (LinkStep.UNHELD, LinkStep.READ_SOME, LinkStep.UNHELD),
            S.BEHIND,
        ),
        (
            (LinkStep.OPENED, LinkStep.READ_ALL, LinkStep.RECONNECT),
            S.CONNECTING,
        ),
    ],
)
def test_walks_of_a_node_that_pushes(steps: tuple[LinkStep, ...], state: S) -> None:
    assert walk(*steps).state is state


def test_a_node_without_push_is_live_by_its_answers() -> None:
    assert walk(LinkStep.READ_ALL, push=False).state is S.LIVE
    assert walk(LinkStep.READ_SOME, push=False).state is S.BEHIND
    assert walk(LinkStep.READ_ALL, LinkStep.FAILED, push=False).state is S.FAILING
    assert walk(LinkStep.FAILED, LinkStep.READ_ALL, push=False).state is S.LIVE
    for step in (
        LinkStep.OPENED,
        LinkStep.ALIVE,
        LinkStep.LOST,
        LinkStep.UNHELD,
    ):
        with pytest.raises(BrokenInvariant):
            walk(LinkStep.READ_ALL, step, push=False)


def test_what_cannot_be_is_a_bug() -> None:
    for steps in (
        (LinkStep.READ_ALL,),  # nothing is held
        (LinkStep.ALIVE,),
        (LinkStep.LOST,),
        (LinkStep.OPENED, LinkStep.OPENED),
        (LinkStep.OPENED, LinkStep.UNHELD),
        (
            LinkStep.OPENED,
            LinkStep.READ_ALL,
            LinkStep.LOST,
            LinkStep.READ_ALL,
        ),
        (
            LinkStep.OPENED,
            LinkStep.READ_ALL,
            LinkStep.RECONNECT,
            LinkStep.ALIVE,
        ),
    ):
        with pytest.raises(BrokenInvariant):
            walk(*steps)


def test_a_reading_that_began_before_the_opening_proves_nothing() -> None:
    before = walk().openings
    opened = walk(LinkStep.OPENED)
    assert opened.page(before, more=False) is LinkStep.READ_SOME
    assert opened.page(opened.openings, more=True) is LinkStep.READ_SOME
    assert opened.page(opened.openings, more=False) is LinkStep.READ_ALL
    again = walk(LinkStep.OPENED, LinkStep.LOST, LinkStep.OPENED)
    assert again.page(opened.openings, more=False) is LinkStep.READ_SOME
    anew = walk(LinkStep.OPENED, LinkStep.RECONNECT, LinkStep.OPENED)
    assert anew.page(opened.openings, more=False) is LinkStep.READ_SOME


def test_why_it_is_not_live_is_told_until_it_is() -> None:
    behind = walk(
        LinkStep.OPENED,
        LinkStep.READ_ALL,
        LinkStep.LOST,
        LinkStep.READ_SOME,
    )
    assert (behind.reason, behind.opened) == ("why", False)
    assert (
        walk(
            LinkStep.OPENED,
            LinkStep.LOST,
            LinkStep.OPENED,
            LinkStep.READ_ALL,
        ).reason
        == ""
    )
    refused = walk(LinkStep.OPENED, LinkStep.REFUSED)
    assert refused.refused
    assert refused.after(LinkStep.ALIVE, 9).refused  # it pushes, and the key is refused
    assert not refused.after(LinkStep.READ_ALL, 9).refused


def test_tries_count_until_it_was_live_for_a_while() -> None:
    live = walk(
        LinkStep.FAILED,
        LinkStep.FAILED,
        LinkStep.OPENED,
        LinkStep.READ_ALL,
    )
    assert live.attempts == 2
    assert live.settled(live.since + STEADY_MS - 1) is live
    assert live.settled(live.since + STEADY_MS).attempts == 0
    soon = live.after(LinkStep.LOST, live.since + 5, "why")
    assert soon.attempts == 3  # it opens and ends again and again
    late = live.after(LinkStep.LOST, live.since + STEADY_MS, "why")
    assert late.attempts == 1


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.booleans())
def test_waits_grow_and_are_bounded(attempts: int, rand: float, refused: bool) -> None:
    one = Connection(
        state=S.FAILING,
        since=0,
        push=True,
        opened=False,
        attempts=attempts,
        refused=refused,
    )
    wait = wait_s(one, rand)
    assert 0.15 < wait <= 1.21 * max(LONGEST_WAIT_S, REFUSED_WAIT_S)
    if attempts == 1 and not refused:
        assert wait < 0.5  # a moment: most often it is back at once
    if refused:
        assert wait >= 0.79 * REFUSED_WAIT_S
    assert wait_s(one, rand, 120.0) >= 120.0


@given(st.booleans(), st.lists(st.sampled_from(LinkStep), max_size=40), st.data())
def test_live_is_never_said_of_what_is_not_held_and_read(
    push: bool, steps: list[LinkStep], data: Any
) -> None:
    one, read_since_opening = fresh(0, push=push), False
    for now, wished in enumerate(steps, 1):
        step = wished
        if step in (
            LinkStep.READ_ALL,
            LinkStep.READ_SOME,
        ):  # as an upstream asks
            began = data.draw(st.integers(0, one.openings))
            step = one.page(began, more=data.draw(st.booleans()))
        try:
            after = one.after(step, now, "why" if step in BAD else "")
        except BrokenInvariant:
            continue  # and nothing has changed
        if step in BAD or step in (
            LinkStep.OPENED,
            LinkStep.RECONNECT,
            LinkStep.READ_SOME,
        ):
            read_since_opening = False
        read_since_opening = read_since_opening or step is LinkStep.READ_ALL
        if after.state is S.LIVE:
            assert after.opened
            assert read_since_opening
            assert after.reason == ""
            assert not after.refused
        if after.state is S.FAILING:
            assert after.reason
            assert after.attempts > 0
        assert after.since <= now
        assert after.openings >= one.openings
        one = after
