"""A whole node, and one client address that keeps all its connections busy.

Counted in turns: requests of the crowd that begin while a shop waits for its order.
What begins while a native thread of the store works does not count: how long that takes
is the disk's matter, not the crowd's.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.event import Event

from engine.store.writes import Outcome, Write
from tests.tools.node import RunningNode, running_node
from tests.tools.serving import ask, dial, until
from tests.tools.wsclient import read_response

CROWD, SIZE = "127.0.0.2", 250
ORDERS = 8

REQUEST = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
AT_ONCE = 10
"""Requests that each of the crowd has on the way: one more is always there."""


class Turns:
    """A WSGI application around the node's, and what begins in it."""

    def __init__(self) -> None:
        self.counted = 0  # of the crowd, while no native thread works
        self.begun = 0  # of the crowd
        self._native: set[object] = set()  # added to and taken from, one by one

    def around(self, app: Any) -> Any:
        def counting(environ: dict[str, Any], start_response: Any) -> Any:
            if environ["REMOTE_ADDR"] == CROWD:
                self.begun += 1
                self.counted += not self._native
            return app(environ, start_response)

        return counting

    def watch(self, node: RunningNode) -> None:
        """From the moment that the store is asked until its thread has done."""
        store: Any = node._store
        for reader in (store.reader, store.inner_reader):
            self._watch_reader(reader)
        self._watch_writer(store.writer)

    def _watch_reader(self, reader: Any) -> None:
        run = reader._run

        def watched(query: Callable[..., Any], *args: Any) -> Any:
            mark = object()

            def asked(sql: Any, *args: Any) -> Any:
                try:
                    return query(sql, *args)
                finally:
                    self._native.discard(mark)

            self._native.add(mark)
            return run(asked, *args)

        reader._run = watched

    def _watch_writer(self, writer: Any) -> None:
        submit, commit = writer.submit, writer._journal.commit
        marks: list[object] = []  # one for each batch, in their order

        def committed(batch: Sequence[Write]) -> list[Outcome]:
            try:
                outcomes: list[Outcome] = commit(batch)
                return outcomes
            finally:
                self._native.discard(marks.pop(0))

        def submitted(batch: Sequence[Write], done: Any) -> None:
            mark = object()
            marks.append(mark)
            self._native.add(mark)
            submit(batch, done)

        writer._journal.commit, writer.submit = committed, submitted


@contextmanager
def crowd(node: RunningNode, turns: Turns) -> Iterator[None]:
    """`SIZE` connections of one address, each with its next requests on the way."""
    stop = Event()
    clients = [dial(node.server, CROWD) for _ in range(SIZE)]

    def keep_asking(client: Any) -> None:
        client.send_raw(REQUEST * AT_ONCE)
        while not stop.is_set():
            read_response(client, 600)
            assert client.status in {200, 429}
            client.send_raw(REQUEST)

    busy = [gevent.spawn(keep_asking, client) for client in clients]
    until(lambda: turns.begun >= 2 * SIZE)
    try:
        yield
    finally:
        stop.set()
        gevent.joinall(busy, raise_error=True)
        for client in clients:
            client.sock.close()


def order(node: RunningNode, number: int) -> bytes:
    body = json.dumps({"amount_sat": 1_000 + number}).encode()
    lines = [
        "POST /v1/payments HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {node.api_key}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join((*lines, "", "")).encode() + body


def test_250_connections_of_one_address_do_not_delay_a_shops_order_on_a_node() -> None:
    turns = Turns()
    with running_node(wrap=turns.around) as node:
        turns.watch(node)
        shop = dial(node.server)
        assert ask(shop, order(node, 0)) == 201
        waits = []
        with crowd(node, turns):
            for number in range(1, ORDERS + 1):
                before = turns.counted
                assert ask(shop, order(node, number)) == 201
                waits.append(turns.counted - before)
        assert max(waits) < SIZE, "less than one of each, of those that never end"
        shop.sock.close()
