"""Worlds with a till: what came is passed on once, or a person sees why it is not.

Three hundred run here. `TILL_WORLDS=10000` runs more (or a range, 5000-5999), as
`make soak` does. Each is one number: `run_till(seed)` plays it again.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.simulation.planted_till import PLANTED_TILL
from tests.simulation.till_world import Wrong, run_till

WORLDS = 300
LOOKED_AT = 1_000
"""Worlds in which a planted bug must show."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


FOUND_IN = {
    "it commits after it has paid": 325,
    "it has a new key for each attempt": 130,
    "it notes that it told before it tells": 425,
    "it takes pending for failed": 190,
    "it believes a no at once": 185,
    "it forgets what is stuck": 7368,
}
"""Worlds that show it: the search begins there."""


def _seeds() -> range:
    first, _, last = os.environ.get("TILL_WORLDS", str(WORLDS)).rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


def test_what_came_is_passed_on_once_whatever_dies_in_between() -> None:
    found: Counter[str] = Counter()
    for seed in _seeds():
        try:
            found.update(run_till(seed))
        except Exception as error:  # noqa: BLE001 - each world is a case
            pytest.fail(f"run_till({seed}): {error!r}")
    # Worlds in which nothing happened would prove nothing.
    assert found["deaths"] > len(_seeds()), found
    for state in ("paid", "waiting", "left", "given_up", "stuck"):
        assert found[state], found


def test_what_a_node_pays_after_its_forward_is_stuck_is_told() -> None:
    """27 minutes after the last attempt, of which it said for 90 s that it knows of
    none."""
    assert run_till(7368)["paid"] == 1


@pytest.mark.parametrize("name", PLANTED_TILL)
def test_a_bug_planted_in_the_till_is_found(name: str) -> None:
    actor, changed = PLANTED_TILL[name]
    with changed():
        first = FOUND_IN.get(name, 0)
        for seed in (first, *range(first + 1, LOOKED_AT), *range(LOOKED_AT)):
            try:
                run_till(seed, actor)
            except Wrong:
                return
    pytest.fail(f"{LOOKED_AT} worlds and nobody noticed")
