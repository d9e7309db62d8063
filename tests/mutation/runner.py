"""Runs mutants: each in a copy of the tree, in a process forked for it.

This process has imported what all tests import (gevent, pytest, hypothesis and the
libraries, none of our code); a fork of it begins with the tests at once. A mutant is
killed when a test fails, or when the tests take several times as long as without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import pytest

from tests.mutation.choice import ROOT, judges_of
from tests.mutation.mutants import Mutant

__all__ = ["Result", "Runner", "Unsound", "checksum"]

SLOWEST_S = 60.0
"""A mutant's tests may take at least so long, and more where they take long anyway."""

SLOWER = 6
"""So many times the time that the tests take without a mutant: it hangs."""

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "node_modules", ".hypothesis", "artifacts", "build", ".*_cache"
)

LIBRARIES = (
    "bit",
    "bottle",
    "cryptography.fernet",
    "cryptography.hazmat.primitives.ciphers.aead",
    "email.utils",
    "hypothesis.strategies",
    "html.parser",
    "http.client",
    "prometheus_client",
    "pykka",
    "requests",
    "segno",
    "sqlite3",
    "sqlite_utils",
    "standardwebhooks",
    "tomllib",
    "unittest.mock",
    "websocket",
    "wsproto",
)


class Unsound(Exception):
    """The tests fail without any mutant, or their copy is gone: they prove nothing."""


class Result(msgspec.Struct, frozen=True):
    """What became of a mutant: killed (by which test), timeout or survived."""

    id: str
    source: str
    """Checksum of the file without the mutant."""

    tests: str
    """Checksum of the tests that ran."""

    outcome: str
    killed_by: str = ""
    took_s: float = 0.0


class _Run(msgspec.Struct):
    """One that is under way: a mutant, or the tests without one (None)."""

    slot: Path
    pid: int
    began_s: float
    limit_s: float
    mutant: Mutant | None
    path: str


class Runner:
    """`jobs` copies of the tree, and what runs in them."""

    def __init__(self, jobs: int, done: Callable[[Result], None]) -> None:
        self._done = done
        self._folder = Path(tempfile.mkdtemp(prefix="paybell-mutants-"))
        self._free = [self._copy(number) for number in range(jobs)]
        self._running: list[_Run] = []
        self._usual_s: dict[tuple[str, ...], float] = {}  # of tests without a mutant
        for name in LIBRARIES:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for run in self._running:
            _kill(run.pid)
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, mutants: list[Mutant]) -> None:
        """All of them; `done` is called with each result. Raises `Unsound`."""
        for mutant in mutants:
            usual_s = self._usual(mutant.path)
            self._wait_for_place()
            self._start(mutant, mutant.path, max(SLOWEST_S, SLOWER * usual_s))
        while self._running:
            self._reap()

    def _usual(self, path: str) -> float:
        """Seconds that the file's tests take; run once in a copy without mutant."""
        tests = tuple(sorted(judges_of(path)))  # of a folder the same, in another order
        if tests not in self._usual_s:
            while self._running:
                self._reap()
            self._start(None, path, 900.0)
            while self._running:
                self._reap()
        return self._usual_s[tests]

    def _wait_for_place(self) -> None:
        while not self._free:
            self._reap()

    def _start(self, mutant: Mutant | None, path: str, limit_s: float) -> None:
        slot = self._free.pop()
        if mutant is not None:
            file = slot / path
            wrong = mutant.applied((ROOT / path).read_bytes())
            if path.endswith(".py"):
                compile(wrong, path, "exec")  # one that is no Python would always "die"
            file.write_bytes(wrong)
            os.utime(file, (1, 1))  # or the compiled file might be taken for its own
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _become_tests(slot, judges_of(path), mutant is not None)
        self._running.append(_Run(slot, pid, time.monotonic(), limit_s, mutant, path))

    def _reap(self) -> None:
        for run in self._running:
            took_s = time.monotonic() - run.began_s
            pid, status = os.waitpid(run.pid, os.WNOHANG)
            if pid == 0 and took_s <= run.limit_s:
                continue
            _kill(run.pid)  # and what its tests left running
            if pid == 0:
                os.waitpid(run.pid, 0)
            self._running.remove(run)
            if not (run.slot / run.path).exists():
                raise Unsound(f"the copy {run.slot} was removed meanwhile")
            self._free.append(run.slot)
            if run.mutant is None:
                self._take_usual(run, pid != 0 and status == 0, took_s)
            else:
                shutil.copy2(ROOT / run.path, run.slot / run.path)
                self._done(_result(run, run.mutant, pid != 0, status, took_s))
            return
        time.sleep(0.02)

    def _take_usual(self, run: _Run, passed: bool, took_s: float) -> None:
        if not passed:
            log = (run.slot / "tests.log").read_text(errors="replace")
            raise Unsound(f"the tests of {run.path} fail by themselves:\n{log[-3000:]}")
        self._usual_s[tuple(sorted(judges_of(run.path)))] = took_s

    def _copy(self, number: int) -> Path:
        slot = self._folder / str(number)
        shutil.copytree(ROOT, slot, ignore=LEFT_OUT, symlinks=True)
        for link in (".venv", "tests/node/node_modules"):
            if (ROOT / link).exists():
                (slot / link).symlink_to((ROOT / link).resolve())
        return slot


class _FirstFailure:
    """A plugin of pytest: keeps the name of the test that failed first."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._keep(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._keep(report.nodeid)

    def _keep(self, name: str) -> None:
        if not self._file.exists():
            self._file.write_text(name)


def _become_tests(slot: Path, tests: list[str], is_mutant: bool) -> None:
    """In the fork: run the tests and end, with 0 if all passed. Never returns."""
    code = 1
    try:
        os.setsid()
        log = os.open(slot / "tests.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, stream in enumerate((null, log, log)):
            os.dup2(stream, number)
        for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
            del sys.modules[name]
        os.chdir(slot)
        sys.path[:] = [str(slot), *(p for p in sys.path if p not in {"", str(ROOT)})]
        sys.dont_write_bytecode = is_mutant
        (slot / "first_failure").unlink(missing_ok=True)
        options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        plugins: list[Any] = [_FirstFailure(slot / "first_failure")]
        code = int(pytest.main([*options, *tests], plugins=plugins))
    except BaseException:  # noqa: BLE001 - a fork never returns
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _result(
    run: _Run, mutant: Mutant, ended: bool, status: int, took_s: float
) -> Result:
    first = run.slot / "first_failure"
    killed_by = first.read_text() if first.exists() else ""
    outcome = "timeout"
    if ended:
        outcome = "survived" if status == 0 else "killed"
    return Result(
        mutant.id,
        source=checksum([run.path]),
        tests=checksum(judges_of(run.path)),
        outcome=outcome,
        killed_by=killed_by if outcome == "killed" else "",
        took_s=round(took_s, 1),
    )


def checksum(paths: list[str]) -> str:
    """Of these files of the checkout."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update((ROOT / path).read_bytes())
    return digest.hexdigest()[:16]


def _kill(pid: int) -> None:
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(pid, signal.SIGKILL)
