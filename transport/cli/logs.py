"""Logging of the process: one line per fact on stderr, `key=value`, event name first
(or an object per line: `log_lines.py`).

    2026-01-02T03:04:05.678Z info payment.confirmed payment=pay_… seq=4 …

Only our own loggers follow --log-level. Libraries speak from "warning" on: at "debug"
they would print addresses and heads of requests, and these can hold secrets.

Nothing here waits for whoever reads (`LogStream`), and nobody can fill a disk by being
refused: of each place in the code that warns, so many lines are written (`LineLimit`),
and one later says how many were left out. Whatever else is printed to `sys.stderr`
(gevent's tracebacks, warnings, a library's print) takes the same way.
"""

import atexit
import io
import logging
import sys
import time
from types import TracebackType
from typing import Any, Final

from gevent import monkey
from gevent.hub import Hub

from transport.cli.log_lines import FORMATS, MakeLine, as_text
from transport.cli.log_stream import LogStream
from transport.cli.log_target import LogTarget
from transport.cli.printable import printable
from transport.server.limits import RateLimiter

__all__ = [
    "LineFormatter",
    "LineLimit",
    "Log",
    "LogHandler",
    "start_logging",
    "stop_logging",
]

LINES_BURST: Final = 50
LINES_PER_S: Final = 1.0
MAX_PLACES: Final = 1_000
"""In our own code there are some hundred places that warn."""

FLUSH_S: Final = 1.0
"""At the end: as long as a line may take, if somebody reads at all."""

_reentrant_lock: Any = monkey.get_original("_thread", "RLock")


class LineFormatter(logging.Formatter):
    """A record is a line; what is below it (a traceback) belongs to it."""

    def __init__(self, make_line: MakeLine = as_text) -> None:
        super().__init__()
        self._make_line = make_line

    def format(self, record: logging.LogRecord) -> str:
        message = printable(record.getMessage())
        level = record.levelname.lower()
        if not record.name.startswith("paybell"):
            message = f"library.{level} name={record.name} {message}"
        below = ""
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            below = "\n".join(map(printable, trace.split("\n")))
        return self._make_line(record.created, level, message, below)


class LineLimit:
    """Which lines are written. A warning or an error comes `LINES_BURST` times at once
    and then once a second; what is only told (info, debug) is not limited here.

    By the place in the code, so that one kind of trouble does not hide another, and so
    that nobody outside decides how many there are. Called in any thread.
    """

    def __init__(self) -> None:
        self._lock = _reentrant_lock()
        self._places = RateLimiter(LINES_PER_S, LINES_BURST, max_keys=MAX_PLACES)
        self._left_out: dict[str, tuple[str, int]] = {}  # by place: event, lines
        self.total_left_out = 0

    def admits(self, record: logging.LogRecord, now_s: float) -> bool:
        if record.levelno < logging.WARNING:
            return True
        place = f"{record.pathname}:{record.lineno}"
        with self._lock:
            if self._places.allow(place, now_s) == 0:
                return True
            self.total_left_out += 1
            event, lines = self._left_out.get(place, ("", 0))
            event = event or _event_of(record)
            self._left_out[place] = (event, lines + 1)
            return False

    def take_left_out(self) -> list[tuple[str, int]]:
        """Events, and how many lines of each were left out since it was asked last."""
        with self._lock:
            found = list(self._left_out.values())
            self._left_out.clear()
        return found


def _event_of(record: logging.LogRecord) -> str:
    """The first word, as far as it is one of ours: others may have made up the rest."""
    if not record.name.startswith("paybell"):
        return f"library.{record.levelname.lower()}"
    return printable(record.getMessage().partition(" ")[0])[:100]


class LogHandler(logging.Handler):
    """Hands lines to the stream. It has no lock: nothing in it may wait."""

    def __init__(
        self, limit: LineLimit, stream: LogStream, make_line: MakeLine = as_text
    ) -> None:
        super().__init__()
        self._limit = limit
        self._stream = stream
        self._make_line = make_line
        self.setFormatter(LineFormatter(make_line))

    def createLock(self) -> None:  # noqa: N802 - the name that logging calls
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._limit.admits(record, time.monotonic()):
                line = self.format(record)
            else:
                self._stream.nudge()
                return
        except Exception as error:  # noqa: BLE001 - a log line must not end its caller
            line = self._make_line(
                record.created,
                "error",
                f"log.failed error={type(error).__name__} at={record.pathname}:"
                f"{record.lineno}",
                "",
            )
        self._stream.put(line, is_urgent=record.levelno >= logging.WARNING)


class Log:
    """The process's log, once it is started."""

    def __init__(self, target: LogTarget, make_line: MakeLine = as_text) -> None:
        self._make_line = make_line
        self.limit = LineLimit()
        self.stream = LogStream(target, summary=self._summary, make_line=make_line)
        self.handler = LogHandler(self.limit, self.stream, make_line)

    def counts(self) -> dict[str, int]:
        """For the metrics: what was written, and what was not and why."""
        return {
            **self.stream.counts(),
            "log.left_out": self.limit.total_left_out,
        }

    def _summary(self) -> list[str]:
        now = time.time()
        return [
            self._make_line(
                now, "warning", f"log.left_out event={event} lines={lines}", ""
            )
            for event, lines in self.limit.take_left_out()
        ]


class _Stderr(io.TextIOBase):
    """In `sys.stderr`'s place: each line that is printed there is a line of the log."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self) -> None:
        self._rest = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2  # for faulthandler, which writes there by itself

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        if len(self._rest) > 10_000:
            lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            if line.strip():
                _log.warning("process.stderr text=%s", line)
        return len(text)


_log = logging.getLogger("paybell.process")
_started: list[tuple[Log, Any]] = []  # with what `sys.stderr` was before; at most one


def start_logging(level: str, form: str = "kv") -> Log:
    """To be called once, before anything is logged. `stop_logging` ends it. `form`: of
    the lines, one of `FORMATS`."""
    assert not _started, "a process has one log"
    logging.raiseExceptions = False  # a log on a full disk is no news for stderr
    log = Log(LogTarget(), FORMATS[form])
    logging.basicConfig(handlers=[log.handler], level=logging.WARNING)
    logging.getLogger("paybell").setLevel(level.upper())
    logging.captureWarnings(True)
    _started.append((log, sys.stderr))
    sys.stderr = _Stderr()
    hub: Any = Hub
    hub.print_exception = _log_hub_crash
    log.stream.start()
    atexit.register(stop_logging)
    return log


def stop_logging() -> None:
    """Write what waits. From now on stderr is itself again, or nothing at all where
    nobody reads it: the end of a process waits for nobody either."""
    while _started:
        log, stderr = _started.pop()
        logging.getLogger().removeHandler(log.handler)
        is_read = log.stream.close(FLUSH_S)
        sys.stderr = stderr if is_read else None


def _log_hub_crash(
    _hub: object,
    context: object,
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
) -> None:
    """In place of gevent's: a greenlet or a callback of the hub crashed. What it was
    called with is not shown."""
    info = (kind, error, trace) if isinstance(error, BaseException) else None
    _log.error(
        "hub.crash error=%s in=%s", kind.__name__, type(context).__name__, exc_info=info
    )
