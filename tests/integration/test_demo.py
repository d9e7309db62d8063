"""`run.py demo`: the story is told, and the node goes on serving."""

import re
import signal
import socket
from pathlib import Path

import pytest
import requests

from tests.tools.paybell import Paybell, paybell

STORY = (
    "creates order-",
    "webhook evt_",
    "_1: payment.created",
    "customer  pays; transaction ",
    "payment.detected  (confirming, 0 of 2 confirmations)",
    "miner  finds a block",
    "payment.confirmed  (confirmed, 2 of 2 confirmations)",
    "payment.confirmed",
    "shop  ships the goods",
    "The checkout page of this payment:  http://127.0.0.1:",
)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def test_the_story_is_told_in_order_and_leaves_nothing(
    temporary: Path,
) -> None:
    finished = paybell("demo", "--once", "--port", "0", env={"TMPDIR": str(temporary)})
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    at = 0
    for words in STORY:
        at = finished.stdout.index(words, at)
    assert "\x1b[" not in finished.stdout
    assert not list(temporary.iterdir())


def test_it_goes_on_serving_on_a_free_port_when_its_own_is_taken_until_ctrl_c(
    tmp_path: Path, temporary: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = {"TMPDIR": str(temporary), "PAYBELL_API_KEY": None}
        demo = Paybell(tmp_path, ["demo", "--port", str(port)], env)
        try:
            demo.wait_for_line(re.compile("Ctrl-C ends it"))
            assert f"port {port} cannot be used" in demo.out
            page = re.search(r"of this payment:  (http://\S+)", demo.out)
            waiting = re.search(r"is still unpaid: +(http://\S+)", demo.out)
            pay = re.search(r"run\.py (pay \S+ 50000 --mine 2 --url \S+)", demo.out)
            assert page is not None
            assert waiting is not None
            assert pay is not None
            for url in (page[1], waiting[1]):
                assert requests.get(url, timeout=60).status_code == 200
            assert paybell(*pay[1].split()).returncode == 0
            demo.wait_for_line(re.compile("(?s)Ctrl-C.*webhook .*payment.confirmed"))
            demo.signal(signal.SIGINT)
            assert demo.ended() == 0
        finally:
            demo.kill()
    assert demo.err == ""
    assert not list(temporary.iterdir())


def test_ctrl_c_in_the_middle_of_the_story_is_clean(
    tmp_path: Path, temporary: Path
) -> None:
    demo = Paybell(tmp_path, ["demo", "--port", "0"], {"TMPDIR": str(temporary)})
    try:
        demo.wait_for_line(re.compile("customer  pays"))
        demo.signal(signal.SIGINT)
        assert demo.ended() == 0
    finally:
        demo.kill()
    assert demo.err == ""
    assert not list(temporary.iterdir())
