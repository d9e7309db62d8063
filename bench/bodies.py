"""The longest turn of the hub while a large body comes, of every shape and kind.

JSON of the API, a gateway's signed webhook, a form to a seed, a message of a WebSocket:
each as large as it may be. In CPU time of the node's thread, so that what others on the
machine do does not count. The bodies come from a process of its own; what is measured
is the node's.
"""

from __future__ import annotations

import hmac
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from urllib.parse import urlsplit

import greenlet
import requests

from bench.measure import ROOT, repeated
from bench.report import Row, Section, spread
from engine.merchants.record import Limits, MerchantSettings
from engine.merchants.rules import replaced
from tests.seeds.gateway_calls import PAYABLE, SECRETS, mapping
from tests.tools import children
from tests.tools.node import RunningNode, running_node
from tests.tools.wsclient import Closed, WsClient, connect
from tests.unit.transport.http.big_forms import forms
from tests.unit.transport.http.big_json import MIB, legit, shapes
from transport.http.strangers import StrangerLimits
from transport.seeds.admission import SeedLimits
from transport.server.limits import CallLimits
from transport.server.websocket.limits import WebSocketLimits

__all__ = ["paybell", "run"]

AIM = "at most 20 ms"
KIB = 1024
FORM_BYTES = 16 * KIB
MESSAGE_BYTES = WebSocketLimits().ws_message_bytes
MERCHANT = "salon"
NOT_READ = {401, 403, 404, 429, 503}
"""Refused for another reason than what it says."""


def run() -> Section:
    found = repeated("bodies:paybell")
    return Section(
        "bodies",
        "Bodies that cost time to read",
        "one node; a client that sends JSON and forms of every shape that is slow to"
        " read (small objects, empty texts, numbers of many digits, escapes, names,"
        " depth, no end), as much as a body may have, one after the other: to the API,"
        " as a gateway's webhook with a good signature, to a seed, and as the message"
        " of a WebSocket. The longest time, in CPU, in"
        " which one of the node's greenlets let nobody else run.",
        [Row(what, spread(values, "ms"), aim=AIM) for what, values in found.items()],
        ["before, a mebibyte of small objects took one turn of 1.5 to 1.9 s"],
    )


def paybell() -> dict[str, float]:
    """The longest turn (ms) of each kind of body."""
    worst = _Worst()
    found: dict[str, float] = {}
    with _node() as node:
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
                code = int(child.stdout.readline())
                if code in NOT_READ:
                    raise RuntimeError(f"{name} was not read: {code}")
            found[kind] = worst.ms
        greenlet.settrace(None)
        child.stdin.close()
        child.wait()
    return found


@contextmanager
def _node() -> Iterator[RunningNode]:
    """One that refuses nothing for coming too often."""
    many = CallLimits(
        rate_per_s=1e5, burst=100_000, failure_rate_per_s=1e5, failure_burst=100_000
    )
    web = {
        "webhook_limits": many,
        "stranger_limits": StrangerLimits(rate_per_s=1e5, burst=100_000),
        "seeds": {"paybutton": "default"},
        "seed_limits": SeedLimits(per_minute=100_000, per_hour=100_000),
    }
    with running_node(mappings={"payable": mapping(PAYABLE)}, web=web) as node:
        said = MerchantSettings(webhook_secrets={"payable": SECRETS[MERCHANT]})
        before, seal = node.gateway.merchant(MERCHANT), node.vault.seal
        node.gateway.save_merchant(replaced(before, said, seal, Limits(), 1))
        yield node


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
    json = [*shapes(MIB)]
    api = ("POST /v1/payments", "POST /v1/channels", f"PUT /v1/merchants/{MERCHANT}")
    payment, channel, merchant = ([f"{where} {n}" for n in json] for where in api)
    return {
        "a batch of any shape, 1 MiB": [f"BATCH - {name}" for name in json],
        "a batch of 1,000 payments, 0.8 MB": ["FULL - -"],
        "a payment of any shape, 64 KiB": payment,
        "a channel of any shape, 64 KiB": channel,
        "a merchant of any shape, 64 KiB": merchant,
        "a gateway's webhook of any shape, 64 KiB": [
            f"SIGNED /webhook/payable {name}" for name in json
        ],
        "a form to a seed of any shape, 16 KiB": [
            *(f"FORM /payment {name}" for name in forms(FORM_BYTES)),
            *(f"SMALL /payment {name}" for name in json),
        ],
        "a message of a WebSocket of any shape, 16 KiB": [
            f"{kind} /ws {name}" for kind in ("MESSAGE", "TYPED") for name in json
        ],
    }


class _Client:
    """Sends what it is told to."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = {"Authorization": f"Bearer {key}"}
        self._session = requests.Session()
        self._socket: WsClient | None = None

    def obey(self, order: str) -> int:
        """One of `_bodies`; the answer's status, or what a WebSocket closed with."""
        kind, where, name = order.split(" ", 2)
        match kind:
            case "FULL":
                return self._send("POST", "/v1/payments/batch", legit(1_000))
            case "BATCH":
                return self._send("POST", "/v1/payments/batch", shapes(MIB)[name])
            case "SIGNED":
                body = shapes(64 * KIB)[name]
                signed = hmac.digest(SECRETS[MERCHANT].encode(), body, "sha256").hex()
                return self._send("POST", where, body, **{"X-Signature": signed})
            case "FORM":
                return self._send("POST", where, forms(FORM_BYTES)[name])
            case "SMALL":
                return self._send("POST", where, shapes(FORM_BYTES)[name])
            case "MESSAGE":
                return self._say(where, shapes(MESSAGE_BYTES)[name])
            case "TYPED":
                head = b'{"type":"subscribe",'
                rest = shapes(MESSAGE_BYTES - len(head) + 1)[name][1:]
                return self._say(where, head + rest)
        return self._send(kind, where, shapes(64 * KIB)[name])

    def _send(self, method: str, path: str, body: bytes, **headers: str) -> int:
        head = {"Content-Type": "application/json", **self._key, **headers}
        url = self._url + path
        answer = self._session.request(method, url, data=body, headers=head, timeout=60)
        return answer.status_code

    def _say(self, path: str, text: bytes) -> int:
        """On a socket that is open, or a new one."""
        if self._socket is None:
            at = urlsplit(self._url)
            assert at.port is not None
            self._socket = connect("127.0.0.1", at.port, path)
            self._socket.recv()  # "connected"
        try:
            self._socket.send_text(text.decode())
            self._socket.recv()  # what is wrong with it
        except Closed as closed:
            self._socket = None
            return closed.code or 0
        return 200


def _client(url: str, key: str, orders: IO[str]) -> None:
    """Says when it has each answer."""
    client = _Client(url, key)
    for order in orders:
        print(client.obey(order.rstrip("\n")), flush=True)


if __name__ == "__main__":
    _client(sys.argv[1], sys.argv[2], sys.stdin)
