"""Polls for a source with a budget: merchants in turn, and by hand not too often."""

from actors.messages import Poll
from actors.sources.planner import RESERVE, ROUND_GAP_S, Ask, Wait
from actors.sources.waiting import WaitingPolls
from tests.unit.actors.sources.plan import EVERY_S, A, B, Plan

BY_HAND_S = 10.0


def scripts(count: int) -> list[bytes]:
    return [b"ann %d" % n for n in range(count)]


def asked(ask: Ask) -> list[bytes]:
    return [poll.script for poll in ask.round.polls]


def quiet_plan(per_minute: float | None = None) -> Plan:
    """Of a merchant with many addresses and one with one, all shown once."""
    plan = Plan("address", per_minute=per_minute)
    plan.watch(*scripts(300), merchant="ann")
    plan.watch(B, merchant="bob")
    while plan.planner.waiting or not plan.planner.feeds[0].round:
        ask = plan.ask()
        plan.done(ask, *asked(ask), requests=0)
        plan.now += EVERY_S
    plan.now += BY_HAND_S
    return plan


def test_polls_by_hand_of_one_merchant_leave_another_its_turn() -> None:
    """Of a budget for one address a round every second one is the other's."""
    plan = quiet_plan(per_minute=60)
    for script in scripts(300):
        plan.planner.poll(Poll(script, due=0.0, by_hand_at=plan.now))
    plan.planner.poll(Poll(B, due=plan.now))  # nobody asked for it: its time came
    told, requests = [], 0
    for _ in range(6):
        ask = plan.ask()
        told.append(asked(ask))
        requests += 1 + len(asked(ask))
        plan.done(ask, *asked(ask), requests=requests)
        if B in asked(ask):
            plan.planner.poll(Poll(B, due=plan.now))
        feed = plan.planner.feeds[0]
        plan.now += feed.poor_s(plan.now, RESERVE)
    flat = [script for scripts_ in told for script in scripts_]
    assert flat.count(B) >= len(flat) // 2, "bob has half, though he wants little"
    assert B in flat[:2]


def test_of_one_merchant_the_most_urgent_is_first() -> None:
    waiting = WaitingPolls(BY_HAND_S)
    for number, due in enumerate((5.0, 0.0, 3.0)):
        waiting.add(Poll(b"%d" % number, due=due))
    assert [p.due for p in waiting.take_in_turn(2, 9.0)] == [0.0, 3.0]
    assert len(waiting) == 1


def test_a_newer_poll_takes_the_place_of_one_that_waits_and_is_as_urgent() -> None:
    waiting = WaitingPolls(BY_HAND_S)
    assert waiting.add(Poll(A, due=0.0))
    assert waiting.add(Poll(A, (("block", 7),), due=8.0))
    (taken,) = waiting.take_in_turn(9, 9.0)
    assert taken == Poll(A, (("block", 7),), due=0.0)


def test_an_address_is_looked_at_by_hand_once_in_a_while() -> None:
    """A hundred askings are one look now and one when its time has come."""
    plan = quiet_plan()
    assert plan.planner.poll(Poll(A, due=0.0, by_hand_at=plan.now)) is False, "unknown"
    assert plan.planner.poll(Poll(B, due=0.0, by_hand_at=plan.now))
    began, looks = plan.now, []
    while plan.now < began + BY_HAND_S + EVERY_S:
        plan.planner.poll(Poll(B, due=0.0, by_hand_at=plan.now))
        planned = plan.under_way or plan.plan()
        plan.under_way = None
        if isinstance(planned, Ask):
            if B in asked(planned):
                looks.append(plan.now - began)
            plan.done(planned, *asked(planned))
        plan.now += 0.25
    assert looks == [0.0, BY_HAND_S]


def test_what_waits_by_hand_is_asked_when_its_time_has_come_and_not_before() -> None:
    plan = quiet_plan()
    plan.planner.poll(Poll(B, due=0.0, by_hand_at=plan.now))
    ask = plan.ask()
    plan.now += 7.0
    plan.planner.poll(Poll(B, due=0.0, by_hand_at=plan.now))
    after = plan.done(ask, B)
    assert after == Wait(BY_HAND_S - 7.0)
    plan.now += BY_HAND_S - 7.0
    ask = plan.ask()
    assert asked(ask) == [B]
    assert plan.done(ask, B) == Wait(EVERY_S)


def test_a_webhook_or_a_deadline_is_not_held_up() -> None:
    plan = quiet_plan()
    plan.planner.poll(Poll(B, due=0.0, by_hand_at=plan.now))
    plan.round(B)
    plan.planner.poll(Poll(B, due=0.0, by_hand_at=plan.now))
    assert plan.planner.poll(Poll(B, due=0.0)), "urgent"
    ask = plan.ask()
    assert asked(ask) == [B]
    assert plan.done(ask, B) == Wait(EVERY_S), "which was the look by hand as well"


def test_a_source_that_reads_blocks_is_asked_by_hand_at_any_time() -> None:
    plan = Plan("block")
    plan.watch(A)
    plan.round(A)
    for _ in range(3):
        plan.now += ROUND_GAP_S
        assert plan.planner.poll(Poll(A, due=0.0, by_hand_at=plan.now))
        ask = plan.ask()
        assert asked(ask) == [A]
        plan.done(ask, A)


def test_who_is_watched_no_more_is_forgotten_whatever_waits() -> None:
    waiting = WaitingPolls(BY_HAND_S)
    waiting.of_merchant(A, "ann")
    waiting.add(Poll(A))
    waiting.take_in_turn(1, 100.0)
    assert waiting.hold(Poll(A, by_hand_at=101.0))
    waiting.forget(A)
    assert waiting.held_s(101.0) is None
    assert waiting.take_in_turn(5, 200.0) == ()
