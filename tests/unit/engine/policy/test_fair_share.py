"""Fair shares of a node: all of it for one alone, none loses its own to another."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.fair_share import FairShare, TooSoon


def served(share: FairShare, seconds: int, **wants: int) -> dict[str, float]:
    """Calls a second that each gets who wants so many, evenly spread, after the burst
    of the first seconds is used up."""
    settle = 3
    moments = sorted(
        (second + number / wanted, name)
        for name, wanted in wants.items()
        for second, number in itertools.product(range(settle + seconds), range(wanted))
    )
    taken = dict.fromkeys(wants, 0)
    for at, name in moments:
        if share.take(name, at) is None and at >= settle:
            taken[name] += 1
    return {name: count / seconds for name, count in taken.items()}


def test_one_alone_has_all_that_the_node_carries() -> None:
    got = served(FairShare(100, 10, shared=0.5), 10, ann=500)
    assert 99 <= got["ann"] <= 101


def test_a_merchant_that_floods_takes_nothing_of_what_another_wants() -> None:
    got = served(FairShare(100, 10, shared=0.5), 10, flood=1_000, bob=20)
    assert got["bob"] == 20
    assert 28 <= got["flood"] <= 31, "what bob leaves of the half that is given out"


def test_two_that_flood_share_alike() -> None:
    got = served(FairShare(100, 10), 20, ann=1_000, bob=400)
    assert got["ann"] + got["bob"] == pytest.approx(100, abs=2)
    assert got["bob"] >= 49, "its share, though the other knocks more often"


def test_the_share_grows_when_others_rest() -> None:
    share = FairShare(100, 10)
    both = served(share, 5, ann=300, bob=300)
    for second in range(100, 110):
        for number in range(300):
            share.take("ann", second + number / 300)
    alone = sum(share.take("ann", 110 + number / 300) is None for number in range(300))
    assert both["ann"] <= 60
    assert 99 <= alone <= 101


def test_who_comes_for_the_first_time_has_a_full_bucket_whatever_others_do() -> None:
    share = FairShare(1, 3)
    while share.take("flood", 5.0) is None:
        pass
    assert [share.take("new", 5.0) for _ in range(3)] == [None] * 3
    assert share.take("new", 5.0) is not None


def test_a_refusal_says_when_and_costs_nothing() -> None:
    share = FairShare(0.5, 3)
    assert [share.take("ann", 9.0) for _ in range(3)] == [None] * 3
    for _ in range(5):
        assert share.take("ann", 9.0) == TooSoon(2.0, is_ceiling=False)
    assert share.take("ann", 10.0) == TooSoon(1.0, is_ceiling=False)
    assert share.take("ann", 11.0) is None


def test_who_called_a_moment_ago_still_has_a_share_when_a_second_begins() -> None:
    share = FairShare(1, 1)
    assert share.take("ann", 0.5) is share.take("bob", 0.5) is None
    assert share.take("ann", 1.0) == TooSoon(1.5, is_ceiling=False)
    assert share.take("ann", 3.0) is None, "nobody else called for a whole second"


def test_exactly_what_is_left_can_be_borrowed() -> None:
    share = FairShare(4, 4)
    assert share.take("bob", 0.0) is share.take("ann", 0.0, 4) is None
    assert share.take("ann", 0.75, 2) is None, "2 to spare, and 1.5 of her own"


def test_what_a_call_costs_beyond_one_is_spent_too() -> None:
    share = FairShare(1, 10)
    assert share.take("ann", 0.0, 3) is None
    share.charge("ann", 6)
    share.charge("nobody", 6)
    assert share.take("ann", 0.0, 3) == TooSoon(2.0, is_ceiling=False)
    assert share.take("ann", 0.0, 1) is None
    assert share.take("ann", 20.0, 50) is None, "never more than fits"


def test_a_charge_delays_what_is_lent_to_others_only_so_far() -> None:
    share = FairShare(10, 10)
    share.take("ann", 0.0)
    for _ in range(100):
        share.charge("ann", 10)
    assert share.take("ann", 0.0) == TooSoon(0.1, is_ceiling=False)
    assert share.take("bob", 0.0, 10) is None
    wait = share.take("bob", 0.0, 10)
    assert wait is not None
    assert wait.seconds <= 2.0


def test_an_owners_own_ceiling_holds_though_the_node_is_idle() -> None:
    share = FairShare(100, 10)
    got = [share.take("ann", 0.0, ceiling_per_s=2) for _ in range(3)]
    assert got == [None, None, TooSoon(0.5, is_ceiling=True)]
    assert share.take("ann", 0.5, ceiling_per_s=2) is None
    assert share.take("ann", 0.5, ceiling_per_s=2) == TooSoon(0.5, is_ceiling=True)
    assert share.take("ann", 0.5) is None, "the ceiling was taken away"
    assert share.take("ann", 0.5, ceiling_per_s=2) is None, "a new one begins full"


def test_a_ceiling_below_one_lets_one_call_pass_at_a_time() -> None:
    share = FairShare(100, 10)
    assert share.take("ann", 0.0, 3, ceiling_per_s=0.5) is None
    assert share.take("ann", 1.0, ceiling_per_s=0.5) == TooSoon(5.0, is_ceiling=True)


def test_a_clock_that_steps_back_brings_nothing_in() -> None:
    share = FairShare(1, 2)
    assert [share.take("ann", 50.0) for _ in range(2)] == [None] * 2
    assert share.take("ann", 10.0) == TooSoon(1.0, is_ceiling=False)
    assert share.take("ann", 11.0) is None


def test_owners_are_bounded_and_the_one_not_seen_for_longest_is_forgotten() -> None:
    share = FairShare(0.001, 1, max_owners=2)
    for name in ("ann", "bob", "ann", "eve"):
        share.take(name, 0.0)
    assert len(share) == 2
    assert share.take("ann", 0.0) is not None, "she was seen after bob"
    assert share.take("bob", 0.0) is None


@pytest.mark.parametrize(
    "wrong",
    [
        (0, 1, 1, 1), (1, 0.5, 1, 1), (1, 1, 0, 1), (1, 1, 1.1, 1), (1, 1, 1, 0),
    ],
)  # fmt: skip
def test_a_share_of_nothing_cannot_be_made(
    wrong: tuple[float, float, float, int],
) -> None:
    with pytest.raises(ValueError, match="a fair share wants"):
        FairShare(*wrong)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0, 2), st.sampled_from([1.0, 3.0])),
        max_size=200,
    )
)
def test_nobody_gets_more_in_all_than_the_node_carries_and_the_bursts(
    calls: list[tuple[str, float, float]],
) -> None:
    share, now, spent = FairShare(5, 10, shared=0.8), 0.0, 0.0
    for name, wait_s, cost in calls:
        now += wait_s
        if share.take(name, now, cost) is None:
            spent += cost
    # Each bucket may be full once: three of the owners' and what is lent.
    assert spent <= 4 * 10 + 2 * 5 * now + 1e-6
