"""The longest turn of the hub while a body of a mebibyte comes, of every shape.

In CPU time of the node's thread, so that what others on the machine do does not count.
The bodies come from a process of its own; what is measured is the node's.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import IO

import greenlet
import requests

from bench.measure import ROOT, repeated
from bench.report import Row, Section, spread
from tests.tools import children
from tests.tools.node import running_node
from tests.unit.transport.http.big_json import MIB, legit, shapes

__all__ = ["paybell", "run"]

AIM = "at most 20 ms"
PAYMENTS, CHANNELS = "/v1/payments", "/v1/channels"


def run() -> Section:
    found = repeated("bodies:paybell")
    return Section(
        "bodies",
        "Bodies that cost time to read",
        "one node; a client that posts JSON of every shape that is slow to read (small"
        " objects, empty texts, numbers of many digits, escapes, names, depth, no end),"
        " as much as a body may have, one after the other. The longest time, in CPU, in"
        " which one of the node's greenlets let nobody else run.",
        [Row(what, spread(values, "ms"), aim=AIM) for what, values in found.items()],
        ["before, a mebibyte of small objects took one turn of 1.5 to 1.9 s"],
    )


def paybell() -> dict[str, float]:
    """The longest turn (ms) of each kind of body."""
    worst = _Worst()
    found: dict[str, float] = {}
    with running_node() as node:
        child = children.start(
            [sys.executable, "-m", "bench.bodies", node.url, node.api_key],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        greenlet.settrace(worst.on_switch)
        for kind, names in _bodies().items():
            worst.begin()
            for name in names:
                child.stdin.write(f"{name}\n")
                child.stdin.flush()
                child.stdout.readline()
            found[kind] = worst.ms
        greenlet.settrace(None)
        child.stdin.close()
        child.wait()
    return found


class _Worst:
    """How much CPU the longest run of any greenlet took, from switch to switch.

    But for the dev chain's own: it looks at a thousand new addresses at once, as no
    real chain is looked at.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.ms = 0.0
        self._of_feed = False
        self._last = time.thread_time()

    def on_switch(self, _event: str, greenlets: tuple[object, object]) -> None:
        now = time.thread_time()
        if not self._of_feed:
            self.ms = max(self.ms, (now - self._last) * 1000)
        (about, *_) = getattr(greenlets[1], "args", ()) or (None,)
        self._of_feed = getattr(about, "name", "").startswith("feed.")
        self._last = now


def _bodies() -> dict[str, list[str]]:
    """By what is told of them: the names that the client goes by."""
    return {
        "a batch of any shape, 1 MiB": [f"batch {name}" for name in shapes(MIB)],
        "a batch of 1,000 payments, 0.8 MB": ["full"],
        "a payment of any shape, 64 KiB": [f"{PAYMENTS} {n}" for n in shapes(MIB)],
        "a channel of any shape, 64 KiB": [f"{CHANNELS} {n}" for n in shapes(MIB)],
    }


def _client(url: str, key: str, orders: IO[str]) -> None:
    """Posts what it is told, and says when it has the answer."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    session = requests.Session()
    for order in orders:
        where, _, name = order.strip().partition(" ")
        path = f"{PAYMENTS}/batch" if where in {"batch", "full"} else where
        small = shapes(64 * 1024)
        body = shapes(MIB)[name] if where == "batch" else small.get(name, b"")
        if where == "full":
            body = legit(1_000)
        answer = session.post(url + path, data=body, headers=headers, timeout=60)
        print(answer.status_code, flush=True)


if __name__ == "__main__":
    _client(sys.argv[1], sys.argv[2], sys.stdin)
