"""The process dies at every single place of a world, each in a run of its own.

Between any two steps, just before and just after each commit, just before an endpoint
hears and between its answer and our record. Whatever was in memory is gone then: every
message in a mailbox, every answer on its way. In the end all must be as if nothing had
happened: the same judgement as for any other world.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.simulation.points import KINDS, CrashPoint
from tests.simulation.run import run_world
from tests.simulation.shape import Shape
from tests.simulation.world import World

DAYS = 0.2
STRIDE = {"step": int(os.environ.get("PAYBELL_CRASH_STRIDE", "20"))}
"""Of the steps, every twentieth is tried in each run of the tests, beginning elsewhere
in each world, and every one in a soak; of the other places, every one."""

WORLDS = (2, 5, 11) if STRIDE["step"] == 1 else (2,)
"""The others are for the soak."""

BY_BLOCK = Shape(
    payments=3,
    rush=True,
    sources="b",
    every_s=3_600.0,
    per_minute=None,
    poll_slow_s=28_800,
    channels=2,
    clients=2,
    on_file=False,
    trouble_mean_ms=1,
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _run(seed: int, crash: CrashPoint) -> int:
    """How many events the journal has in the end."""
    result = run_world(World(seed, shape=BY_BLOCK, crash=crash), DAYS)
    return result.numbers["events"]


@pytest.mark.parametrize("seed", WORLDS)
def test_a_crash_at_any_place_bends_no_rule_and_loses_nothing(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = CrashPoint()
    assert _run(seed, whole) > 5, "too little happens in this world"
    assert whole.counted["step"] < 4_000, "an actor is busy with nothing to do"
    tried: Counter[str] = Counter()
    for kind in KINDS:
        stride = STRIDE.get(kind, 1)
        for number in range(1 + seed % stride, whole.counted[kind] + 1, stride):
            try:
                _run(seed, CrashPoint(kind, number))
            except Exception as error:  # noqa: BLE001 - each place is a case
                pytest.fail(f"seed {seed}, {kind} {number}: {error!r}")
            tried[kind] += 1
    with capsys.disabled():
        print(f"\nseed {seed}, crashes tried: {dict(tried)}")  # noqa: T201
    assert set(tried) == set(KINDS)
