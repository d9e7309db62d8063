"""Many seeds on several processors: worker processes, and whoever adds them up.

A worker is this package run with `--worker`: it reads ranges of seeds, a line each,
and answers each with a line of JSON. Seeds know nothing of one another, so it does not
matter who runs which.
"""

from __future__ import annotations

import gc
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import gevent
import msgspec

from tests.simulation.run import KINDS, run_seed
from tests.simulation.sums import Failure, Sums
from tests.tools import children

__all__ = ["Crew", "run_range", "work"]

CHUNK = 25
"""Seeds handed out at a time: a second or two of work."""


def run_range(seeds: range, days: float, *, kind: str = "") -> Sums:
    """Run these seeds here; a failing one is noted, and the others go on."""
    sums, began = Sums(), time.process_time()
    for seed in seeds:
        try:
            sums.add(KINDS[kind](seed) if kind else run_seed(seed, days))
        except Exception as error:  # noqa: BLE001 - each seed is a case of its own
            text = f"seed {seed}: {type(error).__name__}: {error}"
            sums.failures.append(Failure(seed, days, text, kind))
        if not gc.isenabled():
            gc.collect()
    sums.cpu_s = time.process_time() - began
    return sums


def work(days: float, *, kind: str = "") -> int:
    """The life of a worker; ends with its standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees to it
    logging.disable(logging.CRITICAL)
    gc.collect()
    gc.freeze()  # worlds make cycles, modules do not: looked at once less
    gc.disable()  # and a world holds what it made until it ends: see `run_range`
    for line in sys.stdin.buffer:
        first, last = line.split()
        seeds = range(int(first), int(last) + 1)
        sums = run_range(seeds, days, kind=kind)
        sys.stdout.buffer.write(msgspec.json.encode(sums) + b"\n")
        sys.stdout.buffer.flush()
    return 0


class Crew:
    """Some workers and the seeds that are left. `stop` may be called at any time."""

    def __init__(self, seeds: range, days: float, jobs: int, *, kind: str = "") -> None:
        self.sums = Sums()
        self.wanted = len(seeds)
        self._days = days
        self._kind = kind
        self._jobs = jobs
        self._chunks: Iterator[range] = (
            seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)
        )
        self._workers: list[children.Child[bytes]] = []
        self._stopped = False

    def run(self, on_sums: Callable[[Sums], None]) -> Sums:
        """Until all is done or `stop`; `on_sums` is called after every chunk."""
        lives = [gevent.spawn(self._lead, on_sums) for _ in range(self._jobs)]
        gevent.joinall(lives, raise_error=True)
        return self.sums

    def stop(self) -> None:
        """What is under way is dropped; what was done stays counted."""
        self._stopped = True
        for worker in self._workers:
            worker.terminate()

    def _lead(self, on_sums: Callable[[Sums], None]) -> None:
        """One worker, and another one when it dies."""
        worker = self._hire()
        try:
            for chunk in self._chunks:
                sums = self._ask(worker, chunk)
                if self._stopped:
                    return
                if sums is None:
                    text = f"the process died in seeds {chunk[0]}-{chunk[-1]}"
                    sums = Sums(
                        failures=[Failure(chunk[0], self._days, text, self._kind)]
                    )
                    worker = self._hire()
                self.sums.merge(sums)
                on_sums(sums)
        finally:
            if worker.stdin is not None:
                worker.stdin.close()
            worker.wait()

    def _hire(self) -> children.Child[bytes]:
        command = [sys.executable, "-m", "tests.simulation", "--worker"]
        if self._kind:
            command.append(f"--{self._kind}")
        worker = children.start(
            [*command, "--days", str(self._days)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._workers.append(worker)
        return worker

    @staticmethod
    def _ask(worker: children.Child[bytes], chunk: range) -> Sums | None:
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(b"%d %d\n" % (chunk[0], chunk[-1]))
            worker.stdin.flush()
        except BrokenPipeError:
            return None
        line = worker.stdout.readline()
        return msgspec.json.decode(line, type=Sums) if line else None
