"""That the harness sees: every bug that is planted is noticed, and most at once."""

import itertools
import logging
from collections.abc import Callable, Iterator

import pytest

from tests.simulation.plant import Plant
from tests.simulation.planted import PLANTED
from tests.simulation.planted_meetings import PLANTED_MEETINGS
from tests.simulation.planted_rules import PLANTED_RULES
from tests.simulation.planted_sources import PLANTED_SOURCES
from tests.simulation.planted_witness import PLANTED_WITNESS
from tests.simulation.run import run_crowd, run_meeting, run_seed

SEEDS = 1_000

CROWDS = 300
"""The rarest of the bugs in the rules took eight."""

MEETINGS = 20

FOUND_IN = {
    "a_deadline_waits_an_hour_for_a_witness": 81,
    "a_failed_commit_is_called_a_success": 98,
    "a_gap_is_not_told": 28,
    "a_mempool_is_whole_before_it_is_read": 245,
    "a_tip_has_no_age": 31,
    "another_depth_is_another_block": 275,
    "an_old_notifier_goes_on_beside_the_new": 650,
    "believed_before_its_commit": 42,
    "it_is_let_go_too_early": 160,
    "money_that_a_source_behind_shows_is_not_told": 35,
    "what_an_earlier_payment_counted_is_counted_again": 178,
    "what_is_refused_is_given_up_at_once": 93,
    "what_the_mempool_had_once_it_has_for_ever": 29,
}
"""Worlds that show what few do: the search begins there, as it is what takes the time.
Where they show it no more, the figures at the end of a run tell of others."""

SOON = 20
"""So many worlds are looked at in a second or two: no need to know where to begin."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _found_in(run: Callable[[int], object], worlds: range, first: int) -> int | None:
    """The world, from `first` on and round, in which it is noticed."""
    for seed in itertools.chain(worlds[first:], worlds[:first]):
        try:
            run(seed)
        except Exception:  # noqa: BLE001 - it was noticed, one way or another
            return seed
    return None


@pytest.mark.parametrize(
    "plant",
    [*PLANTED, *PLANTED_SOURCES, *PLANTED_WITNESS],
    ids=lambda plant: plant.__name__,
)
def test_a_planted_bug_is_found(
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    plant(monkeypatch)
    first = FOUND_IN.get(plant.__name__, 0)
    found = _found_in(run_seed, range(SEEDS), first)
    assert found is not None, f"{SEEDS} worlds and nobody noticed"
    if found != first and found > SOON:
        record_property("figures", f"FOUND_IN {plant.__name__}: {found}")


@pytest.mark.parametrize("plant", PLANTED_RULES, ids=lambda plant: plant.__name__)
def test_a_bug_planted_in_the_rules_is_found_in_a_crowd(
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    plant(monkeypatch)
    first = FOUND_IN.get(plant.__name__, 0)
    found = _found_in(run_crowd, range(CROWDS), first)
    assert found is not None, f"{CROWDS} crowds and nobody noticed"
    if found != first and found > SOON:
        record_property("figures", f"FOUND_IN {plant.__name__}: {found}")


@pytest.mark.parametrize("plant", PLANTED_MEETINGS, ids=lambda plant: plant.__name__)
def test_a_bug_that_takes_money_on_its_way_away_is_found_where_it_meets_others(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    found = _found_in(run_meeting, range(MEETINGS), 0)
    assert found is not None, f"{MEETINGS} worlds and nobody noticed"


def test_money_that_a_source_does_not_list_for_minutes_is_not_taken_away() -> None:
    for seed in range(8):
        assert run_meeting(seed).numbers["events"] > 0
