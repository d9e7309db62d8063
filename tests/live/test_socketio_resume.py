"""Socket.IO clients that are cut off at any byte come back and miss nothing.

Half of them poll, half have a WebSocket, and each is cut where the dice fall, also in
the middle of a request. What they were told of each invoice, all visits together, is
every step and every end of it, once and in order.

    PAYBELL_SOCKETIO_RECONNECTS   how often they come back (100; `make soak` 10,000)
    PAYBELL_LIVE_SEED             what is done when
"""

import os
import sys
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

import gevent
import pytest

from engine.payment.model import Terms
from tests.live.shop import Shop
from tests.live.test_resume import any_toxic
from tests.seeds.socketio_node import let_in, take_tokens
from tests.tools.engineio import Ended, polling, websocket
from tests.tools.livenode import LiveNode, live_node
from tests.tools.proxy import Proxy
from tests.tools.salon_messages import Message, messages_of
from tests.tools.wait import PATIENCE, wait_until

RECONNECTS = int(os.environ.get("PAYBELL_SOCKETIO_RECONNECTS", "100"))
CLIENTS = 12
SILENCE_S = 0.1
SALON = "/payments/salon/s1"
SUBSCRIBE = "subscribe:payment-events"

#: Visits one after the other in which nothing is told, each of some seconds: on a busy
#: machine a session is over before its client has said what it wants.
MOST_IN_VAIN = 5 * PATIENCE

#: Who polls and is cut off leaves its session behind, for so long.
FORGETS_SOON = {"salon": "default", "poll_gap_s": 4.0, "connect_timeout_s": 4.0}

Told = list[Message]


class Client:
    """One that follows a few invoices of those that there are, on each visit others."""

    def __init__(self, random: Random, *, polls: bool) -> None:
        self.random = random
        self.open = polling if polls else websocket
        self.told: defaultdict[str, Told] = defaultdict(list)
        self.since: dict[str, str] = {}
        self.visits = 0

    def visit(
        self, port: int, invoices: list[str], goal: dict[str, int] | None = None
    ) -> None:
        """Until nothing comes; or, with `goal`, until so many messages are here."""
        self.visits += 1
        some = self.random.sample(invoices, min(len(invoices), 8 if not goal else 64))
        silence_s = 30.0 if goal else SILENCE_S / PATIENCE
        try:
            page = self.open(port)
        except (Ended, OSError):
            return
        try:
            if not page.sid or not page.join(SALON, let_in()).startswith("0"):
                return
            for invoice in some:
                since = self.since.get(invoice, 0)
                wanted = {"invoiceId": invoice, "steps": True, "since": since}
                page.emit(SALON, SUBSCRIBE, wanted)
            while not goal or any(len(self.told[i]) < goal[i] for i in some):
                self._take(*page.message(silence_s))
        except (Ended, OSError):  # TimeoutError too: nothing more came
            pass
        finally:
            page.close()

    def _take(self, name: str, value: dict[str, Any]) -> None:
        if name == "subscribe:error":
            # Those who were cut off hold their places for FORGETS_SOON: come back.
            assert value["limit"] == "socketio_per_merchant", value
            return
        data = value["data"]
        told = self.told[value["invoiceId"]]
        this = (data["seq"], name, data["type"])
        if name == "payment:status-update" and told[-1:] == [this]:
            return  # it was cut off between this and the completion, and began there
        if name == "payment:completed" and told[-1][1] == "payment:status-update":
            assert told[-1][0] == data["seq"]
        else:
            assert not told or data["seq"] > told[-1][0], (told[-3:], value)
        told.append(this)
        self.since[value["invoiceId"]] = data["since"]


def expected_of(node: LiveNode, payment: Terms) -> Told:
    """By the words of docs/socketio.md, from what is committed."""
    story = node.gateway.history(payment.id, 0, 1_000_000)
    return [message for stored in story for message in messages_of(stored.wire)]


@pytest.mark.timeout_s(120 + RECONNECTS / 10)
def test_socketio_clients_cut_off_at_any_byte_are_told_every_step_once(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("PAYBELL_LIVE_SEED") or Random().randrange(2**32))
    again = f"PAYBELL_LIVE_SEED={seed} PAYBELL_SOCKETIO_RECONNECTS={RECONNECTS}"
    sys.stdout.write(again + "\n")
    random = Random(seed)
    with (
        live_node(tmp_path, socketio=FORGETS_SOON) as node,
        Proxy(node.server.port, lambda: any_toxic(random)) as proxy,
    ):
        take_tokens(node, "default")
        shop = Shop(node, random, pace=min(1.0, 1_000 / RECONNECTS))
        clients = [Client(random, polls=n % 2 == 0) for n in range(CLIENTS)]
        shop.start()

        def keep_coming(client: Client) -> None:
            while sum(each.visits for each in clients) < RECONNECTS + CLIENTS:
                client.visit(proxy.port, invoices(shop))

        coming = [gevent.spawn(keep_coming, client) for client in clients]
        gevent.joinall(coming, raise_error=True)
        shop.stop()
        wait_until_quiet(node, shop)
        while not read_to_the_end(clients, node, shop):
            pass  # more has happened meanwhile
        wait_until(lambda: not len(node.socketio), 30, "the sessions to be gone")
        wait_until(lambda: not node.sessions(), 30, "their engine's to be gone")
        assert len(node.live.creation_listeners) == 0


def wait_until_quiet(node: LiveNode, shop: Shop) -> None:
    """What the shop did last is told too: else there is more than was looked up."""
    seen = [0, 0]

    def is_quiet() -> bool:
        seqs = sum(len(expected_of(node, payment)) for payment in shop.payments)
        seen[1] = seen[1] + 1 if seqs == seen[0] else 0
        seen[0] = seqs
        return seen[1] >= 10

    wait_until(is_quiet, 30, "nothing more to happen")


def invoices(shop: Shop) -> list[str]:
    """Payments without a number are followed by their ids."""
    return [payment.id for payment in shop.payments]


def read_to_the_end(clients: list[Client], node: LiveNode, shop: Shop) -> bool:
    """Without trouble, until nobody lacks a word; then all have the same. False: there
    is more to be told by now. Where all is slow, a session can be over (FORGETS_SOON)
    before its client has said what it wants.
    """
    expected = {p.id: expected_of(node, p) for p in shop.payments}
    goal = {invoice: len(told) for invoice, told in expected.items()}

    def read(client: Client) -> None:
        in_vain = 0
        while missing := [i for i in goal if len(client.told[i]) < goal[i]]:
            before = sum(map(len, client.told.values()))
            client.visit(node.server.port, missing, goal)
            is_told = sum(map(len, client.told.values())) > before
            in_vain = 0 if is_told else in_vain + 1
            assert in_vain < MOST_IN_VAIN, missing

    reading = [gevent.spawn(read, client) for client in clients]
    gevent.joinall(reading, raise_error=True)
    if {p.id: expected_of(node, p) for p in shop.payments} != expected:
        return False
    for client in clients:
        assert {i: client.told[i] for i in expected} == expected
    return True
