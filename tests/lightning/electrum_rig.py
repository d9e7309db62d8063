"""A hand in the world behind a real Electrum: who pays it, who is paid by it, and a hop
on the way to its RPC that misbehaves. For the conformance of the adapter.
"""

import contextlib
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from socket import SO_LINGER, SOL_SOCKET
from types import TracebackType
from typing import Any, Self

import bolt11
import gevent
import gevent.socket
import requests
from embit.bip32 import HDKey
from gevent.event import Event
from gevent.server import StreamServer

from engine.lightning.account import Account
from engine.lightning.node import InvoiceSeen
from tests.lightning.conformance_faults import Fault
from tests.tools.wait import wait_until
from transport.devnet.electrum import Electrum as Daemon
from transport.devnet.network import LightningNetwork
from transport.lightning.electrum import Electrum

__all__ = ["ElectrumRig", "adapter", "with_amount"]

LONGEST_S = 60.0
PATIENCE_S = 20.0
REACHED_S = 10.0
"""On a machine that is busy, too, what is asked is there before nobody waits for it."""
HUGE_BYTES = 64 * 1024 * 1024


def adapter(
    daemon: Daemon, secret: str = "", wallet: str = "", url: str = ""
) -> Electrum:
    return Electrum(account(daemon, secret, wallet, url), "regtest")


def account(
    daemon: Daemon,
    secret: str = "",
    wallet: str = "",
    url: str = "",
    stream_url: str = "",
) -> Account:
    return Account(
        name="till",
        kind="electrum",
        url=url or daemon.url,
        user=daemon.user,
        secret=secret or daemon.password,
        wallet=wallet,
        stream_url=stream_url,
    )


def with_amount(invoice: str, amount_msat: int, daemon: Daemon) -> str:
    """An amountless invoice of this daemon's with an amount, signed by its key:
    `lnpay` takes no amount of its own."""
    keys = json.loads(daemon.wallet_file.read_text(encoding="utf-8"))
    node_key = HDKey.from_string(keys["lightning_xprv"]).derive("m/6/0/0").key
    read = bolt11.decode(invoice)
    assert read.amount_msat is None
    read.amount_msat = bolt11.MilliSatoshi(amount_msat)
    return bolt11.encode(read, node_key.secret.hex())


class _Patient(Electrum):
    """Of the invoices in `over` it thinks that it is late."""

    over: set[str]
    is_late = False

    def lookup(self, payment_hash: str) -> InvoiceSeen:
        self.is_late = payment_hash in self.over
        return super().lookup(payment_hash)


