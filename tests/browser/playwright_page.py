"""A page of a visitor (`visitor.py`), from the test's process.

with visiting() as page:
    page.do("goto", url)
    page.do("wait_for_text", "h1", "Paid")
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser.chromium import executable
from tests.tools import children

__all__ = ["VisitFailed", "VisitorPage", "visiting"]

PROGRAM = Path(__file__).with_name("visitor.py")


class VisitFailed(AssertionError):
    """What Playwright says of it."""


class VisitorPage:
    """See the module docstring."""

    def __init__(self, process: children.Child[str]) -> None:
        self._process = process
        self._answer()  # the browser is there

    def do(self, name: str, *arguments: object) -> Any:
        """A command of `Visitor`. Waits as long as Playwright does."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise VisitFailed("the browser has ended")
        kind, value = json.loads(line)
        if kind != "ok":
            raise VisitFailed(value)
        return value


@contextmanager
def visiting() -> Iterator[VisitorPage]:
    process = children.start(
        [sys.executable, PROGRAM, executable()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield VisitorPage(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
