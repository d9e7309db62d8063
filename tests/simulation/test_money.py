"""Money moves exactly once, whatever happens: worlds with credits, sweeps and a judge.

`PAYBELL_MONEY_WORLDS=10000` runs more (or a range, 5000-5999), as
`python -m tests.simulation --money --seeds 0-9999` does.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.simulation.plant import Plant
from tests.simulation.planted_money import PLANTED_MONEY
from tests.simulation.run import run_money

FOUND_IN = {"a_reversal_takes_no_credit_back": 82}
"""Worlds that show it: the search begins there."""

WORLDS = 60


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _worlds() -> range:
    first, _, last = os.environ.get("PAYBELL_MONEY_WORLDS", "6").rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


def test_money_is_credited_and_sent_on_exactly_once() -> None:
    types: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for seed in (*_worlds(), 36):  # 36: a coin left, and the one in its place arrived
        try:
            result = run_money(seed)
        except Exception as error:  # noqa: BLE001 - each world is a case
            pytest.fail(f"--money --seed {seed}: {error!r}")
        types.update(result.types)
        faults.update(result.faults)
    assert types["payment.credited"] > 2, types
    assert types["payment.forwarded"] > 2, types
    assert faults["process crash"] > 2, faults


@pytest.mark.parametrize("plant", PLANTED_MONEY, ids=lambda plant: plant.__name__)
def test_a_bug_planted_in_the_way_of_money_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    first = FOUND_IN.get(plant.__name__, 0)
    for seed in range(first, first + WORLDS):
        try:
            run_money(seed)
        except Exception:  # noqa: BLE001 - it was noticed, one way or another
            return
    pytest.fail(f"{WORLDS} worlds and nobody noticed")
