"""A hundred simulated shops, each from one integer, and the proof that it is one.

To see what a failing seed does, run the line that the failure prints.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.simulation.run import Sums, run_seed

DAYS = 0.3
SEEDS_EACH = 10


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The engine logs every injected crash; a thousand of them say nothing."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, 100, SEEDS_EACH))
def test_no_accident_bends_a_rule_or_hides_a_payment(first: int) -> None:
    sums = Sums()
    for seed in range(first, first + SEEDS_EACH):
        try:
            sums.add(run_seed(seed, DAYS))
        except Exception as error:  # noqa: BLE001 - each seed is a case of its own
            pytest.fail(
                f"python -m tests.simulation --seed {seed} --days {DAYS}\n"
                f"{type(error).__name__}: {error}"
            )
    assert sums.seeds == SEEDS_EACH
    assert sums.numbers["events"] > 100, "the worlds lived too little to prove much"
    assert sums.faults.total() > 100, "too little went wrong to prove much"


def test_the_same_seed_gives_the_same_journal_whatever_the_hash_seed() -> None:
    digests = {_digest_in_an_interpreter(hash_seed) for hash_seed in ("1", "2")}
    assert len(digests) == 1
    assert len(digests.pop()) == 64


def _digest_in_an_interpreter(hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "--digest"]
    finished = subprocess.run(
        [*command, "--seed", "7", "--days", str(DAYS)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return finished.stdout.strip()
