"""`run.py serve` as a process: how it ends, and what it leaves."""

import contextlib
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.tools.paybell import API_KEY, ROOT, Paybell, serving
from tests.tools.wait import wait_until
from tests.tools.wsclient import connect

ENDS_WITHIN_S = 10.0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Paybell]:
    with serving(tmp_path) as started:
        yield started


PATIENT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import run, installation
installation.STOP_S = 120.0
run.main()
"""


@contextlib.contextmanager
def patient(folder: Path) -> Iterator[Paybell]:
    """A node that waits longer for what is under way, as a test may be slow."""
    node = Paybell(
        folder,
        ["serve", "--port", "0", "--db", "node.db"],
        {},
        in_place_of_run=[sys.executable, "-c", PATIENT, str(ROOT)],
    )
    try:
        node.wait_ready()
        yield node
    finally:
        node.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order_with_everything_under_way(
    tmp_path: Path, number: int
) -> None:
    with patient(tmp_path) as node:
        address = node.create(amount_sat=1_000)["address"]
        websocket = connect("127.0.0.1", node.port, f"/ws/balance/{address}")
        assert websocket.recv_json()["type"] == "state"
        stream = node.call("GET", f"/events/balance/{address}", stream=True, timeout=60)
        poll: list[int] = []
        poller = threading.Thread(
            target=lambda: poll.append(
                node.get("/v1/events?after=1&wait_s=50").status_code
            )
        )
        poller.start()
        # The socket, the stream and the long poll.
        wait_until(lambda: "paybell_sessions 3.0" in _metrics(node), 5, "all three")
        slow = _begin_request(node)
        node.signal(number)
        slow.sendall(b'unt_sat":2000}')
        answer = _read_all(slow)
        assert answer.startswith(b"HTTP/1.1 201 "), answer
        assert websocket.expect_close(ENDS_WITHIN_S) == 1001
        assert node.ended(ENDS_WITHIN_S) == 0
        assert b"event: state" in _what_is_left(stream)
        poller.join(60)
        assert poll == [200]
        assert "Traceback" not in node.err

    with serving(tmp_path) as again:  # what was answered is there
        found = again.get("/v1/payments").json()["data"]
        assert sorted(payment["amount_sat"] for payment in found) == [1_000, 2_000]


def test_a_second_signal_harms_nothing(tmp_path: Path) -> None:
    with patient(tmp_path) as node:
        slow = _begin_request(node)
        node.signal(signal.SIGTERM)
        _wait_until_it_takes_no_more(node)
        node.signal(signal.SIGTERM)
        node.signal(signal.SIGINT)
        slow.sendall(b'unt_sat":2000}')
        assert _read_all(slow).startswith(b"HTTP/1.1 201 ")
        assert node.ended(ENDS_WITHIN_S) == 0
        assert "Traceback" not in node.err


def test_a_request_that_never_ends_does_not_keep_it_from_ending(
    node: Paybell,
) -> None:
    slow = _begin_request(node)
    assert node.stop() == 0
    slow.close()
    assert "Traceback" not in node.err


def test_a_stopped_node_leaves_one_whole_database_file(
    node: Paybell, tmp_path: Path
) -> None:
    node.create(amount_sat=1_000)
    assert node.stop() == 0
    assert not (tmp_path / "node.db-wal").exists()
    with sqlite3.connect(tmp_path / "node.db") as sql:
        assert sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert sql.execute("SELECT count(*) FROM events").fetchone() == (1,)


def _begin_request(node: Paybell) -> socket.socket:
    """A POST whose body is still under way, and is waited for."""
    sock = socket.create_connection(("127.0.0.1", node.port), timeout=60)
    body = b'{"amount_sat":2000}'
    sock.sendall(
        b"POST /v1/payments HTTP/1.1\r\nHost: localhost\r\n"
        + f"Authorization: Bearer {API_KEY}\r\n".encode()
        + b"Content-Type: application/json\r\n"
        + b"Expect: 100-continue\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body[:5]
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    assert answer.startswith(b"HTTP/1.1 100 ")
    return sock


def _what_is_left(stream: requests.Response) -> bytes:
    """The rest of an event stream, which may be cut off."""
    received = b""
    with contextlib.suppress(requests.RequestException):
        for piece in stream.iter_content(1_024):
            received += piece
    return received


def _read_all(sock: socket.socket) -> bytes:
    with sock:
        return b"".join(iter(lambda: sock.recv(65_536), b""))


def _metrics(node: Paybell) -> str:
    return node.get("/metrics").text


def _wait_until_it_takes_no_more(node: Paybell) -> None:
    def refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", node.port), timeout=60).close()
        except ConnectionError:
            return True
        return False

    wait_until(refused, 5, "the port to be closed")
