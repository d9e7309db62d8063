"""What a page of the dashboard does again and again ends with it. In Node."""

import json
from pathlib import Path

from tests.tools import children

PROGRAM = Path(__file__).with_name("repeat.mjs")


def test_a_page_that_is_left_leaves_no_timer_behind() -> None:
    """Not even when it is left just as its first call is answered."""
    found = children.run(
        ["node", PROGRAM], capture_output=True, text=True, timeout=600, check=True
    )
    assert json.loads(found.stdout) == [[1, 0], [3, 0]]