class ElectrumRig:
    """`tests/lightning/conformance.py`'s, of the network's `shop`."""

    network = "regtest"

    def __init__(self, network: LightningNetwork, hop: "Hop", pipe: "Pipe") -> None:
        self._net = network
        self._hop = hop
        self._pipe = pipe
        self._password = network.shop.password
        self._bills: dict[str, int] = {}
        found = account(network.shop, url=hop.url, stream_url=pipe.url)
        node = _Patient(
            found,
            "regtest",
            lambda: 2e9 if node.is_late else 0.0,
        )
        node.over = set()
        self.node = node

    def pay_in(self, payment_hash: str, amount_msat: int | None = None) -> None:
        shop = self._net.shop
        made = shop.rpc("get_request", request_id=payment_hash)
        invoice = str(made["lightning_invoice"])
        if amount_msat is not None:
            invoice = with_amount(invoice, amount_msat, shop)
        self._net.payer.pay(invoice)
        wait_until(
            lambda: moved(shop, payment_hash), PATIENCE_S, f"{payment_hash} to be paid"
        )

    def expire(self, payment_hash: str) -> None:
        self.node.over.add(payment_hash)

    def bill(self, amount_msat: int) -> tuple[str, str]:
        invoice = self._net.payer.invoice(amount_msat // 1_000)
        payment_hash = bolt11.decode(invoice).payment_hash
        self._bills[payment_hash] = amount_msat
        return invoice, payment_hash

    def paid_out(self, payment_hash: str) -> int:
        came = moved(self._net.payer, payment_hash)
        times, rest = divmod(came, self._bills[payment_hash])
        assert rest == 0, came
        return times

    def revoke_key(self) -> None:
        self._set_password("another-one")

    def restore_key(self) -> None:
        self._set_password(self._password)

    def _set_password(self, password: str) -> None:
        self._net.shop.rpc("setconfig", key="rpcpassword", value=password)
        self._net.shop.password = password

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        self._hop.fault = fault
        self.node.rpc.longest_s = 0.3 if fault == "hang" else LONGEST_S
        try:
            yield
        finally:
            self._hop.fault = None
            self.node.rpc.longest_s = LONGEST_S

    @contextmanager
    def silence_after_success(self) -> Iterator[None]:
        self._hop.swallows = True
        self.node.rpc.longest_s = REACHED_S
        try:
            yield
        finally:
            self._hop.swallows = False
            self.node.rpc.longest_s = LONGEST_S
            wait_until(lambda: self._hop.swallowed, PATIENCE_S, "what is asked to end")

    def pay_in_at_once(self, payment_hashes: list[str]) -> None:
        paying = [gevent.spawn(self.pay_in, one) for one in payment_hashes]
        for one in gevent.joinall(paying):
            one.get()

    def black_hole(self) -> None:
        """Held connections, and the calls that ask whether it is alive."""
        self._pipe.is_stuck = True
        self._hop.fault = "hang"

    def break_streams(self) -> None:
        self._pipe.cut()


def moved(daemon: Daemon, payment_hash: str) -> int:
    """What came to it with this hash, msat."""
    return sum(
        row["amount_msat"]
        for row in daemon.rpc("lightning_history")
        if row.get("payment_hash") == payment_hash
    )


class Hop:
    """HTTP on the way to a daemon: one request for each connection, and the answer, or
    what `fault` says. `swallows`: asks, and gives no answer."""

    def __init__(self, daemon: Daemon) -> None:
        self.fault: Fault | None = None
        self.swallows = False
        self.swallowed = 0
        self._upstream = daemon.url
        self._ended = Event()
        self._server = StreamServer(("127.0.0.1", 0), self._handle)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.address[1]}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._server.stop(timeout=1)

    def _handle(self, client: Any, _address: tuple[str, int]) -> None:
        with client, client.makefile("rb") as asked, contextlib.suppress(OSError):
            head = {}
            for line in iter(asked.readline, b"\r\n"):
                name, _, value = line.decode().partition(":")
                head[name.lower()] = value.strip()
            body = asked.read(int(head["content-length"]))
            if self.fault is not None:
                self._misbehave(client, self.fault)
                return
            swallows = self.swallows
            answer = requests.post(
                self._upstream,
                data=body,
                headers={"Authorization": head["authorization"]},
                timeout=120,
            )
            if swallows:
                self.swallowed += 1
                asked.read(1)
            else:
                client.sendall(said(answer.status_code, answer.content))

    def _misbehave(self, client: Any, fault: Fault) -> None:
        nulls = b'{"id":null,"jsonrpc":null,"result":null}'
        match fault:
            case "hang":
                self._ended.wait(60)
            case "reset":
                client.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            case "cut off":
                client.sendall(said(200, nulls)[:-9])
            case "500":
                client.sendall(said(500, b"Invalid Request"))
            case "page":
                client.sendall(said(200, b"<html>Sign in</html>"))
            case "huge":
                client.sendall(said(200, b'"', HUGE_BYTES))
                for _ in range(HUGE_BYTES // 65_536):
                    client.sendall(b" " * 65_536)
            case "nulls":
                client.sendall(said(200, nulls))
            case "429":
                client.sendall(said(429, b"", more="Retry-After: 7\r\n"))


class Pipe:
    """TCP on the way to a daemon's payserver. `is_stuck`: it swallows all."""

    def __init__(self, daemon: Daemon) -> None:
        self.is_stuck = False
        host, _, port = daemon.stream_url.removeprefix("ws://").partition(":")
        self._upstream = (host, int(port))
        self._held: list[Any] = []
        self._server = StreamServer(("127.0.0.1", 0), self._handle)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.address[1]}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        self._server.stop(timeout=1)

    def cut(self) -> None:
        """All that are open, at once."""
        for held in self._held:
            held.close()
        self._held.clear()

    def _handle(self, client: Any, _address: tuple[str, int]) -> None:
        with gevent.socket.create_connection(self._upstream) as server:
            self._held += [client, server]
            up = gevent.spawn(self._pass_on, client, server)
            self._pass_on(server, client)
            up.kill()
        client.close()

    def _pass_on(self, source: Any, target: Any) -> None:
        with contextlib.suppress(OSError):
            while received := source.recv(65_536):
                if not self.is_stuck:
                    target.sendall(received)


def said(status: int, body: bytes, length: int = 0, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\n{more}"
        f"Content-Length: {length or len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
