"""Logging of the process: one line per fact on stderr, `key=value`, event name first.

    2026-01-02T03:04:05.678Z info payment.confirmed payment=pay_… seq=4 …

Only our own loggers follow --log-level. Libraries speak from "warning" on: at "debug"
they would print addresses and heads of requests, and these can hold secrets.
"""

import logging
import sys
import time

__all__ = ["LineFormatter", "start_logging"]


class LineFormatter(logging.Formatter):
    """A record is a line; what is below it (a traceback) is indented."""

    def formatTime(  # noqa: N802 - the name that logging calls
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{moment}.{int(record.msecs):03d}Z"

    def format(self, record: logging.LogRecord) -> str:
        message = _printable(record.getMessage())
        if not record.name.startswith("paybell"):
            message = f"library.{record.levelname.lower()} name={record.name} {message}"
        line = f"{self.formatTime(record)} {record.levelname.lower()} {message}"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            parts = map(_printable, trace.split("\n"))
            line += "".join(f"\n    {part}" for part in parts)
        return line


def _printable(text: str) -> str:
    """Whatever ends a line for some reader, or speaks to a terminal, is spelled out."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def start_logging(level: str) -> None:
    """To be called once, before anything is logged."""
    logging.raiseExceptions = False  # a log on a full disk is no news for stderr
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("paybell").setLevel(level.upper())
