"""Polls that wait, one by one: what is kept of each, and for how long."""

from actors.messages import Poll
from actors.sources.waiting import WaitingPolls
from tests.unit.actors.sources.plan import A, B, C

BY_HAND_S = 10.0


def waiting(*polls: Poll) -> WaitingPolls:
    found = WaitingPolls(BY_HAND_S)
    for poll in polls:
        found.add(poll)
    return found


def test_what_waits_is_known_by_its_script() -> None:
    polls = waiting(Poll(A), Poll(B))
    assert A in polls
    assert C not in polls
    assert len(polls) == 2
    assert [poll.script for poll in polls] == [A, B]


def test_a_poll_is_urgent_that_is_due_at_none() -> None:
    polls = waiting()
    assert polls.add(Poll(A, due=0.0)) is True
    assert polls.add(Poll(B, due=0.5)) is False
    assert polls.add(Poll(A, due=3.0)) is True, "as urgent as the one that waited"
    assert polls.add(Poll(B, due=0.0)) is True


def test_a_poll_as_urgent_as_the_one_that_waits_takes_its_place() -> None:
    older, newer = Poll(A, due=2.0), Poll(A, (("b", 1),), due=2.0)
    polls = waiting(older, newer)
    assert tuple(polls) == (newer,)
    polls.add_unless_there(older)
    assert tuple(polls) == (newer,)
    polls.add_unless_there(Poll(B))
    assert len(polls) == 2


def test_as_many_are_taken_as_are_asked_for_and_all_of_no_number() -> None:
    polls = waiting(Poll(A), Poll(B), Poll(C))
    assert [poll.script for poll in polls.take(2)] == [A, B]
    polls.add(Poll(A))
    assert len(polls.take(None)) == 2
    assert len(polls) == 0
    assert polls.take(None) == ()
    assert polls.take_in_turn(0, 1.0) == ()


def test_merchants_are_served_in_turn_going_on_where_it_was() -> None:
    polls = waiting(*(Poll(s, due=1.0) for s in (b"a1", b"a2", b"a3", b"b1", b"c1")))
    for script in (b"a1", b"a2", b"a3", b"b1", b"c1"):
        polls.of_merchant(script, chr(script[0]))
    assert [p.script for p in polls.take_in_turn(2, 1.0)] == [b"a1", b"b1"]
    assert [p.script for p in polls.take_in_turn(2, 2.0)] == [b"c1", b"a2"]
    assert [p.script for p in polls.take_in_turn(5, 3.0)] == [b"a3"]


def test_a_script_that_is_forgotten_has_no_merchant_any_more() -> None:
    polls = waiting()
    polls.of_merchant(A, "a")
    polls.forget(A)
    polls.forget(B)
    polls.of_merchant(B, "z")
    for script in (A, B):
        polls.add(Poll(script))
    assert [p.script for p in polls.take_in_turn(1, 1.0)] == [B], "of nobody: last"


def test_a_look_by_hand_is_held_until_ten_seconds_after_the_last_one() -> None:
    polls = waiting(Poll(A))
    assert polls.hold(Poll(B, by_hand_at=100.0)) is False
    polls.take_in_turn(1, 100.0)
    assert polls.hold(Poll(A, by_hand_at=109.9)) is True
    assert polls.held_s(105.0) == 5.0
    assert polls.held_s(111.0) == 0.0
    assert polls.take_in_turn(5, 109.9) == ()
    assert polls.held_s(109.9) is not None
    (taken,) = polls.take_in_turn(5, 110.0)
    assert taken == Poll(A, by_hand_at=109.9)
    assert polls.held_s(110.0) is None
    assert polls.hold(Poll(A, by_hand_at=120.0)) is False
    assert polls.held_s(120.0) is None


def test_the_first_look_at_a_clock_that_begins_at_none_is_not_held() -> None:
    assert waiting().hold(Poll(A, by_hand_at=0.0)) is False


def test_of_several_held_looks_the_soonest_is_waited_for() -> None:
    polls = waiting(Poll(A))
    polls.take_in_turn(1, 100.0)
    polls.add(Poll(B))
    polls.take_in_turn(1, 104.0)
    assert polls.hold(Poll(B, by_hand_at=105.0))
    assert polls.hold(Poll(A, by_hand_at=105.0))
    assert polls.held_s(105.0) == 5.0
    assert [p.script for p in polls.take_in_turn(9, 110.0)] == [A]
    assert polls.held_s(110.0) == 4.0


def test_a_look_that_was_held_takes_no_other_s_place() -> None:
    polls = waiting(Poll(A))
    polls.take_in_turn(1, 100.0)
    assert polls.hold(Poll(A, by_hand_at=101.0))
    urgent = Poll(A, due=0.0, known=())
    polls.add(urgent)
    assert polls.take_in_turn(9, 110.0) == (urgent,)
    assert polls.take_in_turn(9, 120.0) == (), "it was one look"


def test_a_look_for_another_reason_is_the_one_that_was_held() -> None:
    polls = waiting(Poll(A))
    polls.take_in_turn(1, 100.0)
    assert polls.hold(Poll(A, by_hand_at=101.0))
    polls.add(Poll(A))
    polls.take_in_turn(1, 103.0)
    assert polls.held_s(103.0) is None
    assert polls.hold(Poll(A, by_hand_at=112.9)), "ten seconds from that one"


def test_when_it_was_looked_at_is_forgotten_after_that_time() -> None:
    polls = waiting()
    for number in range(30):
        polls.add(Poll(b"%d" % number))
        polls.take_in_turn(1, 100.0 + number)
    assert sorted(polls._asked) == sorted(b"%d" % n for n in range(20, 30))


def test_what_a_block_feed_took_is_no_look_of_an_address() -> None:
    polls = waiting(Poll(A))
    polls.take(None)
    assert polls.hold(Poll(A, by_hand_at=1.0)) is False
