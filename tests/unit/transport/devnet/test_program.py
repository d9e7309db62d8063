"""Programs beside us end with us, and what they wrote is there to be read."""

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.tools import children
from tests.tools.wait import wait_until
from transport.devnet.program import (
    FEWEST_PORTS,
    FIRST_PORT,
    NetworkFailed,
    Program,
    free_ports,
    until,
)

OWNER = """
import sys, time
from pathlib import Path
from transport.devnet.program import Program
program = Program(["sleep", "600"], Path(sys.argv[1]) / "log")
print(program.pid, flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    """A zombie does not run; whoever adopted it takes it away when they come to it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state[0] != "Z"


def test_a_program_ends_with_what_it_started(tmp_path: Path) -> None:
    program = Program(["sh", "-c", "sleep 600 & echo $!; wait"], tmp_path / "log")
    wait_until(program.tail, 10, "the child's number")
    child = int(program.tail())
    program.kill()
    assert program.has_ended
    wait_until(lambda: not is_running(child), 10, "the child to end")


def test_a_program_dies_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    owner = children.start(
        [sys.executable, "-c", OWNER, tmp_path], stdout=-1, text=True, cwd=Path.cwd()
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert is_running(pid)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    wait_until(lambda: not is_running(pid), 10, "the program to end")


def test_the_log_keeps_what_both_runs_wrote(tmp_path: Path) -> None:
    for word in ("first", "second"):
        ran(Program(["echo", word], tmp_path / "log"))
    assert ran(Program(["true"], tmp_path / "log")).tail() == "first\nsecond\n"


def ran(program: Program) -> Program:
    wait_until(lambda: program.has_ended, 10, "it to end")
    program.kill()
    return program


def test_waiting_has_an_end_that_says_what_for() -> None:
    began = time.monotonic()
    with pytest.raises(NetworkFailed, match=r"^not within 0\.1 s: the moon$"):
        until(lambda: False, 0.1, lambda: "the moon")
    assert time.monotonic() - began >= 0.1


def test_free_ports_are_different_ones() -> None:
    assert len(set(free_ports(20))) == 20


def test_free_ports_are_none_that_the_system_gives_to_whoever_asks_for_any() -> None:
    """It could give one away before the program that is to have it has begun."""
    said = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    first = int(said.split()[0])
    if first < FIRST_PORT + FEWEST_PORTS:  # too few are left below
        first = 65_536
    assert all(port < first for port in free_ports(20))
