"""One payment that ten thousand browsers watch: how long until the last one knows, and
what it costs that they are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.clients import SECRET, claim, sign
from bench.measure import ROOT, RUNS, fresh, median
from bench.report import Section, compare
from bench.servers import addresses, create, paybell_process
from tests.tools import children
from tests.tools.wait import Process

__all__ = ["Clients", "cpu_s", "crowd", "rss_kb", "run"]

CLIENTS = 10_000
EVENTS = 5
"""Told in one run; its figure is their median."""

WATCHERS = 100_000
IDLE_S = 20.0

_PEER = "Node's ws, nothing stored"

Found = dict[str, float]


def run() -> Section:
    ours: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {}
    for _ in range(RUNS):  # in turn, so that both meet the same weather
        _add(ours, fresh("fanout:paybell"))
        _add(theirs, fresh("fanout:node_ws"))
    idle = fresh("fanout:idle")
    floor = [fresh("fanout:floor") for _ in range(RUNS)]

    def row(what: str, key: str, unit: str, aim: str = "") -> Any:
        return compare(what, ours[key], unit, _PEER, theirs[key], aim)

    return Section(
        "fanout",
        f"One event to {CLIENTS:,} WebSocket clients",
        f"{CLIENTS:,} clients watch one payment; from sending a webhook about it until"
        " the last client has the event. The server is a process of its own, all"
        " clients are in another (one epoll loop, the same for each server); in each"
        f" run {EVENTS} events, of which the median counts, over new connections."
        " Node's ws sends a message with the same fields in a loop over its sockets,"
        " and pings every 30 s as its documentation has it.",
        [
            row("messages, first to last", "rate", "/s", "twice ws"),
            row("CPU of the server per message", "cpu_us", "µs"),
            compare("... of which send() alone, in a bare loop", floor, "µs"),
            row("until the first has it", "first_ms", "ms"),
            row("until the last has it", "last_ms", "ms"),
            row("memory per connection", "kb", "KB", "under 15 KB"),
            compare(
                f"idle CPU with {WATCHERS:,} watchers, pings included",
                idle["percent"],
                "% of a core",
                aim="under 5 %",
            ),
        ],
        [
            "Memory is what the server's resident memory grows by from no connection"
            " to all, divided by their number; what the kernel keeps is not in it.",
            "What limits the rate is the kernel: one send() on loopback does all of"
            " TCP, the receiver's half included. A server that calls it once per client"
            " cannot be faster than the bare loop, whatever it is written in. py-spy"
            " (500 samples a second while events are told, 21 November 2026) finds 69 %"
            " of the router's time in send(); nothing else takes 7 %.",
        ],
    )


def _add(runs: dict[str, list[float]], found: Found) -> None:
    for key, value in found.items():
        runs.setdefault(key, []).append(value)


def paybell() -> Found:
    with paybell_process() as served:
        port, pid = served.port, served.pid
        (address,) = addresses(0, 1)
        create(port, [address])
        return _measure(port, pid, address)


def node_ws() -> Found:
    environ = {"NODE_ENV": "production", "BENCH_SECRET": SECRET}
    command = ["node", "bench/peers/node/fanout.js"]
    with Process(command, ready=r"ready on (\d+)", env=environ, cwd=ROOT) as server:
        assert server.match is not None
        return _measure(int(server.match[1]), server.pid, addresses(0, 1)[0])


def idle() -> dict[str, list[float]]:
    """Per cent of a core while nothing happens, one window after the other."""
    with paybell_process() as served:
        port, pid = served.port, served.pid
        wanted = addresses(0, WATCHERS)
        create(port, wanted)
        with crowd(port, wanted[0]):
            time.sleep(15)  # new watchers have looked, and the first pings begin
            return {"percent": [_busy_percent(pid) for _ in range(RUNS)]}


def _busy_percent(pid: int) -> float:
    before, began = cpu_s(pid), time.perf_counter()
    time.sleep(IDLE_S)
    return 100 * (cpu_s(pid) - before) / (time.perf_counter() - began)


def _measure(port: int, pid: int, address: str) -> Found:
    before_kb = rss_kb(pid)
    with crowd(port, address) as clients:
        grown_kb = (rss_kb(pid) - before_kb) / CLIENTS
        before_s = cpu_s(pid)
        told = [clients.tell(claim(address, n + 1)) for n in range(EVENTS)]
        used_us = (cpu_s(pid) - before_s) * 1e6 / EVENTS / CLIENTS
    return {
        "kb": grown_kb,
        "cpu_us": used_us,
        "first_ms": 1000 * median([one["first_s"] for one in told]),
        "last_ms": 1000 * median([one["last_s"] for one in told]),
        "rate": median(
            [(CLIENTS - 1) / (one["last_s"] - one["first_s"]) for one in told]
        ),
    }


class Clients:
    """bench/crowd.py, connected."""

    def __init__(self, child: children.Child[str]) -> None:
        self._child = child
        self._answer()

    def tell(self, body: bytes) -> Found:
        headers = [f"X-Signature: {sign(body)}"]
        told = {"post": "/webhook/btc", "body": body.decode(), "headers": headers}
        return self._command(told)

    def begin_exchange(self, per_s: float) -> None:
        """From now on so many leave in a second, and as many others come."""
        self._say({"exchange": per_s})

    def end_exchange(self) -> float:
        """How many these were in a minute."""
        found = self._command({"exchange": 0})
        return 60 * found["exchanged"] / found["took_s"]

    def _command(self, told: dict[str, Any]) -> Found:
        self._say(told)
        return self._answer()

    def _say(self, told: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(told) + "\n")
        self._child.stdin.flush()

    def _answer(self) -> Found:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError("the clients have ended")
        found: Found = json.loads(line)
        return found


@contextmanager
def crowd(
    port: int,
    address: str,
    count: int = CLIENTS,
    path: str = "",
    hello: str = "",
    first: int = 0,
) -> Iterator[Clients]:
    """`path`: another than the address's; `hello`: lines that each client says;
    `first`: the first one's number, where there are two crowds."""
    command = [sys.executable, "-m", "bench.crowd", "--port", str(port)]
    command += ["--path", path or f"/ws/balance/{address}", "--clients", str(count)]
    command += ["--first", str(first)]
    for line in hello.splitlines():
        command += ["--hello", line]
    with children.start(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        try:
            yield Clients(child)
        finally:
            child.kill()


def floor() -> float:
    """CPU of one send() of an event's length to each of all clients, in µs."""
    import _socket  # the system's, not gevent's

    listener = _socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1_024)
    port = listener.getsockname()[1]
    command = [sys.executable, "-m", "bench.crowd", "--port", str(port), "--path", "/"]
    command += ["--clients", str(CLIENTS)]
    with children.start(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        peers = [_accepted(listener) for _ in range(CLIENTS)]
        assert child.stdout is not None
        child.stdout.readline()
        frame, spent = os.urandom(1) * 649, []
        for _ in range(EVENTS):
            before = time.process_time()
            for peer in peers:
                peer.send(frame)
            spent.append(time.process_time() - before)
            time.sleep(0.3)
        child.kill()
    return 1e6 * median(spent) / CLIENTS


def _accepted(listener: Any) -> Any:
    import _socket

    descriptor, _ = listener._accept()
    peer = _socket.socket(fileno=descriptor)
    peer.recv(65_536)
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    peer.setblocking(False)
    peer.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    return peer


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has taken so far, in all its threads."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("the server has ended")
