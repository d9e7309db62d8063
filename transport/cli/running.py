"""A node from its start to its end, as `serve` and `demo` run it."""

import logging
from collections.abc import Callable
from typing import Protocol

import gevent
import gevent.event
import gevent.signal

from engine.config import Config
from transport.cli.logs import stop_logging
from transport.cli.starting import cannot_listen
from transport.cli.words import say

__all__ = ["Running", "run_until_stopped"]

_log = logging.getLogger("paybell")

GAVE_UP = 70
"""The exit code (EX_SOFTWARE) of a node that keeps crashing."""


class Running(Protocol):
    """A node whose parts are put together: `Installation` of installation.py."""

    config: Config
    gave_up: "gevent.event.AsyncResult[str]"

    def start(self) -> str:
        """Listen; the URL. Raises OSError."""

    def stop(self) -> None: ...


def run_until_stopped(node: Running, ready: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT; the process's exit code. Raises `CannotStart`."""
    stop = gevent.event.Event()
    for number in (15, 2):
        gevent.signal_handler(number, stop.set)
    node.gave_up.rawlink(lambda _result: stop.set())
    try:
        ready(_started(node))
        stop.wait()
    finally:
        node.stop()
    why = node.gave_up.get() if node.gave_up.ready() else ""
    _log.info("node.stopped")
    if why:
        stop_logging()
        say(f"paybell: gave up: {why}", err=True)
    return GAVE_UP if why else 0


def _started(node: Running) -> str:
    try:
        return node.start()
    except OSError as error:
        raise cannot_listen(node.config, error) from error
