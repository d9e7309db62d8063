"""The planner of rounds: what a round asks of a block feed, and of an address feed."""

from actors.messages import Poll
from actors.sources.planner import (
    MAX_ADDRESSES,
    MAX_POLLS,
    Ask,
    Wait,
)
from engine.chain.feed import Output, Tip
from engine.errors import SourceError, SourceUnavailable
from tests.unit.actors.sources.plan import A, B, C, Plan, ref, scripts_of

# -- what a round asks of a block feed -------------------------------------------------


def test_a_block_feed_is_told_of_scripts_by_difference() -> None:
    known = (Output("t", 0, 5, "bb", 50),)
    plan = Plan("block")
    plan.watch(A)
    plan.watch(B, known=known)
    first = plan.ask().round
    assert first.reset
    assert scripts_of(first.watch) == scripts_of(first.show) == {A, B}
    assert first.known == {B: known}
    plan.done(Ask(plan.planner.feeds[0], first), A, B)
    owner = plan.planner.watchers.get(A)
    assert owner is not None
    plan.watch(C)
    assert plan.planner.unwatch(A, owner)
    second = plan.ask().round
    assert not second.reset
    assert scripts_of(second.watch) == scripts_of(second.show) == {C}
    assert (second.unwatch, second.known) == ((A,), {})
    plan.done(Ask(plan.planner.feeds[0], second), C)
    third = plan.ask().round
    assert (scripts_of(third.watch), third.show, third.unwatch) == (set(), (), ())


def test_what_is_asked_about_with_each_view_is_told_with_the_script() -> None:
    since, plan = Tip(7, "aa" * 32), Plan("block")
    plan.watch(A, C, since=since)
    plan.watch(C)  # by another watcher, who has nothing to ask
    sent = plan.ask()
    assert sent.round.since == {A: since}
    plan.done(sent, A, C)
    plan.watch(B, since=since)
    assert plan.ask().round.since == {B: since}, "it knows of the first"
    plan = Plan("address")
    plan.watch(A, since=since)
    assert [poll.since for poll in plan.ask().round.polls] == [since]


def test_a_round_holds_what_was_so_when_it_was_sent() -> None:
    plan = Plan("block")
    plan.watch(A, B, known=(Output("t", 0, 5, "bb", 50),))
    sent = plan.ask()
    before = repr(sent.round)
    owner = plan.planner.watchers.get(A)
    assert owner is not None
    plan.planner.unwatch(A, owner)
    plan.watch(C)
    plan.planner.poll(Poll(B, due=0.0))
    plan.done(sent, error=SourceUnavailable("gone"))
    plan.ask()
    assert repr(sent.round) == before


def test_who_was_let_go_and_comes_again_is_watched() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    owner = plan.planner.watchers.get(A)
    assert owner is not None
    plan.planner.unwatch(A, owner)
    plan.watch(A)
    work = plan.ask().round
    assert (scripts_of(work.watch), work.unwatch) == ({A}, ())


def test_only_its_own_watcher_lets_a_script_go() -> None:
    plan = Plan("block")
    plan.watch(A)
    assert not plan.planner.unwatch(A, ref())
    assert not plan.planner.unwatch(B, ref())
    assert A in plan.planner.watchers


def test_what_a_round_failed_to_show_is_shown_by_the_next() -> None:
    plan = Plan("block")
    plan.watch(A)
    first = plan.ask()
    plan.watch(B)
    plan.done(first, error=SourceUnavailable("gone"))
    second = plan.ask().round
    assert not second.reset, "the worker keeps what it was given"
    assert scripts_of(second.watch) == {B}
    assert scripts_of(second.show) == {A, B}
    plan.done(Ask(first.feed, second), A, B)
    assert plan.ask().round.show == ()


def test_polls_are_one_for_a_script_with_the_most_urgent_moment() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    for due in (3.0, 2.0, 9.0):
        plan.planner.poll(Poll(A, due=due))
    plan.planner.poll(Poll(B, due=1.0))  # nobody watches it
    assert plan.planner.waiting == 1
    assert plan.ask().round.polls == (Poll(A, due=2.0),)
    assert plan.planner.waiting == 0


def test_what_got_no_view_is_asked_for_again() -> None:
    plan = Plan("block")
    plan.watch(A, B)
    plan.round(A, B)
    plan.planner.poll(Poll(A, due=2.0))
    plan.planner.poll(Poll(B, due=1.0))
    plan.round(A)
    assert plan.ask().round.polls == (Poll(B, due=1.0),)


