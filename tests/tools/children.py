"""Programs that tests and benches start: each with default signals, in a session of its
own, and never left behind.

A test run that was itself started in the background (`nohup make test &`) ignores
SIGINT and SIGHUP, and what is ignored stays ignored in a child. Here every child begins
as if a person had started it from a terminal: a test that interrupts it is understood.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["Child", "run", "start"]

Child = subprocess.Popen

DEFAULT = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def start(command: Sequence[str | Path], **options: Any) -> Child[Any]:
    """As subprocess.Popen, with nothing on its standard input unless given."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(
        [os.fspath(part) for part in command],
        start_new_session=True,
        preexec_fn=_as_from_a_terminal,
        **options,
    )


def run(
    command: Sequence[str | Path], *, check: bool = False, **options: Any
) -> "subprocess.CompletedProcess[Any]":
    """As subprocess.run: to its end, which `timeout` (s) bounds."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(
        [os.fspath(part) for part in command],
        check=check,
        start_new_session=True,
        preexec_fn=_as_from_a_terminal,
        **options,
    )


def _as_from_a_terminal() -> None:
    """In the child, before its program. It also dies with whoever started it (Linux):
    a test run that is killed leaves no programs behind."""
    for number in DEFAULT:
        signal.signal(number, signal.SIG_DFL)
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
