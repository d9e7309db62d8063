"""A command at a terminal of its own: what a person sees there."""

import contextlib
import os
import pty
from pathlib import Path

from tests.tools import children
from tests.tools.paybell import command
from tests.tools.wait import wait_until

__all__ = ["at_terminal"]

PATIENCE_S = 20.0


def at_terminal(*arguments: str | Path, env: dict[str, str] | None = None) -> str:
    """What a command prints, out and err, when both are a terminal."""
    ours, theirs = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    process = children.start(
        command(*arguments),
        stdout=theirs,
        stderr=theirs,
        env={**environ, "TERM": "xterm", **(env or {})},
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    read = b""

    def is_over() -> bool:
        nonlocal read
        ended = process.poll() is not None
        with contextlib.suppress(OSError):  # nothing there now, or for ever
            while some := os.read(ours, 65_536):  # at most 4 KB at once
                read += some
        return ended

    try:
        wait_until(is_over, PATIENCE_S, lambda: f"{arguments} to end: {read!r}")
    finally:
        os.close(ours)
        process.kill()
    return read.decode()
