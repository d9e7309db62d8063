"""That the harness sees: every bug that is planted is noticed, and most at once."""

import logging
from collections.abc import Callable, Iterator

import pytest

from tests.simulation.plant import Plant
from tests.simulation.planted import PLANTED
from tests.simulation.planted_rules import PLANTED_RULES
from tests.simulation.planted_sources import PLANTED_SOURCES
from tests.simulation.run import run_crowd, run_seed

SEEDS = 1_000
"""As many as every run of the tests has. The rarest bug takes one world in 150."""

CROWDS = 100
"""The rarest of the bugs in the rules took eight."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _is_found(run: Callable[[int], object], seeds: int) -> bool:
    for seed in range(seeds):
        try:
            run(seed)
        except Exception:  # noqa: BLE001 - it was noticed, one way or another
            return True
    return False


@pytest.mark.parametrize(
    "plant", [*PLANTED, *PLANTED_SOURCES], ids=lambda plant: plant.__name__
)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert _is_found(run_seed, SEEDS), f"{SEEDS} seeds and nobody noticed"


@pytest.mark.parametrize("plant", PLANTED_RULES, ids=lambda plant: plant.__name__)
def test_a_bug_planted_in_the_rules_is_found_in_a_crowd(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert _is_found(run_crowd, CROWDS), f"{CROWDS} crowds and nobody noticed"
