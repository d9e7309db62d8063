"""Which files a payment passes: prints two walks through the code as it runs.

`python -m tests.tools.walk` runs a node on the dev chain in this process, lets a
webhook come in and a block be mined, and prints the files by which the payment is
handed on, in their order: from the provider's POST to the browser's message, and from
the block to the shop's POST. These are the files that a reader opens; how many had any
function called in it stands behind. There is one payment, so nothing else goes on.
docs/architecture.md shows what it prints.
"""

import run  # noqa: F401 - patches gevent in, before all else

# isort: split
import hashlib
import hmac
import http.client
import json
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

import gevent
import greenlet
from gevent.threadpool import ThreadPool

from engine.config import load
from installation import Installation
from tests.tools.receiver import Receiver
from tests.tools.wait import wait_until
from tests.tools.wsclient import WsClient, connect

__all__: list[str] = []

ROOT = Path(__file__).resolve().parents[2]
ROOMS = tuple(str(ROOT / room) + "/" for room in ("engine", "actors", "transport"))
KEY = "pbk_" + "k" * 43
HANDING_ON = frozenset({"tell", "tell_system", "noting"})


class Walk:
    """Notes, while it is open, by which files of ours the payment is handed on.

    It is handed on when a message is told to an actor, a task given to a native thread,
    or bytes to a socket: the files are those of the functions that are under way then.
    What is called and returns meanwhile is counted, too, as `touched`.
    """

    def __init__(self) -> None:
        self.files: dict[str, None] = {}
        self.touched: set[str] = set()
        self._is_open = False
        # Each greenlet has a profile function of its own: it is set where one goes on.
        greenlet.settrace(lambda *_switch: sys.setprofile(self._note))
        spawn = ThreadPool.spawn

        def noting(pool: ThreadPool, task: Any, *args: Any) -> Any:
            """Run `task` in its native thread as it was to be, and note it."""

            def noted(*args: Any) -> Any:
                sys.setprofile(self._note)
                return task(*args)

            return spawn(pool, noted, *args)

        setattr(ThreadPool, "spawn", noting)  # noqa: B010

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if not self._is_open:
            return
        code = frame.f_code
        if event == "call":
            if code.co_filename.startswith(ROOMS):
                self.touched.add(code.co_filename)
            is_handed_on = code.co_name in HANDING_ON
        else:
            name = getattr(argument, "__name__", "")
            is_handed_on = event == "c_call" and name in ("send", "sendall")
        if is_handed_on:
            self._note_all(frame)

    def _note_all(self, frame: FrameType | None) -> None:
        names = []
        while frame is not None:
            if frame.f_code.co_filename.startswith(ROOMS):
                names.append(frame.f_code.co_filename.removeprefix(f"{ROOT}/"))
            frame = frame.f_back
        for name in reversed(names):
            self.files.setdefault(name)

    def begin(self) -> None:
        self.files = {}
        self.touched = set()
        self._is_open = True

    def end(self) -> list[str]:
        self._is_open = False
        return list(self.files)


def of_a_webhook(walk: Walk, node: Installation) -> list[str]:
    """From the provider's POST to the browser that follows the payment."""
    payment = _create(node)
    browser = _browser(node, payment["address"])
    walk.begin()
    _post(
        node,
        "/webhook/btc",
        {"address": payment["address"], "value": 1_000, "txid": "ab" * 32},
        {"X-Signature": None},
    )
    while browser.recv_json()["type"] != "payment.detected":
        pass  # how fresh the source is
    return walk.end()


def of_a_block(walk: Walk, node: Installation) -> list[str]:
    """From a block that confirms a payment to the webhook of its shop."""
    assert node.chain is not None
    with Receiver() as shop:
        channel = _post(node, "/v1/channels", {"url": shop.url("/hook")})
        payment = _create(node)
        node.chain.pay(payment["address"], 1_000)
        _wait_for(shop, b'"payment.detected"')
        _wait_until_noted(node, channel["id"], 2)
        walk.begin()
        node.chain.mine()
        _wait_for(shop, b'"payment.confirmed"')
        return walk.end()


def _wait_for(shop: Receiver, what: bytes) -> None:
    while not any(what in got.body for got in shop.requests):
        shop.wait_for(len(shop.requests) + 1, timeout_s=10)


def _wait_until_noted(node: Installation, channel_id: str, count: int) -> None:
    """Until the outcome of each delivery is committed, too: nothing goes on then."""
    wait_until(
        lambda: len(node.gateway.attempts(channel_id, None, 10)) >= count,
        10,
        "the attempts in the log",
    )


def _browser(node: Installation, address: str) -> WsClient:
    browser = connect("127.0.0.1", node.server.port, f"/ws/balance/{address}")
    assert browser.recv_json()["type"] == "state"
    return browser


def _create(node: Installation) -> Any:
    terms = {"method": "onchain", "amount_sat": 1_000, "confirmations": 1}
    return _post(node, "/v1/payments", terms)


def _post(
    node: Installation,
    path: str,
    body: dict[str, Any],
    headers: dict[str, str | None] | None = None,
) -> Any:
    raw = json.dumps(body).encode()
    sent = {"Content-Type": "application/json"}
    if headers is None:
        sent["Authorization"] = f"Bearer {KEY}"
    else:
        sent["X-Signature"] = hmac.new(b"s" * 32, raw, hashlib.sha256).hexdigest()
    link = http.client.HTTPConnection("127.0.0.1", node.server.port, timeout=60)
    link.request("POST", path, raw, sent)
    answer = link.getresponse()
    assert answer.status < 300, answer.read()
    return json.loads(answer.read())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "PAYBELL_API_KEY": KEY,
            "PAYBELL_WEBHOOK_BTC_SECRET": "s" * 32,
            "PAYBELL_ALLOW_PRIVATE_WEBHOOKS": "yes",
        }
        settings = {"db": f"{folder}/walk.db", "port": "0", "network": "regtest"}
        node = Installation(load(settings, environ, {}))
        node.start()
        gevent.sleep(0.5)
        walk = Walk()
        for title, of in (("A webhook", of_a_webhook), ("A block", of_a_block)):
            files = of(walk, node)
            sys.stdout.write(f"{title}: {len(files)} files, of {len(walk.touched)}\n")
            for number, name in enumerate(files, 1):
                sys.stdout.write(f"  {number:2} {name}\n")
        node.stop()


if __name__ == "__main__":
    main()
