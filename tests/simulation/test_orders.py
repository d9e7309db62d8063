"""What is said of an order is so when it is said, whatever happens to its payments.

`PAYBELL_ORDER_WORLDS=1000` runs more (or a range, 1000-1999), as
`python -m tests.simulation --orders --seeds 0-999` does.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.simulation.broken import Broken
from tests.simulation.plant import Plant
from tests.simulation.planted_orders import PLANTED_ORDERS
from tests.simulation.run import run_orders

WORLDS = 30
"""In so many, from the one that is known to show it, a planted bug is looked for."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _worlds() -> range:
    first, _, last = os.environ.get("PAYBELL_ORDER_WORLDS", "12").rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


def test_an_attempt_that_is_over_never_ends_an_order_that_another_pays() -> None:
    numbers: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for seed in _worlds():
        try:
            result = run_orders(seed)
        except Exception as error:  # noqa: BLE001 - each world is a case
            pytest.fail(f"--orders --seed {seed}: {error!r}")
        numbers.update(result.numbers)
        faults.update(result.faults)
    assert numbers["orders"] > 10, numbers
    assert numbers["kept_from_cancelling"] > 5, numbers
    assert numbers["told_of_orders"] > numbers["kept_from_cancelling"] + 5, numbers
    assert faults["process crash"] > 2, faults


@pytest.mark.parametrize("plant", PLANTED_ORDERS, ids=lambda plant: plant.__name__)
def test_a_bug_planted_in_what_is_said_of_an_order_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    first = PLANTED_ORDERS[plant]
    for seed in range(first, first + WORLDS):
        try:
            run_orders(seed)
        except Broken as broken:
            assert str(broken).startswith("order "), broken
            return
    pytest.fail(f"{WORLDS} worlds and nobody noticed")
