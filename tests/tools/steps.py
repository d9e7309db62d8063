"""How much work a function does, counted, not timed: the same on every machine.

    assert steps(lambda: parse(long)) < 20 * steps(lambda: parse(short))

Counts the lines of Python that run. What C code does inside one line is not seen.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["steps"]


def steps(function: Callable[[], object]) -> int:
    """Lines of Python that the call runs in this greenlet, before it returns or
    raises; the exception goes on."""
    count = 0

    def trace(_frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count
