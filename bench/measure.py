"""What every bench needs: memory, percentiles, subjects in fresh processes.

A *subject* is a function of a bench module that measures one thing and returns plain
values. `fresh` runs it in a process of its own, so that nobody inherits another's heap.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent

from tests.tools import children

__all__ = [
    "ROOT",
    "RUNS",
    "folder",
    "fresh",
    "median",
    "medians",
    "percentile",
    "repeated",
    "rss_bytes",
    "wait_for",
]

ROOT = Path(__file__).parent.parent

RUNS = 5
"""How often a figure is taken."""

TIMEOUT_S = 900.0
"""No subject takes longer; one that does is a failed bench."""


def rss_bytes() -> int:
    """Resident memory of this process, from the kernel."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmRSS")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of several rounds with the same keys, the median of each."""
    return {key: median([one[key] for one in rounds]) for key in rounds[0]}


def fresh(subject: str, *args: object) -> Any:
    """Run `bench.<module>:<function>` with `args` in a new process; what it returns."""
    command = [sys.executable, "-m", "bench.subject", subject, json.dumps(args)]
    done = children.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def repeated(subject: str, *args: object) -> dict[str, list[float]]:
    """`fresh`, RUNS times, of a subject that returns a dict: the values of each key."""
    rounds = [fresh(subject, *args) for _ in range(RUNS)]
    return {key: [one[key] for one in rounds] for key in rounds[0]}


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    """Until it holds; RuntimeError if that takes too long."""
    with gevent.Timeout(timeout_s, RuntimeError(f"waited {timeout_s:g} s for {what}")):
        while not condition():
            gevent.sleep(0.002)


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder on the disk that the checkout is on, removed afterwards.

    Not in /tmp, which may be memory: an fsync there would cost nothing.
    """
    path = Path(tempfile.mkdtemp(prefix=".run-", dir=Path(__file__).parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def quiet() -> None:
    """For subjects whose processes hold other greenlets: end without waiting."""
    sys.stdout.flush()
    os._exit(0)
