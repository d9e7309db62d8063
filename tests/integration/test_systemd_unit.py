"""The systemd unit that we tell operators to use, as far as it can be tried without
systemd in charge: it is read, it is judged, and a node lives by its strictest rule."""

import ctypes
import os
import re
import shlex
from pathlib import Path

from tests.tools import children
from tests.tools.paybell import ROOT, Paybell, command

UNIT = ROOT / "examples" / "operating" / "paybell.service"
ANALYZE = os.environ.get("SYSTEMD_ANALYZE", "systemd-analyze")
START = re.compile(r"^ExecStart=(.*)$", re.MULTILINE)
EXPOSURE = 1.5
"""Of 10; what is left is that it uses the network."""

NO_NEW_CODE = """
import ctypes, os, sys
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
    raise SystemExit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"""


def unit_here(folder: Path) -> Path:
    """The unit, with a program that there is: systemd-analyze looks for it."""
    text = UNIT.read_text(encoding="utf-8")
    path = folder / "paybell.service"
    path.write_text(START.sub("ExecStart=/bin/true", text), encoding="utf-8")
    return path


def analyzed(*arguments: str | Path) -> str:
    finished = children.run(
        [ANALYZE, *arguments], capture_output=True, text=True, timeout=60
    )
    said = str(finished.stdout + finished.stderr)
    assert finished.returncode == 0, said
    return said


def test_systemd_reads_the_unit_and_finds_nothing_wrong_in_it(tmp_path: Path) -> None:
    assert analyzed("verify", unit_here(tmp_path)).strip() == ""


def test_systemd_finds_the_unit_well_shut_in(tmp_path: Path) -> None:
    said = analyzed("security", "--offline=true", unit_here(tmp_path))
    level = re.search(r"Overall exposure level for paybell\.service: ([\d.]+) OK", said)
    assert level, said
    assert float(level[1]) <= EXPOSURE


def test_what_the_unit_starts_is_a_command_that_there_is() -> None:
    started = START.search(UNIT.read_text(encoding="utf-8"))
    assert started
    python, program, *arguments = shlex.split(started[1])
    assert python == "/opt/paybell/.venv/bin/python"
    assert (ROOT / Path(program).relative_to("/opt/paybell")).is_file()
    assert arguments[0] == "serve"


def test_a_node_runs_where_no_memory_may_be_written_and_executed(
    tmp_path: Path,
) -> None:
    """MemoryDenyWriteExecute=: by the kernel's own rule of the same (PR_SET_MDWE, since
    Linux 6.3); on an older one nothing is refused."""
    python = command()[0]
    is_known = ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) >= 0  # PR_GET_MDWE
    wrapped = [python, "-c", NO_NEW_CODE] if is_known else []
    node = Paybell(
        tmp_path, ["serve", "--port", "0", "--db", "node.db"], {}, wrapped=wrapped
    )
    try:
        node.wait_ready()
        payment = node.create(amount_sat=1_000, confirmations=1)
        node.post("/dev/pay", address=payment["address"], amount_sat=1_000)
        node.post("/dev/mine", blocks=1)
        node.wait_for_status(payment["id"], "confirmed")
        assert node.stop() == 0
    finally:
        node.kill()
