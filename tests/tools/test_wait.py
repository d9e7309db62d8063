"""The tools that other tests wait with, tried by themselves."""

import os
import sys

import pytest

from tests.tools.ports import free_ports
from tests.tools.wait import Process, ProcessFailed, WaitedTooLong, wait_until


def test_waiting_returns_the_first_truthy_answer() -> None:
    answers = iter([0, None, "", "here"])
    assert wait_until(lambda: next(answers), 5, "an answer") == "here"


def test_waiting_too_long_says_what_was_waited_for() -> None:
    with pytest.raises(WaitedTooLong, match=r"waited 0\.12 s for a miracle"):
        wait_until(lambda: False, 0.02, "a miracle")


def test_a_process_is_ready_when_its_line_comes() -> None:
    code = "print('noise'); print('listening on port 4711'); input()"
    command = [sys.executable, "-c", "import time\n" + code.replace("input()", HANG)]
    with Process(command, ready=r"port (\d+)") as process:
        assert process.match is not None
        assert process.match[1] == "4711"
        assert process.returncode is None
        pid = process.pid
    assert process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_ends_too_early_is_reported_with_its_output() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such table')"]
    with pytest.raises(ProcessFailed, match=r"status 1[\s\S]*no such table"):
        Process(command, ready="listening").start()


def test_a_process_that_says_nothing_is_ended_after_the_deadline() -> None:
    process = Process(
        [sys.executable, "-c", "import time\n" + HANG], ready="ready", timeout_s=0.05
    )
    with pytest.raises(ProcessFailed, match="stayed silent"):
        process.start()
    assert process.returncode == -9


def test_a_process_can_be_asked_to_stop_and_started_again() -> None:
    code = f"import time\nprint('up', flush=True)\n{HANG}"
    process = Process([sys.executable, "-c", code], ready="^up$")
    with process:
        first = process.pid
        assert process.stop() == -15
        process.start()
        assert process.pid != first


def test_free_ports_are_different_from_each_other() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(1024 < port < 65536 for port in ports)
    assert not set(ports) & set(free_ports(5)), "none is given twice"


HANG = "time.sleep(600)"
