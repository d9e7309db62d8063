"""What is asked of another source than the one that is asked for all."""

from typing import Any

import pytest

from actors.messages import Poll, Round
from actors.sources.aside import Aside
from actors.sources.feed_state import Feed, FeedSpec
from engine.chain.feed import Output, Tip
from engine.chain.witness import Assessment, Best, Standing
from tests.unit.actors.sources.plan import A, B, C, ref

NOW = 1_000.0
BEST = Best(Tip(7, "07"), 1)
FAR = Assessment(Standing.BEHIND, "far")


def feed(number: int, by_block: bool = False, **more: Any) -> Feed:
    operator = more.pop("operator", f"operator {number}")
    return Feed(
        number,
        FeedSpec(
            f"s{number}", "esplora", ref(), by_block, 10.0, operator=operator, **more
        ),
    )


def feeds(count: int = 3) -> list[Feed]:
    return [feed(number) for number in range(count)]


def plan(
    aside: Aside, of: list[Feed], now: float = NOW, reserve: int = 3, **more: Any
) -> tuple[Feed, Round] | None:
    active = more.pop("active", of[0])
    known = more.pop("known", {})
    return aside.plan(of, active, BEST, {A: "a", B: "b"}, known, now, reserve)


def test_what_one_cannot_read_the_next_is_asked_with_all_that_is_known() -> None:
    of, aside = feeds(), Aside()
    poll, paid = Poll(A, due=5.0), (Output("t", 0, 1, "bb", 5),)
    aside.bar(poll, of[0], of, NOW)
    of[1].round = 4
    planned = plan(aside, of, known={A: paid, C: paid})
    assert planned is not None
    asked, work = planned
    assert asked is of[1]
    assert work == Round(
        number=5,
        watch=(),
        known={A: paid},
        polls=(poll,),
        addresses={A: "a"},
        best=BEST,
        aside=True,
    )
    assert of[1].busy is work
    assert of[1].asked == {A: poll}
    assert of[1].round == 5
    of[1].busy = None
    assert plan(aside, of) is None, "it is asked once"


def test_one_that_reads_blocks_is_told_to_watch_the_script() -> None:
    of, aside = [feed(0), feed(1, by_block=True)], Aside()
    aside.bar(Poll(C), of[0], of, NOW)
    planned = plan(aside, of)
    assert planned is not None
    assert planned[1].watch == ((C,),)
    assert planned[1].addresses == {}, "it was watched by nobody any more"


def test_ten_minutes_it_is_not_asked_again_for_what_it_could_not_read() -> None:
    of, aside = feeds(), Aside()
    aside.bar(Poll(A), of[0], of, NOW)
    assert aside.is_barred(A, of[0], NOW + 599.9)
    assert not aside.is_barred(A, of[0], NOW + 600)
    assert not aside.is_barred(A, of[1], NOW)
    assert not aside.is_barred(B, of[0], NOW)


def test_when_nobody_is_left_nobody_is_asked() -> None:
    of, aside = feeds(2), Aside()
    aside.bar(Poll(A), of[0], of, NOW)
    aside.put_back(())
    planned = plan(aside, of)
    assert planned is not None
    of[1].busy = None
    aside.bar(Poll(A), of[1], of, NOW + 1)
    assert plan(aside, of) is None
    assert not aside.takes(Poll(A), of[0], of, NOW + 1), "as any other, then"
    assert aside.takes(Poll(A), of[1], of, NOW + 600), "the first may be asked again"


def test_a_poll_is_kept_only_for_what_the_asked_source_cannot_read() -> None:
    of, aside = feeds(), Aside()
    assert not aside.takes(Poll(A), of[0], of, NOW)
    aside.bar(Poll(A), of[0], of, NOW)
    assert not aside.takes(Poll(A), None, of, NOW)
    assert not aside.takes(Poll(B), of[0], of, NOW)
    assert not aside.takes(Poll(A), of[1], of, NOW)
    newer = Poll(A, due=9.0)
    assert aside.takes(newer, of[0], of, NOW)
    planned = plan(aside, of)
    assert planned is not None
    assert planned[1].polls == (newer,)


def test_what_got_no_answer_is_asked_again_unless_something_newer_waits() -> None:
    of, aside = feeds(), Aside()
    aside.second(Poll(A, due=1.0))
    aside.put_back((Poll(A, due=2.0), Poll(B, due=3.0)))
    planned = plan(aside, of)
    assert planned is not None
    assert planned[1].polls == (Poll(A, due=1.0), Poll(B, due=3.0))


def test_a_second_word_is_asked_of_another_operator_and_the_newest_counts() -> None:
    of = [feed(0), feed(1, operator="operator 0"), feed(2)]
    aside = Aside()
    aside.second(Poll(A, heard=("nobody",)))
    heard = Poll(A, heard=("operator 0",))
    aside.second(heard)
    planned = plan(aside, of)
    assert planned is not None
    assert (planned[0], planned[1].polls) == (of[2], (heard,))


def test_who_is_watched_no_more_is_asked_for_no_more_and_barred_nowhere() -> None:
    of, aside = feeds(), Aside()
    aside.bar(Poll(A), of[0], of, NOW)
    aside.forget(A)
    aside.forget(B)
    assert not aside.is_barred(A, of[0], NOW)
    assert plan(aside, of) is None


def test_the_one_that_is_asked_for_all_and_who_is_busy_behind_or_down_is_not() -> None:
    of, aside = feeds(5), Aside()
    aside.second(Poll(A))
    of[1].busy = Round(1)
    of[2].assessment = FAR
    of[3].breaker = of[3].breaker.resting(NOW, 5.0)
    planned = plan(aside, of)
    assert planned is not None
    assert planned[0] is of[4]


def test_one_that_is_set_aside_is_not_asked_until_that_is_over() -> None:
    of, aside = feeds(2), Aside()
    aside.second(Poll(A))
    of[1].distrusted_until = NOW + 1
    assert plan(aside, of) is None
    assert plan(aside, of, NOW + 1) is not None


@pytest.mark.parametrize(
    ("per_minute", "first", "second"), [(None, 20, 5), (60.0, 4, 4)]
)
def test_a_budget_is_kept_and_a_round_is_twenty(
    per_minute: float | None, first: int, second: int
) -> None:
    polls = [Poll(b"%d" % number) for number in range(25)]
    of, aside = [feed(0), feed(1, per_minute=per_minute)], Aside()  # 60: a burst of six
    for poll in polls:
        aside.second(poll)
    planned = plan(aside, of)
    assert planned is not None
    assert planned[1].polls == tuple(polls[:first])
    of[1].busy = None
    again = plan(aside, of)
    assert again is not None
    assert again[1].polls == tuple(polls[first : first + second])


def test_one_whose_budget_is_spent_is_asked_when_it_has_some() -> None:
    of, aside = [feed(0), feed(1, per_minute=60.0)], Aside()
    aside.second(Poll(A))
    of[1].spend_to(100, 4)
    assert plan(aside, of) is None
    assert plan(aside, of, NOW + 1.0) is not None


def test_a_probe_of_one_that_rested_is_the_one_call_that_it_permits() -> None:
    of, aside = feeds(2), Aside()
    of[1].breaker = of[1].breaker.resting(NOW - 10, 5.0)
    aside.second(Poll(A))
    assert plan(aside, of) is not None
    assert of[1].wait_s(NOW) == 120.0
