"""Where a Bitcoin Core node publishes (ZMQ), and listening to it.

Addresses are given (`?zmq=tcp://127.0.0.1:28332`), or the node is asked for them by
`getzmqnotifications`. A node that does not know that method (built without ZMQ, bcoin,
most hosted ones) or names nothing is asked again now and then: it may be restarted with
other settings. What it names is listened to at its own host only: 0.0.0.0 and its kin
mean the host of the RPC, and another host would be one that the node makes us call.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

import msgspec
import zmq

from engine.bitcoin.transaction import pack_tx
from engine.chain.push import TOPICS, PushLog
from engine.errors import SourceError
from transport.chain.bitcoind import Bitcoind
from transport.chain.zmq_listener import Endpoint, ZmqListener

__all__ = ["Notification", "ZmqPush", "endpoints_of", "low_mark"]

log = logging.getLogger("paybell.source")

ASK_AGAIN_S: Final = 300.0
"""How long after a node named nothing it is asked again."""

DEAF_S: Final = 30.0
"""How long an address may be tried in vain until a line of the log says so, once."""

MAX_ENDPOINTS: Final = 12

LOW_MARK: Final = 10_000
"""Messages; a block may have as many transactions, and then some."""

_ANY: Final = {"0.0.0.0", "*", "::", "[::]"}  # noqa: S104 (as the node writes it)
_LOCAL: Final = {"127.0.0.1", "localhost", "::1"}


class Notification(msgspec.Struct):
    """One line of `getzmqnotifications`; `type` is `pub` and the topic."""

    type: str
    address: str
    hwm: int | None = None


class ZmqPush:
    """`Push` of a Bitcoin Core node. `given`: addresses; none: the node is asked."""

    def __init__(self, node: Bitcoind, host: str, given: tuple[str, ...] = ()) -> None:
        self.log = PushLog(pack_tx)
        self._node = node
        self._host = host  # of the RPC
        self._given = given
        self._listener: ZmqListener | None = None
        self._ask_at = 0.0
        self._deaf_at = 0.0  # when to say what was never reached

    def snapshot(self) -> tuple[frozenset[str], int]:
        """The mempool's names, and the number of its next change."""
        return self._node.numbered_mempool()

    def open(self, nudge: Callable[[], None]) -> None:
        now = time.monotonic()
        if self._listener is not None:
            self._say_deaf(self._listener, now)
            return
        if now < self._ask_at:
            return
        self._ask_at = now + ASK_AGAIN_S
        self._deaf_at = now + DEAF_S
        told = self._told()
        endpoints = endpoints_of(told, self._given, self._host)
        if not endpoints:
            return
        self.log.has_sequence = any(n.type == "pubsequence" for n in told)
        try:
            self._listener = ZmqListener(endpoints, self.log, nudge)
        except zmq.ZMQError as error:
            log.warning("source.zmq_failed source=%s detail=%s", self._node.name, error)
            return
        log.info("source.zmq source=%s topics=%s", self._node.name,
                 ",".join(sorted({t.decode() for t, _ in endpoints})))  # fmt: skip

    def _say_deaf(self, listener: ZmqListener, now: float) -> None:
        """It goes on trying; payments are seen by polls meanwhile."""
        if now < self._deaf_at:
            return
        self._deaf_at = math.inf
        for address in listener.unreached:
            log.warning("source.zmq_unreached source=%s address=%s detail=nothing"
                        " publishes there, or it cannot be reached from here",
                        self._node.name, address)  # fmt: skip

    def findings(self) -> str:
        """What there is to be heard, and what would be better; for people."""
        told = self._told()
        topics = {t for t, _ in endpoints_of(told, self._given, self._host)}
        if not topics:
            return (
                "ZMQ: nothing to listen to, so payments are seen within a second or"
                " two; zmqpubrawtx, zmqpubsequence and zmqpubhashblock make it"
                " milliseconds (docs/sources.md)"
            )
        lacking = [topic.decode() for topic in TOPICS if topic not in topics]
        if lacking and told:
            return f"ZMQ: {', '.join(lacking)} is not published (zmqpub{lacking[0]}=)"
        return "ZMQ: " + (low_mark(told) or "well")

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _told(self) -> list[Notification]:
        try:
            return self._node.call("getzmqnotifications", [], list[Notification])
        except SourceError:
            return []  # it does not tell; if it is down, the round will say so


def endpoints_of(
    told: Iterable[Notification], given: tuple[str, ...], host: str
) -> list[Endpoint]:
    """What to listen to. `given` addresses win; what the node told then says which
    topics are at which of them, if it can be told by their ports."""
    known = [
        (topic, address)
        for one in told
        if (topic := one.type.removeprefix("pub").encode()) in TOPICS
        if (address := _at_host(one.address, host)) is not None
    ]
    if given:
        ports = {(topic, _port(address)) for topic, address in known}
        named = [(t, a) for a in given for t in TOPICS if (t, _port(a)) in ports]
        known = named or [(t, a) for a in given for t in TOPICS]
    return sorted(set(known))[:MAX_ENDPOINTS]


def low_mark(told: Iterable[Notification]) -> str | None:
    """Why a block's transactions do not fit into the node's queue, if so.

    Topics that share an address share a socket, whose mark is that of the first of them
    in the alphabet (zmqnotificationinterface.cpp, zmqpublishnotifier.cpp).
    """
    first: dict[str, Notification] = {}
    for one in sorted(told, key=lambda one: one.type):
        first.setdefault(one.address, one)
        mark = first[one.address]
        if one.type == "pubrawtx" and mark.hwm is not None and 0 < mark.hwm < LOW_MARK:
            shared = "" if mark is one else f" (it shares the address of {mark.type})"
            return (
                f"rawtx has room for {mark.hwm} messages{shared}, and a block is"
                f" thousands: zmq{mark.type}hwm=100000"
            )
    return None


def _at_host(address: str, host: str) -> str | None:
    """The address as it is called from here; None if it is none of this host's."""
    if address.startswith("ipc://"):
        return address if host in _LOCAL else None
    there, _, port = address.removeprefix("tcp://").rpartition(":")
    if not address.startswith("tcp://") or not port.isdecimal():
        return None
    bare = there.strip("[]")
    if bare in _LOCAL and host in _LOCAL:
        return address
    if there not in _ANY and bare != host:
        return None
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def _port(address: str) -> str:
    if address.startswith("ipc://"):
        return address
    return str(urlsplit(address).port)
