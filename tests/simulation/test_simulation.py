"""Hundreds of simulated shops, each from one integer, and the proof that it is one.

To see what a failing seed does, run the line that the failure prints.
`PAYBELL_SIMULATION_SEEDS=10000` (or a range, 5000-5999) runs others; `make soak` runs
100,000.
"""

import os
import sys
import time

import pytest

from tests.simulation.many import Crew
from tests.simulation.run import DAYS
from tests.simulation.sums import Sums
from tests.tools import children


def _seeds() -> range:
    first, _, last = os.environ.get("PAYBELL_SIMULATION_SEEDS", "150").rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


@pytest.mark.timeout_s(900)
def test_no_accident_bends_a_rule_or_hides_a_payment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seeds, jobs, began = _seeds(), os.cpu_count() or 1, time.monotonic()
    crew = Crew(seeds, DAYS, jobs)
    sums = crew.run(lambda _seeds, _sums: None)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{sums.short()}; {time.monotonic() - began:.0f} s with {jobs} processes,"
            f" {sums.cpu_s:.0f} s of CPU\n"
        )
    assert not sums.failures, "\n".join(sums.lines())
    assert sums.worlds == len(seeds)
    _assert_that_it_proves_something(sums)


def _assert_that_it_proves_something(sums: Sums) -> None:
    """Worlds in which nothing happened would pass as well."""
    assert sums.days >= DAYS * sums.worlds
    assert sums.numbers["events"] > 10 * sums.worlds, "they lived too little"
    assert sums.fault_count > 20 * sums.worlds, "too little went wrong"
    assert sums.numbers["ambiguous"] < sums.numbers["payments"] / 10


def test_the_same_seed_gives_the_same_journal_whatever_the_hash_seed() -> None:
    digests = {_digest_in_an_interpreter(hash_seed) for hash_seed in ("1", "2")}
    assert len(digests) == 1
    assert len(digests.pop()) == 64


def _digest_in_an_interpreter(hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "--digest"]
    finished = children.run(
        [*command, "--seed", "7", "--days", str(DAYS)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return str(finished.stdout.strip())
