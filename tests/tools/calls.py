"""How much work all greenlets of this thread do meanwhile, counted and not timed.

    with calls() as work:
        before = work.count
        assert ask(client) == 200
        assert work.count - before < 50_000

Counts the calls of Python functions, of a server and of its clients alike where both
are in this process: what else the machine does, and how fast it is, adds nothing.
`steps.py` does so for one function that nobody interrupts.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import greenlet

__all__ = ["Work", "calls"]


class Work:
    """What was counted so far."""

    def __init__(self) -> None:
        self.count = 0
        self.is_over = False

    def note(self, _frame: FrameType, event: str, _argument: object) -> None:
        if self.is_over:
            sys.setprofile(None)
        elif event == "call":
            self.count += 1


@contextmanager
def calls() -> Iterator[Work]:
    """Count from now on, and in each greenlet from when it goes on."""
    work = Work()
    before = greenlet.settrace(lambda *_switch: sys.setprofile(work.note))
    sys.setprofile(work.note)
    try:
        yield work
    finally:
        work.is_over = True
        greenlet.settrace(before)
        sys.setprofile(None)
