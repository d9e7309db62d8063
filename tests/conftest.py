"""Every test runs under gevent, as the engine does: the patch comes first.

Two rules for the whole suite live here too: no test may hang, and with CI=true no
test may be skipped. What a test tells with `record_property("figures", text)` stands at
the end of the run, also when all went well.
"""

from gevent import monkey

monkey.patch_all()

import os
import sys
import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.util
import pytest
from hypothesis import HealthCheck, settings

LONGEST_TEST_S = 120.0  # setting up, running and tearing down, each by itself
BUSY = 3  # the limits are for a quiet machine; where others work it takes longer

# No example is bounded by the clock: how long one takes is the machine's affair. In CI
# the examples are the same each time (Hypothesis's own habit); elsewhere they are new.
settings.register_profile(
    "paybell",
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("paybell")

SLOW_FILE_S = 5.0  # files that take longer are named at the end, with what they took

skipped: list[str] = []
figures: list[tuple[str, str]] = []  # of which test, and what it told
spent: defaultdict[str, float] = defaultdict(float)  # s, by file
spent_cpu: defaultdict[str, float] = defaultdict(float)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--failures-at-once",
        action="store_true",
        help="show a failure when it happens, not only at the end",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--failures-at-once"):
        config.pluginmanager.register(FailuresAtOnce(config))


class FailuresAtOnce:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._show(report)

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._show(report)

    def _show(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        reporter.ensure_newline()
        reporter.write_sep("_", f"failed: {report.nodeid}")
        reporter.write_line(report.longreprtext)


@contextmanager
def deadline(item: pytest.Item) -> Generator[None]:
    """Fail this test, with the stacks of all greenlets, when it takes too long.

    gevent.Timeout is a BaseException on purpose: hypothesis would take an Exception
    for a counterexample and run the hanging test again to shrink it. A test that
    never yields to the hub is ended by faulthandler_timeout (setup.cfg).
    """
    mark = item.get_closest_marker("timeout_s")
    limit_s = float(mark.args[0]) if mark is not None else LONGEST_TEST_S
    limit_s *= BUSY
    timeout = gevent.Timeout(limit_s)
    try:
        with timeout:
            yield
    except gevent.Timeout as late:
        if late is not timeout:
            raise
        gevent.util.print_run_info(file=sys.stderr)
        pytest.fail(f"took longer than {limit_s:g} s; the stacks are on stderr")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    with deadline(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    with deadline(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    with deadline(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    began_s, cpu_s = time.monotonic(), _cpu_s()
    try:
        return (yield)
    finally:
        spent[item.path.name] += time.monotonic() - began_s
        spent_cpu[item.path.name] += _cpu_s() - cpu_s


def _cpu_s() -> float:
    """Of this process and of all its children that have ended."""
    took = os.times()
    return sum(took[:4])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        skipped.append(report.nodeid)
    if report.when == "call":
        told = [str(v) for k, v in report.user_properties if k == "figures"]
        figures.extend((report.nodeid, text) for text in told)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CI=true a service that is missing is a failure, never a silent gap."""
    if skipped and os.environ.get("CI") == "true" and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> None:
    if figures:
        terminalreporter.write_sep("=", "figures")
    for nodeid, text in figures:
        terminalreporter.write_line(f"{nodeid}\n  " + text.replace("\n", "\n  "))
    slow = [name for name, took_s in spent.items() if took_s >= SLOW_FILE_S]
    if slow:
        terminalreporter.write_sep("=", "where the time went: s, and s of CPU")
    for name in sorted(slow, key=spent.__getitem__, reverse=True):
        line = f"{spent[name]:7.1f} {spent_cpu[name]:7.1f}  {name}"
        terminalreporter.write_line(line)
    if skipped and os.environ.get("CI") == "true":
        terminalreporter.write_sep("=", "with CI=true nothing may be skipped", red=True)
        for nodeid in skipped:
            terminalreporter.write_line(f"SKIPPED {nodeid}")
