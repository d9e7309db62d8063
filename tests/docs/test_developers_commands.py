"""Commands for who has the repository: README's demo, told once, and the tests' own
programs of docs/reliability.md, with smaller numbers than the page's.

`make` is asked which command it would run after it has installed what is needed, and
that is run: a test installs nothing.
"""

import os
import re
import socket
import sys
from pathlib import Path

import pytest

from tests.docs.runs import Runs, here
from tests.docs.shell import typed
from tests.docs.snippets import ROOT, Block
from tests.tools.ports import free_ports
from tests.tools.wait import Process, wait_until

LEFT_OUT = {
    r"([A-Z_]+=\w+ )*make test ": "starts tests that `make test` runs, or the same"
    " with larger numbers, as `make soak` does (.ci/soak.sh)",
    "make soak": "runs for hours",
    "make mutate( |$)(?!.*--list)": "runs for hours; --report reads every file of ours",
}
"""Patterns of lines that are not run, each with its reason. It may only shrink."""

RUN = Runs()
PAGE = ("reliability.md", "bash")
POWER = RUN.take(*PAGE, "tests.power --points")
FLIPS = RUN.take(*PAGE, "tests.power --flips")
WORLD = RUN.take(*PAGE, "tests.simulation --seed")
MUTANTS = RUN.take(*PAGE, "make mutate")
ECHO = RUN.take(*PAGE, "echo_server.py")

DEMO = RUN.take("README.md", "bash", "make demo")

MAKE = """
unset MAKEFLAGS MAKELEVEL
make() { eval "$(command make --dry-run "$@" | tail -n 1)"; }
"""


def commands(block: Block) -> str:
    """Those that are run."""
    lines = block.text.splitlines()
    kept = [line for line in lines if not re.match("|".join(LEFT_OUT), line)]
    assert kept
    return "\n".join(kept) + "\n"


@pytest.mark.parametrize("pattern", LEFT_OUT)
def test_what_is_left_out_is_still_there(pattern: str) -> None:
    assert len(LEFT_OUT) <= 3
    lines = [line for block in RUN.blocks for line in block.text.splitlines()]
    assert any(re.match(pattern, line) for line in lines)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """With `python` as the tests have it."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def test_the_demo_of_readme_tells_of_a_payment_until_it_is_delivered(path: str) -> None:
    text = here(DEMO.text, {"make demo": 'make demo ARGS="--once --port 0"'})
    said = typed(MAKE + text, ROOT, PATH=path)
    steps = ("creates order-", "finds a block", "payment.confirmed", "ships the goods")
    places = [said.index(step) for step in steps]
    assert places == sorted(places)


def test_power_is_cut_at_as_many_points_as_asked(path: str) -> None:
    said = typed(here(commands(POWER), {"10000": "3"}), ROOT, PATH=path)
    assert "3 cuts with writes at stake" in said
    assert "1 cuts with writes at stake" in said


def test_files_are_damaged(path: str) -> None:
    said = typed(here(commands(FLIPS), {"3000": "20"}), ROOT, PATH=path)
    assert "paybell.db-wal, the end: " in said
    assert "unseen, by table: none" in said


def test_one_world_is_lived_and_told_of(path: str) -> None:
    said = typed(commands(WORLD), ROOT, PATH=path)
    assert "faults (" in said
    assert "payment.confirmed " in said


def test_the_mutants_of_a_file_are_listed(path: str) -> None:
    said = typed(MAKE + commands(MUTANTS), ROOT, PATH=path)
    assert "engine/payment/rules.py:" in said


def test_the_echo_server_listens(path: str) -> None:
    (port,) = free_ports(1)
    text = here(commands(ECHO), {"9001": str(port)})
    with Process(["bash", "-c", text], cwd=ROOT, env={"PATH": path}) as server:

        def listens() -> bool:
            assert server.returncode is None, server.output
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens, 30, lambda: server.output)
