"""What the bench at mainnet's size holds: the big node, Paybell on it, who listens.

Paybell runs from any tree of files, so that an earlier commit can be measured beside
the present one, in the same run and by the same clock.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import gevent

from bench.clients import dial
from bench.measure import ROOT, wait_for
from tests.tools import children
from tests.tools.wait import Process

__all__ = ["KEY", "BigNode", "Paybell", "Stream", "big_node", "older_tree", "paybell"]

KEY = "a-key-of-the-bench"
_WAIT_S = 240.0


class BigNode:
    """`bench.big_node`, by its ports. Methods of its RPC are called by name."""

    def __init__(self, port: int, zmq_port: int, pid: int) -> None:
        self.port = port
        self.zmq_port = zmq_port
        self.pid = pid

    @property
    def url(self) -> str:
        return f"http://bench:bench@127.0.0.1:{self.port}"

    def call(self, method: str, *params: object) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        body = json.dumps({"id": 1, "method": method, "params": params})
        connection.request("POST", "/", body)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if answer["error"] is not None:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]


@contextmanager
def big_node(transactions: int) -> Iterator[BigNode]:
    command = [sys.executable, "-m", "bench.big_node", str(transactions)]
    ready = r"ready on (\d+), zmq on (\d+)"
    with Process(command, ready=ready, timeout_s=120, cwd=ROOT) as process:
        assert process.match is not None
        yield BigNode(int(process.match[1]), int(process.match[2]), process.pid)


class Paybell:
    """A `run.py serve`, by its port and its process's id."""

    def __init__(self, port: int, pid: int, began: float) -> None:
        self.port = port
        self.pid = pid
        self.began = began  # of its process, perf_counter

    def ask(self, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        head = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, text, head)
        answer = connection.getresponse().read()
        connection.close()
        return json.loads(answer)

    def create(self, addresses: Sequence[str]) -> None:
        for first in range(0, len(addresses), 1_000):
            wanted = [
                {
                    "method": "onchain",
                    "address": address,
                    "amount_sat": 1_000,
                    "expires_in_s": 86_400,
                }
                for address in addresses[first : first + 1_000]
            ]
            answer = self.ask("/v1/payments/batch", {"payments": wanted})
            if any("payment" not in one for one in answer["data"]):
                raise RuntimeError(f"a payment was not created: {str(answer)[:400]}")

    @property
    def last_offset(self) -> int:
        """Of the journal."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(
            "GET", "/metrics", headers={"Authorization": f"Bearer {KEY}"}
        )
        text = connection.getresponse().read().decode()
        found = re.search(r"^paybell_journal_last_offset (\S+)", text, re.MULTILINE)
        assert found is not None
        return int(float(found[1]))

    @property
    def tip(self) -> int:
        height = self.ask("/v1/sources")["data"][0]["tip_height"]
        return -1 if height is None else int(height)

    @property
    def memory(self) -> tuple[int, int]:
        """(now, the most so far), bytes."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+)", text, re.MULTILINE))
        return int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024


@contextmanager
def paybell(tree: Path, db: Path, source: str) -> Iterator[Paybell]:
    """Until it takes payments."""
    began = time.perf_counter()
    command: list[str | Path] = [
        sys.executable, "run.py", "serve", "--port", "0", "--network", "regtest",
        "--source", source, "--db", db, "--log-level", "warning",
    ]  # fmt: skip
    ready = r"paybell ready on http://127\.0\.0\.1:(\d+)"
    with Process(
        command, ready=ready, timeout_s=60, env={"PAYBELL_API_KEY": KEY}, cwd=tree
    ) as process:
        assert process.match is not None
        served = Paybell(int(process.match[1]), process.pid, began)
        wait_for(lambda: served.ask("/ready").get("ready", False), "ready", _WAIT_S)
        yield served
        process.stop()


class Stream:
    """GET /v1/events as a stream: how many of an event came, and when."""

    def __init__(self, served: Paybell, event: bytes, after: int = 0) -> None:
        self._word = b"event: " + event + b"\n"
        self.times: list[float] = []
        self._sock = dial(served.port, 0)
        self._sock.sendall(
            f"GET /v1/events?after={after} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Accept: text/event-stream\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
        )
        self._greenlet = gevent.spawn(self._read)

    def _read(self) -> None:
        rest = b""
        while data := self._sock.recv(1 << 18):
            now = time.perf_counter()
            whole, _, rest = (rest + data).rpartition(b"\n\n")
            self.times += [now] * whole.count(self._word)

    def wait(self, count: int, timeout_s: float = 60.0) -> None:
        wait_for(lambda: len(self.times) >= count, f"{count} events", timeout_s)

    def close(self) -> None:
        self._greenlet.kill()
        self._sock.close()


@contextmanager
def probing(served: Paybell) -> Iterator[dict[str, float]]:
    """Meanwhile GET /health every 5 ms, by a process of its own; the longest, ms."""
    found: dict[str, float] = {}
    child = children.start(
        [sys.executable, "-m", "bench.mainnet_probe", str(served.port)],
        cwd=ROOT, stdin=PIPE, stdout=PIPE,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        child.stdout.readline()  # it has begun
        yield found
        out, _ = child.communicate(b"\n", timeout=60)
        found.update(json.loads(out))
    finally:
        child.kill()
        child.wait()


@contextmanager
def older_tree(commit: str, path: Path) -> Iterator[Path]:
    """The files of an earlier commit, in a folder."""
    done = children.run(
        ["git", "archive", commit], cwd=ROOT, stdout=PIPE, check=True, timeout=60
    )
    children.run(["tar", "-x", "-C", path], input=done.stdout, check=True, timeout=60)
    yield path
