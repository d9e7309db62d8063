"""Waiting with a deadline: for a condition, and for a program that is starting.

The one place in the tests that may sleep. Everybody else says what they wait for and
how long at most, and gets an error that tells what was seen instead. They think of a
quiet machine: where others work beside the tests, all takes many times as long, and so
every deadline is PATIENCE times what is written. Runs in the
greenlet of the test; a `Process` has one greenlet more, which reads the output.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

import gevent
from gevent.event import Event

from tests.tools import children

__all__ = ["PATIENCE", "Process", "ProcessFailed", "WaitedTooLong", "wait_until"]

PATIENCE = 6
FIRST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.05
REST_S = 5  # for the last of a program's output; what it started may have it open
KEPT_LINES = 2_000
KEPT_LINE_CHARS = 4_000

T = TypeVar("T")


class WaitedTooLong(AssertionError):
    """The deadline passed; the text says what was waited for."""


class ProcessFailed(AssertionError):
    """A program ended or stayed silent instead of getting ready; with its output."""


def wait_until(
    predicate: Callable[[], T],
    timeout_s: float,
    what: str | Callable[[], str],
) -> T:
    """Ask again and again until the answer is truthy, and return that answer.

    `timeout_s` is for a quiet machine; see the module.

    `what` completes the sentence "waited 5 s for …"; give a function to tell what was
    seen last. Exceptions of the predicate are not caught.
    """
    limit_s = timeout_s * PATIENCE
    deadline = time.monotonic() + limit_s
    pause_s = FIRST_PAUSE_S
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            text = what() if callable(what) else what
            raise WaitedTooLong(f"waited {limit_s:g} s for {text}")
        gevent.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)


class Process:
    """A program that a test runs: started, read, and ended by its own id.

    Use it as a context manager, or call `start()` and `kill()`. Standard output and
    standard error are read together; the last lines are kept for error messages.
    With `ready` (a regular expression) starting waits for a line that matches, and
    `match` is what matched.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        ready: str | None = None,
        timeout_s: float = 30.0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.command = [str(part) for part in command]
        self.ready = re.compile(ready) if ready is not None else None
        self.timeout_s = timeout_s
        self.env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self.cwd = cwd
        self.match: re.Match[str] | None = None
        self._child: children.Child[str] | None = None
        self._reader: gevent.Greenlet[..., None] | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._news = Event()  # set when a ready line came or the output ended

    def start(self) -> Self:
        """Start the program; with `ready`, wait for its line.

        Raises ProcessFailed, with the output so far, if it ends first or is too slow.
        """
        self.match = None
        self._news.clear()
        self._child = children.start(
            self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=self.env,
            cwd=self.cwd,
        )
        assert self._child.stdout is not None
        self._reader = gevent.spawn(self._read, self._child.stdout)
        self._reader.rawlink(lambda _: self._news.set())
        if self.ready is not None:
            self._await_ready()
        return self

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def returncode(self) -> int | None:
        """The exit status, or None while the program runs."""
        return self._started().poll()

    @property
    def output(self) -> str:
        """The last lines of standard output and standard error, as they came."""
        return "\n".join(self._lines)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this one process, if it still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def freeze(self) -> None:
        """Make it hang: its sockets stay open, nothing is answered."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after freeze()."""
        self.signal(signal.SIGCONT)

    def wait(self, timeout_s: float = 10.0) -> int:
        """Wait for the program to end by itself; its exit status."""
        child = self._started()
        wait_until(
            lambda: child.poll() is not None,
            timeout_s,
            lambda: f"{self.command[0]} to end; its output:\n{self.output}",
        )
        if self._reader is not None:
            self._reader.join(timeout=REST_S * PATIENCE)
        return int(child.returncode)

    def stop(self, timeout_s: float = 10.0) -> int:
        """Ask it to end (SIGTERM) and wait; killed if it does not. Its exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout_s)
        except WaitedTooLong:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once (SIGKILL), with whatever it started, and wait for that."""
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            # Its own session, so this reaches its children and nobody else.
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        if self._reader is not None:
            self._reader.join(timeout=REST_S * PATIENCE)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _await_ready(self) -> None:
        assert self.ready is not None
        self._news.wait(self.timeout_s * PATIENCE)
        if self.match is not None:
            return
        if self._reader is not None and self._reader.dead:
            # Its output ended; its exit status comes a moment later.
            with contextlib.suppress(WaitedTooLong):
                self.wait(timeout_s=2)
        status = self.returncode
        self.kill()
        fate = "stayed silent" if status is None else f"ended with status {status}"
        limit_s = self.timeout_s * PATIENCE
        raise ProcessFailed(
            f"{' '.join(self.command)} {fate}; within {limit_s:g} s no "
            f"line matched {self.ready.pattern!r}. Its output:\n{self.output}"
        )

    def _read(self, stdout: IO[str]) -> None:
        with stdout:
            for line in stdout:
                self._lines.append(line.rstrip("\n")[:KEPT_LINE_CHARS])
                if self.match is None and self.ready is not None:
                    self.match = self.ready.search(line)
                    if self.match is not None:
                        self._news.set()

    def _started(self) -> children.Child[str]:
        assert self._child is not None, "the process was not started"
        return self._child
