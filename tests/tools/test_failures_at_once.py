"""Of a run that takes minutes the first failure is shown when it happens."""

import sys
from pathlib import Path

from tests.tools.wait import Process
from tests.unit.test_packaging import ROOT

TESTS = """
import time
from pathlib import Path

def test_that_fails():
    assert "what was wrong" == ""

def test_that_takes_long():
    while not Path(__file__).with_name("seen").exists():
        time.sleep(0.01)
"""


def test_a_failure_is_shown_before_the_tests_that_follow_are_done(
    tmp_path: Path,
) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(TESTS, "utf-8")
    options = ("-p", "tests.conftest", "-c", "/dev/null", "--color=no")
    command = [sys.executable, "-u", "-m", "pytest", *options, "--failures-at-once"]
    said = r"failed: .*::test_that_fails"
    with Process([*command, str(file)], ready=said, cwd=ROOT) as run:
        (tmp_path / "seen").touch()
        assert run.wait(60) == 1
        assert "assert 'what was wrong' == ''" in run.output
        assert "1 failed, 1 passed" in run.output
