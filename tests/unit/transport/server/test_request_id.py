"""Ids of requests, and log lines of failures that do not fill the disk."""

import re
import time

import pytest

from transport.server.request_id import FailureLog, new_request_id


def test_ids_are_short_and_never_the_same() -> None:
    found = {new_request_id() for _ in range(10_000)}
    assert len(found) == 10_000
    assert all(re.fullmatch(r"[0-9a-f]{16}", one) for one in found)


def test_a_crowd_of_failures_writes_few_lines_that_say_how_many_there_were(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    failures = FailureLog()
    for number in range(500):
        failures.note(503, "GET", "/", f"{number}")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 20
    assert lines[-1].endswith("request=19 left_out=0")
    now += 1.0
    failures.note(503, "GET", "/", "500")
    failures.note(503, "GET", "/", "501")
    now += 1.0
    failures.note(503, "GET", "/", "502")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 22
    assert lines[-2].endswith("request=500 left_out=480")
    assert lines[-1].endswith("request=502 left_out=1")
