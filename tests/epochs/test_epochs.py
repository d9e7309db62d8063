"""No reader of any transport goes on from what it has not read, whatever is restored.

10,000 worlds: `python -m tests.epochs`; the figures are in docs/reliability.md.
"""

from collections import Counter

import pytest

from tests.epochs.world import FOLLOWED_OVER, run

WORLDS = 120
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_over_restores_no_reader_of_any_transport_resumes_falsely(part: int) -> None:
    happened: Counter[str] = Counter()
    for seed in range(part, WORLDS, PARTS):
        happened += run(seed)
    for what in (
        "restores",
        "new databases",
        *FOLLOWED_OVER,
        "poll",
        "stream",
        "cursors gone",
        "begun anew",
        "resumes",
    ):
        assert happened[what] > 0, f"there was never one of: {what}"
