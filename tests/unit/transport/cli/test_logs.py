"""Log lines: one fact, one line, whatever is in it."""

import logging
import sys

from transport.cli.logs import LineFormatter


def line(name: str, text: str, *values: object, failed: bool = False) -> str:
    info = None
    if failed:
        try:
            raise ValueError("first\nsecond")
        except ValueError:
            info = sys.exc_info()
    record = logging.LogRecord(name, logging.WARNING, "", 0, text, values, info)
    record.created, record.msecs = 1_767_323_045.678, 678.0
    return LineFormatter().format(record)


def test_a_line_is_the_time_in_utc_the_level_the_event_and_its_pairs() -> None:
    assert line("paybell.source", "source.failed source=%s", "esplora") == (
        "2026-01-02T03:04:05.678Z warning source.failed source=esplora"
    )


def test_a_value_cannot_forge_a_line() -> None:
    text = line("paybell.http", "http.crash path=%s", "/\r\n2026-01-01 info forged")
    assert len(text.splitlines()) == 1


def test_a_library_is_named() -> None:
    assert line("urllib3.pool", "pool is full").endswith(
        " warning library.warning name=urllib3.pool pool is full"
    )


def test_a_traceback_is_indented_below_its_line() -> None:
    first, *rest = line("paybell.root", "core.crashed", failed=True).splitlines()
    assert first.endswith("core.crashed")
    assert rest
    assert all(text.startswith("    ") for text in rest)
