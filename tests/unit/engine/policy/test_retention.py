"""How long what is stored is kept."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.periods import DAY_MS
from engine.policy.retention import (
    SPARE_PAGES,
    Retention,
    pages_to_free,
    portions,
)
from engine.store.writes import Prune


def test_zero_days_keep_for_ever() -> None:
    assert Retention().before(0, 10 * DAY_MS) is None


def test_days_are_counted_back_from_now() -> None:
    assert Retention().before(3, 10 * DAY_MS) == 7 * DAY_MS


def test_the_defaults_outlast_what_may_still_be_asked_for() -> None:
    keep = Retention()
    assert keep.events > 366
    assert keep.attempts > 4  # the last retry
    assert keep.deliveries <= keep.events


@pytest.mark.parametrize(
    ("pages", "free", "freed"),
    [
        (100_000, 0, 0),
        (100_000, 20_000, 0),  # a fifth is spare
        (100_000, 20_001, 1),
        (100_000, 90_000, 256),  # in steps
        (4_000, SPARE_PAGES, 0),  # a small file keeps what it has
        (4_000, SPARE_PAGES + 5, 5),
    ],
)
def test_free_pages_go_back_beyond_a_reserve(pages: int, free: int, freed: int) -> None:
    assert pages_to_free(pages, free, 256) == freed


@given(st.lists(st.integers(1, 40)), st.integers(1, 100))
def test_a_portion_is_bounded_by_its_rows(seqs: list[int], rows: int) -> None:
    prunes = [Prune(f"pay_{n}", seq) for n, seq in enumerate(seqs)]
    found = list(portions(prunes, lambda prune: prune.seq, rows))
    assert [prune for some in found for prune in some] == prunes
    for some in found:
        assert len(some) == 1 or sum(prune.seq for prune in some) <= rows
    for some, then in pairwise(found):
        assert sum(prune.seq for prune in some) + then[0].seq > rows
