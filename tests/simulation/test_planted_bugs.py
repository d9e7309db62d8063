"""That the harness sees: every bug that is planted is noticed, and most at once.

Noticed is what a world tells only with the bug in it: the same world without it is run
as well, and nothing may be wrong there.
"""

import functools
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.simulation.plant import Plant
from tests.simulation.planted import PLANTED
from tests.simulation.planted_meetings import PLANTED_MEETINGS, PLANTED_REPLACEMENTS
from tests.simulation.planted_rules import PLANTED_RULES
from tests.simulation.planted_sources import PLANTED_SOURCES
from tests.simulation.planted_witness import PLANTED_WITNESS
from tests.simulation.planted_worlds import (
    PLANTED_CROSSINGS,
    PLANTED_LAST_MINUTES,
    PLANTED_REWARDS,
    PLANTED_TWO_WORDS,
)
from tests.simulation.run import (
    run_crossing,
    run_crowd,
    run_last_minutes,
    run_meeting,
    run_replacement,
    run_rewards,
    run_seed,
    run_two_words,
)

SEEDS = 1_000

CROWDS = 300

MEETINGS = 60

FOUND_IN: dict[str, int] = {
    "a_deadline_waits_an_hour_for_a_witness": 71,
    "a_failed_commit_is_called_a_success": 138,
    "a_mempool_is_whole_before_it_is_read": 73,
    "a_page_of_the_journal_begins_one_too_late": 20,
    "a_surplus_that_is_lost_reverses": 42,
    "a_tip_has_no_age": 31,
    "an_eviction_is_ignored": 19,
    "an_old_notifier_goes_on_beside_the_new": 783,
    "believed_before_its_commit": 20,
    "it_is_cancelled_with_money_on_its_way": 30,
    "it_is_let_go_too_early": 56,
    "money_that_a_source_behind_shows_is_not_told": 35,
    "nobody_is_told_that_silence_is_no_answer_any_more": 88,
    "two_that_name_other_blocks_agree": 39,
    "what_an_earlier_payment_counted_is_counted_again": 42,
    "what_is_not_listed_has_lost_its_block": 93,
    "what_is_refused_is_given_up_at_once": 93,
    "what_the_mempool_had_once_it_has_for_ever": 29,
}
"""Worlds that show what few do: the search begins there, as it is what takes the time.
Where they show it no more, the figures at the end of a run tell of others."""

SOON = 10
"""So many worlds are looked at in a second or two: no need to know where to begin."""

Run = Callable[[int], object]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _found_in(plant: Plant, run: Run, worlds: range) -> int:
    """The world in which it is noticed, and in which nothing is wrong without it. The
    search goes round."""
    first = FOUND_IN.get(plant.__name__, 0)
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        for seed in itertools.chain(worlds[first:], worlds[:first]):
            try:
                run(seed)
            except Exception as error:  # noqa: BLE001 - noticed, one way or another
                assert f"{plant.__name__}.<locals>" not in str(error), "it fits no more"
                break
        else:
            pytest.fail(f"{len(worlds)} worlds and nobody noticed")
    _is_clean(run, seed)
    return seed


@functools.cache
def _is_clean(run: Run, seed: int) -> None:
    """Raises if anything is wrong in this world."""
    run(seed)


@pytest.mark.parametrize(
    "plant",
    [*PLANTED, *PLANTED_SOURCES, *PLANTED_WITNESS],
    ids=lambda plant: plant.__name__,
)
def test_a_planted_bug_is_found(
    plant: Plant, record_property: Callable[[str, object], None]
) -> None:
    found = _found_in(plant, run_seed, range(SEEDS))
    _tell_where(plant, found, record_property)


@pytest.mark.parametrize("plant", PLANTED_RULES, ids=lambda plant: plant.__name__)
def test_a_bug_planted_in_the_rules_is_found_in_a_crowd(
    plant: Plant, record_property: Callable[[str, object], None]
) -> None:
    found = _found_in(plant, run_crowd, range(CROWDS))
    _tell_where(plant, found, record_property)


def _tell_where(
    plant: Plant, found: int, record_property: Callable[[str, object], None]
) -> None:
    if found != FOUND_IN.get(plant.__name__, found if found <= SOON else None):
        record_property("figures", f"FOUND_IN {plant.__name__}: {found}")


@pytest.mark.parametrize(
    ("plant", "run"),
    [
        *((plant, run_meeting) for plant in PLANTED_MEETINGS),
        *((plant, run_replacement) for plant in PLANTED_REPLACEMENTS),
        *((plant, run_rewards) for plant in PLANTED_REWARDS),
        *((plant, run_two_words) for plant in PLANTED_TWO_WORDS),
        *((plant, run_crossing) for plant in PLANTED_CROSSINGS),
        *((plant, run_last_minutes) for plant in PLANTED_LAST_MINUTES),
    ],
    ids=lambda one: one.__name__,
)
def test_a_bug_in_what_is_rare_is_found_where_it_is_made_to_happen(
    plant: Plant, run: Run
) -> None:
    _found_in(plant, run, range(MEETINGS))


def test_money_that_a_source_does_not_list_for_minutes_is_not_taken_away() -> None:
    for seed in range(8):
        assert run_meeting(seed).numbers["events"] > 0


def test_what_takes_the_place_of_money_is_never_counted_beside_it() -> None:
    for seed in range(4):
        result = run_replacement(seed)
        assert result.faults["replaced"] > 10
        assert result.types["payment.replaced"] > 10


def test_a_miners_reward_counts_from_its_hundredth_block() -> None:
    for seed in range(4):
        result = run_rewards(seed)
        assert result.faults["paid by a miner's reward"] > 5
        assert result.types["payment.confirmed"] > 2


def test_what_two_sources_must_agree_on_is_confirmed_by_no_one_alone() -> None:
    for seed in range(8):
        assert run_two_words(seed).types["payment.confirmed"] > 1


def test_a_branch_that_comes_while_blocks_are_read_is_never_mixed_with_another() -> (
    None
):
    faults = Counter[str]()
    for seed in range(8):
        faults += run_crossing(seed).faults
    assert faults["another branch while blocks are read"] > 8


def test_nothing_expires_that_is_mined_while_it_is_looked_for() -> None:
    faults = Counter[str]()
    for seed in range(8):
        faults += run_last_minutes(seed).faults
    assert faults["paid in the last minute"] > 8
