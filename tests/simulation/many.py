"""Many seeds on several processors: worker processes, and whoever adds them up.

A worker is this package run with `--worker`: it reads ranges of seeds, a line each,
and answers each with a line of JSON. Seeds know nothing of one another, so it does not
matter who runs which. One whose world ends its process, or does not end itself, is a
failure like any other, and the rest goes on.
"""

from __future__ import annotations

import gc
import logging
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress

import gevent
import msgspec

from tests.simulation.broken import Broken
from tests.simulation.run import KINDS, run_seed
from tests.simulation.sums import Failure, Sums
from tests.tools import children

__all__ = ["Crew", "run_range", "work"]

CHUNK = 25
"""Seeds handed out at a time: a second or two of work."""


MOST_CPU_S = 120.0
"""What one world may take: a thousand times what it does take."""


def run_range(seeds: range, days: float, *, kind: str = "") -> Sums:
    """Run these seeds here; a failing one is noted, and the others go on."""
    sums, began = Sums(), time.process_time()
    for seed in seeds:
        signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)
        try:
            sums.add(KINDS[kind](seed) if kind else run_seed(seed, days))
        except Exception as error:  # noqa: BLE001 - each seed is a case of its own
            text = f"seed {seed}: {type(error).__name__}: {error}"
            sums.failures.append(Failure(seed, days, text, kind))
        if not gc.isenabled():
            gc.collect()
    signal.setitimer(signal.ITIMER_PROF, 0)
    sums.most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_000
    sums.cpu_s = time.process_time() - began
    return sums


def work(days: float, *, kind: str = "") -> int:
    """The life of a worker; ends with its standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees to it
    signal.signal(signal.SIGPROF, _end_world)
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


def _end_world(*_signal: object) -> None:
    """Raised where it goes round in circles, and noted: no actor is to survive it."""
    raise Broken(f"it takes more than {MOST_CPU_S:.0f} s of CPU")


def _chunks(seeds: range, done: AbstractSet[int]) -> Iterator[range]:
    for at in range(0, len(seeds), CHUNK):
        chunk = seeds[at : at + CHUNK]
        if done.isdisjoint(chunk):
            yield chunk
        else:
            yield from (range(seed, seed + 1) for seed in chunk if seed not in done)


class Crew:
    """Some workers and the seeds that are left. `stop` may be called at any time."""

    def __init__(
        self,
        seeds: range,
        days: float,
        jobs: int,
        *,
        kind: str = "",
        sums: Sums | None = None,
        done: AbstractSet[int] = frozenset(),
    ) -> None:
        """`done`: those of the seeds that were run before, and `sums`: what they came
        to."""
        self.sums = Sums() if sums is None else sums
        self.wanted = len(seeds)
        self._days = days
        self._kind = kind
        self._jobs = jobs
        self._chunks = _chunks(seeds, done)
        self._one_by_one: list[range] = []  # of chunks in which a process died
        self._workers: list[children.Child[bytes]] = []
        self._stopped = False

    def run(self, on_sums: Callable[[range, Sums], None]) -> Sums:
        """Until all is done or `stop`; `on_sums` is called after every chunk, with its
        seeds."""
        lives = [gevent.spawn(self._lead, on_sums) for _ in range(self._jobs)]
        gevent.joinall(lives, raise_error=True)
        return self.sums

    def stop(self) -> None:
        """What is under way is dropped; what was done stays counted."""
        self._stopped = True
        for worker in self._workers:
            worker.terminate()

    def _lead(self, on_sums: Callable[[range, Sums], None]) -> None:
        """One worker, and another one when it dies."""
        worker = self._hire()
        try:
            while (chunk := self._next_chunk()) is not None:
                sums = self._ask(worker, chunk)
                if self._stopped:
                    return
                if sums is None:
                    worker = self._hire()
                    if len(chunk) > 1:  # which of them was it?
                        self._one_by_one += [range(n, n + 1) for n in chunk]
                        continue
                    text = f"seed {chunk[0]}: the process died"
                    failure = Failure(chunk[0], self._days, text, self._kind)
                    sums = Sums(failures=[failure])
                self.sums.merge(sums)
                on_sums(chunk, sums)
        finally:
            if worker.stdin is not None:
                with suppress(BrokenPipeError):  # it ended before it read the last
                    worker.stdin.close()
            worker.wait()

    def _next_chunk(self) -> range | None:
        if self._one_by_one:
            return self._one_by_one.pop(0)
        return next(self._chunks, None)

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
