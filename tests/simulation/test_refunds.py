"""What is given back is given back once, and never more than came in.

`PAYBELL_REFUND_WORLDS=1000` runs more (or a range, 1000-1999), as
`python -m tests.simulation --refunds --seeds 0-999` does.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.simulation.broken import Broken
from tests.simulation.plant import Plant
from tests.simulation.planted_refunds import PLANTED_REFUNDS
from tests.simulation.run import run_refunds

WORLDS = 30
"""In so many, from the one that is known to show it, a planted bug is looked for."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _worlds() -> range:
    first, _, last = os.environ.get("PAYBELL_REFUND_WORLDS", "12").rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


def test_what_is_given_back_is_given_back_once() -> None:
    numbers: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for seed in (*_worlds(), 37):  # 37: a claim that was committed after its time-out
        try:
            result = run_refunds(seed)
        except Exception as error:  # noqa: BLE001 - each world is a case
            pytest.fail(f"--refunds --seed {seed}: {error!r}")
        numbers.update(result.numbers)
        faults.update(result.faults)
    assert numbers["refunds_paid"] > 5, numbers
    assert numbers["refunds_expired"], numbers
    assert numbers["refunds_cancelled"], numbers
    assert numbers["refunds_sent_again"], numbers
    assert faults["process crash"] > 2, faults


@pytest.mark.parametrize("plant", PLANTED_REFUNDS, ids=lambda plant: plant.__name__)
def test_a_bug_planted_in_what_is_given_back_is_found(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    first = PLANTED_REFUNDS[plant]
    for seed in range(first, first + WORLDS):
        try:
            run_refunds(seed)
        except Broken:
            return
    pytest.fail(f"{WORLDS} worlds and nobody noticed")
