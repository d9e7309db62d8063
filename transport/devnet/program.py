"""One program that runs beside us: started, waited for, and ended by its own id.

Its output goes to a file. It is in a session of its own, so that what it started ends
with it, and it dies when the process that started it dies (Linux), however that
happens. Runs in the caller's greenlet.
"""

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import gevent

__all__ = [
    "FEWEST_PORTS",
    "FIRST_PORT",
    "HOST",
    "NetworkFailed",
    "Program",
    "free_ports",
    "until",
]

HOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1
PAUSE_S = 0.05
TAIL_BYTES = 4_000
FIRST_PORT, FEWEST_PORTS = 10_000, 5_000  # of the programs, below the system's own

T = TypeVar("T")

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class NetworkFailed(Exception):
    """A program ended, or did not do in time what it was started for."""


def until(answer: Callable[[], T], limit_s: float, what: Callable[[], str]) -> T:
    """Ask again and again until the answer is truthy, and return it. Raises
    `NetworkFailed`; `what` completes "not within 5 s: …"."""
    deadline = time.monotonic() + limit_s
    while True:
        found = answer()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise NetworkFailed(f"not within {limit_s:g} s: {what()}")
        gevent.sleep(PAUSE_S)


def free_ports(count: int) -> list[int]:
    """That many TCP ports of loopback that nobody listens on now, and of which the
    system gives none by itself, to whoever connects or asks for any. No reservation:
    who listens first has one."""
    end, held = _first_of_the_system(), list[socket.socket]()
    try:
        while len(held) < count:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            port = FIRST_PORT + secrets.randbelow(end - FIRST_PORT) if end else 0
            try:
                listener.bind((HOST, port))
            except OSError:  # somebody's
                listener.close()
            else:
                held.append(listener)
        return [listener.getsockname()[1] for listener in held]
    finally:
        for listener in held:
            listener.close()


def _first_of_the_system() -> int:
    """The lowest port that the system gives by itself; 0: it does not say, or leaves
    too few below."""
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    except OSError:
        return 0
    first = int(text.split()[0])
    return first if first >= FIRST_PORT + FEWEST_PORTS else 0


class Program:
    """A running program. `log`: the file that has its output; it is appended to."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [os.fspath(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=log.parent,
                start_new_session=True,
                preexec_fn=_die_with_us,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def has_ended(self) -> bool:
        return self._child.poll() is not None

    def tail(self) -> str:
        """The last lines of its output."""
        with self.log.open("rb") as output:
            output.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            return output.read(TAIL_BYTES).decode("utf-8", "replace")

    def kill(self) -> None:
        """End it at once (SIGKILL), with whatever it started, and wait for that."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()


def _die_with_us() -> None:
    """In the child, before its program."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
