"""A program that a test starts knows nothing of how the tests were started."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.tools import children
from tests.tools.wait import Process, wait_until

TELL = """
import signal
for name in ("SIGINT", "SIGHUP", "SIGQUIT", "SIGTERM"):
    print(name, signal.getsignal(getattr(signal, name)) is signal.SIG_IGN)
"""


@pytest.fixture
def in_the_background() -> Iterator[None]:
    """As after `nohup make test &`: nohup ignores one signal, the shell two more."""
    numbers = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("in_the_background")
def test_what_the_tests_ignore_a_child_does_not() -> None:
    done = children.run([sys.executable, "-c", TELL], capture_output=True, text=True)
    assert done.stdout.split()[1::2] == ["False"] * 4, done.stderr


@pytest.mark.usefixtures("in_the_background")
def test_a_child_is_interrupted() -> None:
    sleep = "print('ready', flush=True); import time; time.sleep(100)"
    with Process([sys.executable, "-c", sleep], ready="ready") as child:
        child.signal(signal.SIGINT)
        assert child.wait(timeout_s=60) != 0
        assert "KeyboardInterrupt" in child.output


def test_a_child_ends_with_the_one_that_started_it() -> None:
    start = (
        "import sys; from tests.tools import children;"
        "command = [sys.executable, '-c', 'import time; time.sleep(100)'];"
        "child = children.start(command);"
        "print(child.pid, flush=True); input()"
    )
    with children.start(
        [sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        grandchild = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not is_running(grandchild), 60, "the child's child to end")


def is_running(pid: int) -> bool:
    """A zombie that nobody waits for has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_child_has_a_session_of_its_own() -> None:
    tell = "import os; print(os.getsid(0))"
    done = children.run([sys.executable, "-c", tell], capture_output=True, text=True)
    assert int(done.stdout) != os.getsid(0)
