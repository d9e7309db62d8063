"""Webhooks to names that change under our hands; a program, run by a test.

python -m tests.integration.rebinding --tries 10000

In a network of its own (tests/tools/own_network.py) the system's resolver asks a name
server of ours, which gives one answer for the first lookup of a name and another one
for the next. Everything else is what runs in production, without an exception to any
rule: `post` and its `system_resolver`, and one listener on one port of all addresses.
Whoever connects to it at the shop's public addresses found the shop; at any other
address, the canary.

With --unguarded every address is allowed: to see that the canary would have been found.

Prints what happened as JSON: tries, lookups, posts that were answered, posts that were
refused by kind, connections to the shop and to the canary. Exit status 77: there can be
no network of its own here.
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402 - the patch comes before every import
import json  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections import Counter  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from gevent import socket  # noqa: E402
from gevent.pool import Pool  # noqa: E402
from gevent.server import StreamServer  # noqa: E402

from tests.tools.nameserver import AAAA, A, NameServer  # noqa: E402
from tests.tools.own_network import (  # noqa: E402
    NotAllowed,
    add_addresses,
    enter,
    put_over,
)
from tests.tools.wait import PATIENCE  # noqa: E402
from transport.outbound import lookups, pinned  # noqa: E402
from transport.outbound.pinned import DeliveryError, post  # noqa: E402

CANNOT = 77
DNS = "127.0.0.53"
PORT = 8080
SHOP_V4, SHOP_V6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
INSIDE = [
    "10.0.0.1", "100.64.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1",
    "198.18.0.1", "240.0.0.1", "fd00::1", "64:ff9b::7f00:1", "2002:7f00:1::",
]  # fmt: skip
LOOPBACK = ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::ffff:127.0.0.1"]
BAD = [*INSIDE, *LOOPBACK, "localhost"]
AT_ONCE = 4

KINDS = {
    "rebind": "public at the first lookup, inside at every later one",
    "flip": "public and inside in turn",
    "mixed": "public and inside in one answer",
    "sixth": "public for IPv4, inside for IPv6",
    "inside": "inside from the beginning",
    "steady": "public always",
}
EXPECTED = {  # of the first post to a name and of the second: is it answered
    "rebind": (True, False),
    "flip": (True, False),
    "mixed": (False, False),
    "sixth": (False, False),
    "inside": (False, False),
    "steady": (True, True),
}


def answers(name: str, lookup: int) -> list[str]:
    """What the name server says: all follows from the name."""
    kind, number, *_ = name.split(".")
    bad = BAD[int(number) % len(BAD)]
    good = [SHOP_V4] if int(number) % 3 else [SHOP_V4, SHOP_V6]
    match kind:
        case "rebind":
            return good if lookup == 1 else [bad]
        case "flip":
            return good if lookup % 2 else [bad]
        case "mixed":
            both = [SHOP_V4, bad]
            return both if int(number) % 2 else both[::-1]
        case "sixth":
            return [SHOP_V4, ("::1", "fd00::1", "::ffff:127.0.0.1")[int(number) % 3]]
        case "inside":
            return [bad]
        case _:
            return good


class Listener:
    """On one port of every address there is; counts by the address that was called."""

    def __init__(self) -> None:
        self.shop = 0
        self.canary: Counter[str] = Counter()
        self._server = StreamServer(("::", PORT), self._serve)
        self._server.start()

    def _serve(self, sock: socket.socket, _address: Any) -> None:
        called = sock.getsockname()[0].removeprefix("::ffff:")
        if called in {SHOP_V4, SHOP_V6}:
            self.shop += 1
        else:
            self.canary[called] += 1
        with sock:
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(4096) or b"\r\n\r\n"
            sock.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.integration.rebinding")
    parser.add_argument("--tries", type=int, default=10_000)
    parser.add_argument("--unguarded", action="store_true")
    options = parser.parse_args()
    if options.unguarded:
        setattr(pinned, "refusal", lambda *_: None)  # noqa: B010
    # Nothing here is about time.
    lookups.DNS_S *= PATIENCE
    lookups.QUEUE_S *= PATIENCE
    pinned.CONNECT_S *= PATIENCE
    try:
        enter()
    except NotAllowed as error:
        sys.stderr.write(f"no network of its own: {error}\n")
        return CANNOT
    with tempfile.TemporaryDirectory() as folder:
        # It asks once, however long the answer takes: questions are counted.
        resolver = f"nameserver {DNS}\noptions timeout:30 attempts:1\n"
        put_over("/etc/resolv.conf", resolver, Path(folder))
        put_over("/etc/nsswitch.conf", "hosts: files dns\n", Path(folder))
        add_addresses([SHOP_V4, SHOP_V6, *INSIDE])
        sys.stdout.write(json.dumps(run(options.tries)))
    return 0


def run(tries: int) -> dict[str, Any]:
    server, listener = NameServer(answers, DNS), Listener()
    seen: Counter[str] = Counter()
    wrong: list[str] = []

    def try_name(number: int) -> None:
        kind = list(KINDS)[number % len(KINDS)]
        host = f"{kind}.{number}.evil.example"
        for is_expected in EXPECTED[kind]:
            try:
                post(f"http://{host}:{PORT}/", {}, b"{}", 15 * PATIENCE)
                is_answered, what = True, "answered"
            except DeliveryError as error:
                is_answered, what = False, f"{error.kind.name.lower()}"
                if what != "refused_address":
                    wrong.append(f"{host}: {error}")
            seen[what] += 1
            if is_answered is not is_expected:
                wrong.append(f"{host}: {what}")
        lookups = [server.questions[host, asked] for asked in (A, AAAA)]
        if lookups != [len(EXPECTED[kind])] * 2:  # one for each post
            wrong.append(f"{host}: looked up {lookups} times")

    pool = Pool(AT_ONCE)
    for _ in pool.imap_unordered(try_name, range(tries // 2)):
        pass
    return {
        "tries": seen.total(),
        "questions": server.questions.total(),
        "seen": dict(seen),
        "shop": listener.shop,
        "canary": dict(listener.canary),
        "wrong": wrong[:20],
    }


if __name__ == "__main__":
    sys.exit(main())
