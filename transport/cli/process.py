"""What a node that runs for years has to stand: closed or full outputs, signals.

Called by `serve` at its beginning and at its end. What goes wrong here is a line of
the log.
"""

import logging
import os
import signal
import time
from collections.abc import Callable

import gevent

from transport.cli.logs import Log
from transport.cli.words import is_writable

__all__ = ["announce", "hear_hangups", "ignore_hangups", "wait_for"]

_log = logging.getLogger("paybell.process")


def announce(line: str) -> None:
    """Print a line on standard output, unless nobody takes it: that is no reason to
    wait, and none to end."""
    try:
        if not is_writable(1):
            raise BlockingIOError(0, "it is full, or its reader has gone")
        os.write(1, f"{line}\n".encode())
    except OSError as error:
        _log.warning("stdout.unwritable detail=%s line=%s", error.strerror, line)


def ignore_hangups() -> None:
    """SIGHUP would end the process: a terminal was closed, or logs are rotated."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def hear_hangups(log: Log) -> None:
    """From now on SIGHUP opens the log's file anew, if there is one."""

    def on_hangup() -> None:
        if log.stream.reopen():
            _log.info("log.reopening signal=SIGHUP")
        else:
            _log.info("signal.ignored signal=SIGHUP detail=stderr is no file")

    gevent.signal_handler(signal.SIGHUP, on_hangup)


def wait_for(is_done: Callable[[], bool], timeout_s: float) -> None:
    """Until it is done, or the time is up."""
    until = time.monotonic() + timeout_s
    while not is_done() and time.monotonic() < until:
        gevent.sleep(0.01)
