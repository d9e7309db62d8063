"""`run.py demo --lightning`: a real payment is seen, or what is missing."""

import re
import signal
from pathlib import Path

from tests.tools.paybell import Paybell, paybell
from tests.tools.wait import wait_until

STORY = (
    "opening a channel",
    "Electrum's Lightning (regtest), temporary database",
    "creates order-",
    "lightning:LNBCRT500U1",
    "payment.created",
    "customer  scans it, and pays through the channel",
    "customer  has the receipt (preimage) ",
    "shop  ships the goods",
    "The checkout page of this payment:  http://127.0.0.1:",
)


def test_a_lightning_payment_is_told_by_the_demo_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    finished = paybell(
        *("demo", "--lightning", "--once", "--port", "0"),
        env={"TMPDIR": str(temporary)},
        timeout_s=60.0,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == ""
    at = 0
    for words in STORY:
        at = finished.stdout.index(words, at)
    for who in ("browser", "shop  webhook evt_"):
        told = re.findall(rf"{who}.*payment\.(\w+)", finished.stdout)
        assert told[-2:] == ["detected", "confirmed"] or "confirmed" in told, told
    assert not list(temporary.iterdir())


def test_ctrl_c_while_the_network_starts_is_clean(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    demo = Paybell(
        tmp_path, ["demo", "--lightning", "--port", "0"], {"TMPDIR": str(temporary)}
    )
    try:
        demo.wait_for_line(re.compile("starting a Bitcoin node"))
        wait_until(lambda: list(temporary.glob("*/payer")), 20.0, "all to be started")
        demo.signal(signal.SIGINT)
        assert demo.ended() == 0
    finally:
        demo.kill()
    assert demo.err == ""
    assert not list(temporary.iterdir())


def test_the_demo_says_in_one_line_which_programs_are_missing(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    finished = paybell("demo", "--lightning", "--port", "0", env={"ELECTRUM": nowhere})
    assert finished.returncode == 1
    assert finished.stdout == ""
    [line] = finished.stderr.splitlines()
    assert "electrum (Debian: apt-get install electrum)" in line
    assert "make setup-lightning" in line