def test_a_newer_poll_outlives_the_one_that_was_put_back() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    plan.planner.poll(Poll(A, (("old", 1),), due=2.0))
    ask = plan.ask()
    newer = Poll(A, (("new", 2),), due=5.0)
    plan.planner.poll(newer)
    plan.done(ask)
    assert plan.ask().round.polls == (newer,)


def test_who_is_watched_no_longer_is_not_asked_for_again() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    plan.planner.poll(Poll(A, due=2.0))
    ask = plan.ask()
    owner = plan.planner.watchers.get(A)
    assert owner is not None
    plan.planner.unwatch(A, owner)
    plan.done(ask)
    assert plan.planner.waiting == 0


def test_a_round_takes_a_bounded_number_of_polls_but_a_reset_takes_all() -> None:
    many = MAX_POLLS + 5
    scripts = [b"%06d" % number for number in range(many)]
    plan = Plan("block")
    plan.watch(*scripts)
    for script in scripts:
        plan.planner.poll(Poll(script, due=1.0))
    first = plan.ask()
    assert len(first.round.polls) == many, "its answer shows everybody"
    plan.done(first, *scripts)
    for script in scripts:
        plan.planner.poll(Poll(script, due=1.0))
    assert len(plan.ask().round.polls) == MAX_POLLS
    assert plan.planner.waiting == 5


# -- what a round asks of an address feed ---------------------------------------------


def test_to_watch_is_to_ask_an_address_feed_a_first_time() -> None:
    known = (Output("t", 0, 5, "bb", 50),)
    plan = Plan("address")
    plan.watch(A, known=known)
    work = plan.ask().round
    assert work.polls == (Poll(A, (("bb", 50),), plan.now, known),)
    assert work.addresses == {A: A.decode()}


def test_an_address_feed_is_asked_the_most_urgent_first_in_short_rounds() -> None:
    scripts = [b"%06d" % number for number in range(MAX_ADDRESSES + 5)]
    plan = Plan("address")
    plan.watch(*scripts)
    for number, script in enumerate(scripts):
        plan.planner.poll(Poll(script, due=100.0 - number))
    asked = [poll.script for poll in plan.ask().round.polls]
    assert asked == scripts[: -MAX_ADDRESSES - 1 : -1]


def test_a_budget_keeps_a_reserve_and_is_waited_for() -> None:
    plan = Plan("address", per_minute=60)  # a burst of 6
    scripts = [b"%06d" % number for number in range(20)]
    plan.watch(*scripts)
    ask = plan.ask()
    assert len(ask.round.polls) == 4
    done = [poll.script for poll in ask.round.polls]
    after = plan.done(ask, *done, requests=5)
    assert isinstance(after, Wait)
    plan.now += after.seconds
    second = plan.ask()
    assert second.round.polls, "what was asked before our time is no debt of ours"
    after = plan.done(second, requests=20)
    assert isinstance(after, Wait)
    assert after.seconds > 10
    assert plan.plan() == after, "it is in debt until then"


def test_scripts_that_a_block_feed_never_showed_are_asked_for_by_address() -> None:
    plan = Plan("block", "address")
    plan.watch(A, B)
    ask = plan.ask()
    owner = plan.planner.watchers.get(B)
    assert owner is not None
    plan.planner.unwatch(B, owner)
    for _ in range(4):
        plan.done(ask, error=SourceUnavailable("gone"))
        ask = plan.ask()
        if ask.feed.number == 1:
            break
    assert [poll.script for poll in ask.round.polls] == [A]


def test_an_address_that_cannot_be_read_is_left_to_its_watcher() -> None:
    plan = Plan("address")
    plan.watch(A, B)
    plan.round(B, unreadable=(A,))
    assert plan.planner.waiting == 0
    plan.planner.poll(Poll(A, due=1.0))
    plan.round(unreadable=(A,), error=SourceUnavailable("gone"))
    again = plan.ask().round.polls
    assert [poll.script for poll in again] == [A], "the whole round failed"


def test_what_a_watcher_could_not_take_is_asked_for_once_more() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    urgent = Poll(A, due=0.0)
    plan.planner.poll(urgent)
    plan.planner.show_again(A, plan.now)
    assert plan.ask().round.polls == (urgent,), "it asked for it itself"


def test_a_round_of_a_worker_that_died_is_known_as_such() -> None:
    plan = Plan("block")
    ask = plan.ask()
    assert plan.planner.feed_asked(0, ask.round.number) is ask.feed
    assert plan.planner.feed_asked(0, ask.round.number + 1) is None
    plan.planner.crashed(ask.feed, SourceError("bug"), plan.now, 0.5)
    assert plan.planner.feed_asked(0, ask.round.number) is None
