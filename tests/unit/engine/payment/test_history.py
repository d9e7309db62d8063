"""The past in numbers: no event is lost or counted twice, however they come."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.payment.history import (
    CONFIRMATION,
    CONFIRMED,
    CREATED,
    DETECTION,
    EVERYONE,
    KEPT_S,
    VALUE,
    Fact,
    Sum,
    measured,
    merged,
    quantile_ms,
    sums_of,
)
from engine.policy.periods import DAY_S, HOUR_S, MINUTE_S

KINDS = [
    "payment.created",
    "payment.detected",
    "payment.confirmed",
    "payment.reversed",
    "payment.expired",
]
facts = st.lists(
    st.builds(
        Fact,
        offset=st.integers(1, 10**6),
        type=st.sampled_from(KINDS),
        at=st.integers(0, 3 * DAY_S * 1_000),
        merchant=st.sampled_from(["ann", "bob"]),
        waited_ms=st.none() | st.integers(-5_000, 10**9),
        booked_sat=st.integers(-(10**6), 10**6),
    ),
    max_size=40,
)


def by_key(sums: tuple[Sum, ...]) -> dict[tuple[int, str, str, int], Sum]:
    found = {one.key: one for one in sums}
    assert len(found) == len(sums), "one for each step of a series"
    return found


@given(facts, st.randoms())
def test_the_sums_of_parts_in_any_order_are_the_sums_of_the_whole(
    events: list[Fact], random: Random
) -> None:
    whole = by_key(sums_of(events))
    random.shuffle(events)
    parts: list[Sum] = []
    while events:
        size = random.randint(1, len(events))
        some, events = events[:size], events[size:]
        parts += sums_of(some)
    assert by_key(merged(parts)) == whole


@given(facts)
def test_a_coarse_step_is_exactly_the_sum_of_the_finer_ones(events: list[Fact]) -> None:
    sums = sums_of(events)
    for fine, coarse in ((MINUTE_S, HOUR_S), (HOUR_S, DAY_S)):
        for merchant in (EVERYONE, "ann", "bob"):
            if fine == MINUTE_S and merchant != EVERYONE:
                continue
            rolled = merged(
                Sum(
                    step_s=coarse,
                    merchant=merchant,
                    series=one.series,
                    at=one.at // coarse * coarse,
                    n=one.n,
                    total=one.total,
                    most=one.most,
                    bins=one.bins,
                )
                for one in sums
                if (one.step_s, one.merchant) == (fine, merchant)
            )
            kept = [s for s in sums if (s.step_s, s.merchant) == (coarse, merchant)]
            assert by_key(rolled) == by_key(tuple(kept))


@given(facts)
def test_the_node_is_the_sum_of_its_merchants(events: list[Fact]) -> None:
    sums = sums_of(events)
    for series in (CREATED, CONFIRMED, VALUE, DETECTION, CONFIRMATION):
        of_days = [s for s in sums if (s.step_s, s.series) == (DAY_S, series)]
        node = [s for s in of_days if s.merchant == EVERYONE]
        shops = [s for s in of_days if s.merchant != EVERYONE]
        assert sum(s.n for s in node) == sum(s.n for s in shops)
        assert sum(s.total for s in node) == sum(s.total for s in shops)


def test_each_event_counts_where_it_should() -> None:
    day = 10 * DAY_S * 1_000
    told = [
        Fact(offset=1, type="payment.created", at=day, merchant="ann"),
        Fact(offset=2, type="payment.detected", at=day, merchant="ann", waited_ms=900),
        Fact(offset=3, type="payment.detected", at=day, merchant="ann"),
        Fact(
            offset=4, type="payment.confirmed", at=day, merchant="ann",
            waited_ms=60_000, booked_sat=5_000,
        ),
        Fact(
            offset=5, type="payment.reversed", at=day, merchant="ann", booked_sat=-5_000
        ),
    ]  # fmt: skip
    found = {
        s.series: s for s in sums_of(told) if (s.step_s, s.merchant) == (DAY_S, "ann")
    }
    assert {name: one.n for name, one in found.items()} == {
        CREATED: 1, CONFIRMED: 1, DETECTION: 1, CONFIRMATION: 1, VALUE: 2,
    }  # fmt: skip
    assert (found[VALUE].total, found[VALUE].most) == (0, 5_000)
    assert found[CONFIRMATION].total == 60_000
    assert all(one.at == 10 * DAY_S for one in found.values())
    assert not [s for s in sums_of(told) if (s.step_s, s.merchant) == (MINUTE_S, "ann")]


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_within_its_bin(waits: list[int], share: float) -> None:
    told = [
        Fact(offset=1, type="payment.detected", at=0, merchant="a", waited_ms=wait)
        for wait in waits
    ]
    (one,) = [s for s in sums_of(told) if (s.step_s, s.merchant) == (DAY_S, EVERYONE)]
    found = quantile_ms(one.bins, share)
    assert found is not None
    truth = sorted(waits)[max(1, math.ceil(share * len(waits))) - 1]
    assert truth / 1.42 - 100 <= found <= truth * 1.42 + 100


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile_ms({}, 0.5) is None
    assert quantile_ms({0: 2}, 1.0) == 100
    assert quantile_ms({0: 1, 2: 1}, 0.5) == 100


def test_what_the_node_is_found_to_be_keeps_its_most() -> None:
    first, second = measured({"sessions": 3}, 1_000), measured({"sessions": 9}, 2_000)
    hour = by_key(merged([*first, *second]))[HOUR_S, EVERYONE, "sessions", 0]
    assert (hour.n, hour.total, hour.most) == (2, 12, 9)


@pytest.mark.parametrize("step_s", KEPT_S)
def test_each_step_is_kept_for_some_thousand_points(step_s: int) -> None:
    assert 1_500 < KEPT_S[step_s] / step_s <= 3_000
