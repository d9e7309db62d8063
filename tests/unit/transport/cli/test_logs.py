"""Log lines: one fact, one line, whatever is in it."""

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools import children
from tests.unit.transport.cli.log_pipe import Pipe
from transport.cli.log_target import LogTarget
from transport.cli.logs import LINES_BURST, LineFormatter, LineLimit, Log

ROOT = Path(__file__).resolve().parents[4]


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


# -- how many --------------------------------------------------------------------------


def refused(number: int, lineno: int = 1) -> logging.LogRecord:
    text, values = "webhook.refused client=%s", (f"192.0.2.{number}",)
    return logging.LogRecord(
        "paybell.webhook", logging.WARNING, "webhooks.py", lineno, text, values, None
    )


def test_of_refused_calls_some_are_told_and_the_rest_is_counted() -> None:
    limit = LineLimit()
    told = sum(limit.admits(refused(n % 250), now_s=0.0) for n in range(10_000))
    assert told == LINES_BURST
    assert limit.take_left_out() == [("webhook.refused", 10_000 - LINES_BURST)]
    assert limit.take_left_out() == []
    assert limit.total_left_out == 10_000 - LINES_BURST


def test_after_a_flood_a_line_a_second_is_told() -> None:
    limit = LineLimit()
    told = [limit.admits(refused(1), now_s=n / 100) for n in range(10_000)]
    assert sum(told[2_000:]) == 80


def test_one_kind_of_trouble_does_not_hide_another() -> None:
    limit = LineLimit()
    for number in range(1_000):
        limit.admits(refused(number % 250), now_s=0.0)
    assert limit.admits(refused(1, lineno=2), now_s=0.0)


def test_what_is_only_told_is_not_limited_by_its_kind() -> None:
    limit = LineLimit()
    record = refused(1)
    record.levelno = logging.INFO
    assert all(limit.admits(record, now_s=0.0) for _ in range(1_000))


def test_nobody_outside_decides_how_many_kinds_there_are_nor_what_they_are_called() -> (
    None
):
    limit = LineLimit()
    for number in range(1_000):
        record = logging.LogRecord(
            "paybell.x", 30, "x.py", 1, f"a\x1b{number} x", (), None
        )
        limit.admits(record, now_s=0.0)
    assert limit.take_left_out() == [("a\\x1b50", 950)]


# -- the process's log -----------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[tuple[Log, Pipe]]:
    """The handler and its stream, on a pipe, with loggers of their own."""
    with Pipe() as pipe:
        made = Log(LogTarget(pipe.fd))
        made.stream.start()
        logger = logging.getLogger("paybell.test")
        logger.addHandler(made.handler)
        logger.propagate = False
        yield made, pipe
        logger.removeHandler(made.handler)
        assert made.stream.close(60.0)


def test_a_value_that_cannot_be_shown_ends_nobody(log: tuple[Log, Pipe]) -> None:
    made, pipe = log
    for text, values in (("broken number=%d", ("no number",)), ("whole", ())):
        made.handler.handle(
            logging.LogRecord("paybell.x", 30, "x.py", 1, text, values, None)
        )
    first, second = pipe.wait_for("whole")
    assert " error log.failed error=TypeError at=" in first
    assert second.endswith(" warning whole")


def test_the_handler_has_no_lock_that_a_greenlet_could_hold(
    log: tuple[Log, Pipe],
) -> None:
    assert log[0].handler.lock is None


def test_a_record_with_a_hostile_traceback_forges_no_line(
    log: tuple[Log, Pipe],
) -> None:
    logger, (_, pipe) = logging.getLogger("paybell.test"), log
    try:
        raise ValueError(
            "x\n2026-01-01T00:00:00.000Z info payment.confirmed\r\x85\u2028y"
        )
    except ValueError:
        logger.exception("crashed")
    first, *rest = pipe.wait_for("info payment")
    assert first.endswith(" error crashed")
    assert all(line.startswith("    ") for line in rest)
    assert all(line.isprintable() for line in rest)


IN_A_PROCESS = """
from gevent import monkey
monkey.patch_all()
import gevent, logging, sys, warnings
from transport.cli.logs import start_logging, stop_logging
start_logging("info")

def crash(secret):
    raise ValueError("first\\n2026-01-01T00:00:00.000Z info payment.confirmed")

gevent.spawn(crash, "a canary").join()
gevent.get_hub().loop.run_callback(crash, "a canary")
gevent.sleep(0.01)
print("printed\\x1b[2J by a library", file=sys.stderr)
sys.stderr.write("half a line, ")
sys.stderr.write("and the other half\\n")
warnings.warn("careful")
gevent.get_hub().threadpool.apply(lambda: print("in a thread", file=sys.stderr))
logging.getLogger("other").warning("a library's")
logging.getLogger("paybell.test").info("last")
raise SystemExit(3)
"""


def test_whatever_is_printed_to_stderr_is_a_line_of_the_log(tmp_path: Path) -> None:
    finished = children.run(
        [sys.executable, "-c", IN_A_PROCESS],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
    )
    assert finished.returncode == 3
    assert finished.stdout == ""
    lines = finished.stderr.splitlines()
    log_line = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|warning|error) [a-z_.]+ ?.*")
    for line in lines:
        assert log_line.fullmatch(line) or line.startswith("    "), line
        assert line.isprintable()
    text = finished.stderr
    assert text.count(" error hub.crash error=ValueError in=") == 2
    assert "a canary" not in text
    assert " warning process.stderr text=printed\\x1b[2J by a library\n" in text
    assert "process.stderr text=half a line, and the other half\n" in text
    assert "UserWarning: careful" in text
    assert "process.stderr text=in a thread\n" in text
    assert " warning library.warning name=other a library's\n" in text
    assert lines[-1].endswith(" info last")


def test_what_crashes_before_the_end_is_told_and_the_process_ends(
    tmp_path: Path,
) -> None:
    script = IN_A_PROCESS.replace("raise SystemExit(3)", "crash('a canary')")
    finished = children.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
    )
    assert finished.returncode == 1
    assert "ValueError" in finished.stderr
