"""That the harness sees: every bug that is planted is noticed, and most at once."""

import logging
from collections.abc import Iterator

import pytest

from tests.simulation.plant import Plant
from tests.simulation.planted import PLANTED
from tests.simulation.run import run_seed

SEEDS = 1_000
"""As many as every run of the tests has. The rarest bug takes one world in 150."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(SEEDS):
        try:
            run_seed(seed)
        except Exception:  # noqa: BLE001 - it was noticed, one way or another
            return
    pytest.fail(f"{SEEDS} seeds and nobody noticed")
