"""Hostile clients, as a program: everything at once, until it is told to end.

    python -m tests.live.hostile --port 8080 --long bcrt1… --half-open 1000 --deaf 100

With `--invoice`, of the payment of that address, there are half as many more who poll
by Socket.IO and leave the answers unread.

They come from 127.0.0.2 and up, as a node counts connections by address. Prints one
line when all kinds are at work, and one with what they did at SIGTERM.
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
import contextlib  # noqa: E402
import json  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable  # noqa: E402

import gevent  # noqa: E402
from gevent.event import Event  # noqa: E402

from tests.tools.wsclient import (  # noqa: E402
    BINARY,
    CONTINUATION,
    PING,
    TEXT,
    frame,
)

UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
PER_ADDRESS = 200  # below what a node allows
BUSY = 27  # connections of busy kinds: three of each
PAUSE_S = 0.05  # of a busy one between two connections
SETTLED_S = 1.0  # then all kinds are at work
DEAF_S = 25.0  # longer than a node waits for who does not read
SMALL_BUFFER = 4_096
POLLS = 4  # of one session, none of whose answers is read
ENGINE = "/socket.io/?EIO=4&transport="
SALON = "/payments/salon/s1"


class Crowd:
    """All hostile clients of one run. `did`: how often what was done."""

    def __init__(self, port: int, long: str) -> None:
        self.did: Counter[str] = Counter()
        self._port = port
        self._long = long
        self._places = 0

    def begin(
        self, half_open: int, deaf: int, flooding: int, kinds: list[str], invoice: str
    ) -> None:
        for number in range(half_open):
            begun = b"GET /ws HTTP/1.1\r\nHost: localhost\r\n"
            said = (b"", b"GET / HT", begun)[number % 3]
            self._spawn(self._held, "half-open", said, self._address())
        for number in range(deaf):
            path = ("/ws/balance/", "/events/balance/")[number % 2] + self._long
            upgrade = UPGRADE if number % 2 == 0 else ""
            said = _head(path + "?since=0", upgrade)
            self._spawn(self._held, "deaf", said, self._address())
        for _ in range(deaf // 2 if invoice else 0):
            said = invoice.encode()
            self._spawn(self._polls, "unread polls", said, self._address(POLLS))
        busy = _busy()
        names = kinds or list(busy)
        addresses = {kind: self._address(PER_ADDRESS) for kind in names}
        for number in range(flooding):
            kind = names[number % len(names)]
            self._spawn(self._busy, kind, busy[kind], addresses[kind])

    def _address(self, places: int = 1) -> str:
        place, self._places = self._places, self._places + places
        return f"127.0.0.{2 + place // PER_ADDRESS}"

    def _spawn(
        self,
        act: Callable[[str, bytes, str], None],
        kind: str,
        said: bytes,
        address: str,
    ) -> None:
        def again_and_again() -> None:
            while True:
                try:
                    act(kind, said, address)
                except OSError:
                    gevent.sleep(PAUSE_S)

        gevent.spawn(again_and_again)

    def _connect(self, kind: str, address: str) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        sock.bind((address, 0))
        sock.settimeout(10)
        sock.connect(("127.0.0.1", self._port))
        self.did[kind] += 1
        return sock

    def _held(self, kind: str, said: bytes, address: str) -> None:
        """Say that, and then nothing; read nothing. Come again when it is ended."""
        with self._connect(kind, address) as sock:
            sock.sendall(said)
            sock.settimeout(None)
            if kind == "deaf":
                gevent.sleep(DEAF_S)
            else:
                sock.recv(1)

    def _polls(self, kind: str, invoice: bytes, address: str) -> None:
        """Ask for a long story, again and again, each time in a connection of its own,
        and read none of it."""
        with contextlib.ExitStack() as held:
            first = held.enter_context(self._connect(kind, address))
            first.sendall(_head(f"{ENGINE}polling"))
            sid = first.recv(65_536).partition(b'"sid":"')[2].partition(b'"')[0]
            where = f"{ENGINE}polling&sid={sid.decode()}"
            wanted = {"invoiceId": invoice.decode(), "since": 0, "steps": True}
            event = json.dumps(["subscribe:payment-events", wanted])
            first.sendall(_post(where, f"40{SALON},\x1e42{SALON},{event}"))
            first.recv(65_536)
            first.sendall(_head(where))
            for _ in range(POLLS - 1):
                gevent.sleep(PAUSE_S)
                held.enter_context(self._connect(kind, address)).sendall(_head(where))
            gevent.sleep(DEAF_S)

    def _busy(self, kind: str, said: bytes, address: str) -> None:
        """Say it until nobody listens, and read nothing."""
        gevent.sleep(PAUSE_S)
        with self._connect(kind, address) as sock:
            sock.sendall(said)


def _head(path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()


def _post(path: str, body: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def _busy() -> dict[str, bytes]:
    """What busy kinds say in one connection; each is some 100 KB."""
    upgrade = _head("/ws", UPGRADE)
    subscribe = b'{"type":"subscribe","payment_id":"pay_1","token":"wrong","since":0}'
    huge = frame(BINARY, bytes(90_000_000 // 100))[14:]  # any payload will do
    header = bytes([0x82, 0xFF]) + (90_000_000).to_bytes(8, "big") + bytes(4)
    parts = frame(BINARY, bytes(1_000), fin=False)
    parts += frame(CONTINUATION, bytes(1_000), fin=False) * 100
    joined = _head(f"{ENGINE}websocket", UPGRADE) + frame(TEXT, f"40{SALON},".encode())
    asked = f'42{SALON},["subscribe:payment-events",{{"invoiceId":"no-such"}}]'
    return {
        "one-byte frames": upgrade + frame(TEXT, b"x") * 15_000,
        "unmasked": upgrade + frame(TEXT, b"x" * 1_000, mask=False) * 100,
        "unfinished 90 MB": upgrade + header + huge,
        "endless fragments": upgrade + parts,
        "pings": upgrade + frame(PING, bytes(125)) * 800,
        "subscribes": upgrade + frame(TEXT, subscribe) * 1_500,
        "pipelining": _head("/health") * 2_500,
        "polling sessions": _head(f"{ENGINE}polling") * 1_500,
        "Socket.IO subscribes": joined + frame(TEXT, asked.encode()) * 1_200,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--long", required=True, help="address of a long story")
    parser.add_argument("--invoice", default="", help="the id of that payment")
    parser.add_argument("--half-open", type=int, default=1_000)
    parser.add_argument("--deaf", type=int, default=100)
    parser.add_argument("--flooding", type=int, default=BUSY)
    parser.add_argument("--kind", action="append", default=[], help="of the busy")
    options = parser.parse_args()
    crowd = Crowd(options.port, options.long)
    ended = Event()
    gevent.signal_handler(signal.SIGTERM, ended.set)
    crowd.begin(
        options.half_open,
        options.deaf,
        options.flooding,
        options.kind,
        options.invoice,
    )
    gevent.sleep(SETTLED_S)
    sys.stdout.write("hostile\n")
    sys.stdout.flush()
    ended.wait()
    sys.stdout.write(f"did {json.dumps(crowd.did)}\n")


if __name__ == "__main__":
    main()
