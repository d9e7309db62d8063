"""Clients that follow payments through anything: whatever happens, they come back.

Three kinds: one payment on a WebSocket, several subscribed on one socket, one as an
event stream. Each keeps, per payment, the (seq, event id) of all it was ever told, and
holds every event against it at once: the next one, never one twice, never one too far.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from random import Random
from typing import Any

import gevent

from engine.payment.model import Terms
from engine.store.epochs import Position
from tests.tools.livenode import INSIDER, LiveNode
from tests.tools.sseclient import Ended, SseClient
from tests.tools.wait import PATIENCE
from tests.tools.wsclient import Closed, WsClient, connect

__all__ = ["KINDS", "Follower", "Record", "chain_of", "journal_of", "read_to_the_end"]

Record = list[tuple[int, str]]


class Follower:
    """One client. Its visits are one after another, all in one greenlet."""

    def __init__(self, node: LiveNode, random: Random, silence_s: float = 0.25) -> None:
        """Who was told nothing for `silence_s` hangs up by itself."""
        self.silence_s = silence_s
        self.received: defaultdict[str, Record] = defaultdict(list)
        self.visits = 0
        self.torn = 0  # visits that ended in the middle of a frame or of an event
        self.codes: list[int] = []  # of close frames
        self.ended = ""  # how the last visit did
        self.node = node
        self.random = random
        self._goals: dict[str, int] = {}  # the last seq that there was

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.events} events, {self.visits} visits>"

    def visit(self, port: int, payments: list[Terms]) -> None:
        """Connect, read until the connection ends or nothing comes, and be gone."""
        self.visits += 1
        try:
            self._visit(port, payments)
            self.ended = "all told"
        except (OSError, Ended) as end:  # TimeoutError too: nothing more came
            self.ended = repr(end)
        except Closed as closed:
            self.ended = repr(closed)
            if closed.code is not None:
                self.codes.append(closed.code)

    def read_to_the_end(self, port: int, payments: list[Terms]) -> None:
        """Visit until nothing is missing; every visit must bring something."""
        self.silence_s = max(self.silence_s, 30.0 * PATIENCE)
        while missing := [p for p in payments if self._misses(p)]:
            before = self.events
            self.visit(port, missing)
            assert self.events > before, f"{self}: {self.ended}"

    @property
    def events(self) -> int:
        return sum(map(len, self.received.values()))

    def _misses(self, payment: Terms) -> bool:
        found = self.node.gateway.payment(payment.id)
        assert found is not None
        self._goals[payment.id] = found.seq
        return self.last(payment.id) < found.seq

    def _has_all_of(self, payments: Iterable[str]) -> bool:
        """Only known while it reads to the end."""
        return bool(self._goals) and all(
            self.last(payment_id) >= self._goals[payment_id] for payment_id in payments
        )

    def has(self, journal: dict[str, Record]) -> bool:
        return all(len(self.received[name]) >= len(journal[name]) for name in journal)

    def last(self, payment_id: str) -> int:
        record = self.received[payment_id]
        return record[-1][0] if record else 0

    def position(self, seq: int) -> Position:
        return Position(self.node.gateway.epochs().present, seq)

    def since(self, payment_id: str) -> Position:
        """With its epoch, or as clients said it before there were any."""
        seq = self.last(payment_id)
        return self.random.choice((self.position(seq), Position(None, seq)))

    def take(self, event: dict[str, Any]) -> None:
        record, seq = self.received[event["payment_id"]], event["seq"]
        assert seq == len(record) + 1, f"{self}: {seq} after {record[-1:]}"
        record.append((seq, event["id"]))

    def _visit(self, port: int, payments: list[Terms]) -> None:
        raise NotImplementedError

    def _read(self, client: WsClient, wanted: set[str]) -> None:
        """Messages until all is told that there was, or to the bitter end."""
        client.patience = 1  # its silence counts as it is
        try:
            while not self._has_all_of(wanted):
                message = client.recv_json(self.silence_s)
                if message["type"].startswith("payment."):
                    assert message["payment_id"] in wanted
                    self.take(message)
                else:
                    assert message["type"] != "error", message
        except Closed:
            self.torn += bool(client.buffer)
            raise
        finally:
            client.sock.close()


class Watcher(Follower):
    """`/ws/balance/<address>?since=`."""

    def _visit(self, port: int, payments: list[Terms]) -> None:
        payment = self.random.choice(payments)
        path = f"/ws/balance/{payment.address}?since={self.since(payment.id)}"
        client = connect("127.0.0.1", port, path, headers=INSIDER)
        assert client.accepted, client.body
        self._read(client, {payment.id})


class Subscriber(Follower):
    """`/ws`, several payments at once, each with its own `since`."""

    def _visit(self, port: int, payments: list[Terms]) -> None:
        some = self.random.sample(payments, min(len(payments), 8))
        client = connect("127.0.0.1", port, "/ws")
        for payment in some:
            client.send_json(
                {
                    "type": "subscribe",
                    "payment_id": payment.id,
                    "since": str(self.since(payment.id)),
                    "token": self.node.vault.client_secret(payment.id),
                }
            )
        self._read(client, {payment.id for payment in some})


class Reader(Follower):
    """`/events/balance/<address>` with Last-Event-ID."""

    def _visit(self, port: int, payments: list[Terms]) -> None:
        payment = self.random.choice(payments)
        path = f"/events/balance/{payment.address}"
        headers = {**INSIDER, "Last-Event-ID": str(self.since(payment.id))}
        stream = SseClient("127.0.0.1", port, path, headers)
        stream.patience = 1
        try:
            while not self._has_all_of([payment.id]):
                event = stream.next(self.silence_s)
                if event.kind.startswith("payment."):
                    assert event.data["payment_id"] == payment.id
                    assert event.id == str(self.position(event.data["seq"]))
                    self.take(event.data)
                else:
                    assert event.kind in ("state", "source"), event
        except Ended:
            self.torn += stream.is_torn
            raise
        finally:
            stream.close()


def read_to_the_end(
    followers: Iterable[Follower], node: LiveNode, port: int, payments: list[Terms]
) -> dict[str, Record]:
    """All of them, undisturbed, until nobody lacks anything; what the journal has.

    More may happen while they read: then they read on.
    """
    while True:
        reading = [
            gevent.spawn(each.read_to_the_end, port, payments) for each in followers
        ]
        for greenlet in reading:
            greenlet.get()
        journal = journal_of(node, payments)
        if all(each.has(journal) for each in followers):
            return journal


KINDS: tuple[type[Follower], ...] = (Watcher, Subscriber, Reader)


def journal_of(node: LiveNode, payments: Iterable[Terms]) -> dict[str, Record]:
    """What there is to be told, as it is committed."""
    return {
        payment.id: [
            (stored.seq, json.loads(stored.wire)["id"])
            for stored in node.gateway.history(payment.id, 0, 1_000_000)
        ]
        for payment in payments
    }


def chain_of(received: dict[str, Record]) -> str:
    """One hash over (payment, seq, event id), each link over the one before."""
    link = b""
    for payment_id in sorted(received):
        for seq, event_id in received[payment_id]:
            text = f"{payment_id} {seq} {event_id}".encode()
            link = hashlib.sha256(link + text).digest()
    return link.hex()
