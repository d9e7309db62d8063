"""Core's publishers over real sockets: what is heard, lost, cut, flooded, restarted."""

import socket
import struct
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from engine.bitcoin.transaction import pack_tx
from engine.chain.packed_tx import scripts
from engine.chain.push import News, PushLog
from tests.integration.bitcoind_node import ALICE, raw_tx, txid
from tests.tools.wait import wait_until
from tests.tools.zmq_publisher import CorePublisher
from transport.chain import zmq_listener
from transport.chain.zmq_listener import Endpoint, ZmqListener

BOB = b"\x00\x14" + b"b" * 20


class SignOfLife:
    """A log with a listener on these endpoints, until `close`."""

    def __init__(self, endpoints: list[Endpoint]) -> None:
        self.log = PushLog(pack_tx)
        self.log.concerns = lambda tx: ALICE in scripts(tx.body)
        self.log.has_sequence = True
        self.nudges = 0
        self.listener = ZmqListener(endpoints, self.log, self._nudge)

    def _nudge(self) -> None:
        self.nudges += 1

    def until_live(self) -> None:
        """Until subscriptions have reached the publisher: what it tells is heard."""
        wait_until(lambda: self.log.is_live, 5, "a connection")

    def all(self, count: int) -> News:
        """After so many changes have come."""
        wait_until(
            lambda: len(self.log._changes) >= count,
            5,
            lambda: f"{count} changes; there are {len(self.log._changes)}",
        )
        return self.log.take()


@pytest.fixture
def publisher() -> Iterator[CorePublisher]:
    with CorePublisher() as publisher:
        yield publisher


@pytest.fixture
def heard(publisher: CorePublisher) -> Iterator[SignOfLife]:
    """Subscribed: the first message of each topic has come."""
    heard = SignOfLife(publisher.endpoints)
    heard.until_live()
    _until_subscribed(heard, publisher)
    yield heard
    heard.listener.close()


def _until_subscribed(heard: SignOfLife, publisher: CorePublisher) -> None:
    def said() -> bool:
        publisher.publish(b"rawtx", raw_tx(0))
        publisher.publish(b"sequence", b"\0" * 32 + b"C")
        publisher.publish(b"hashblock", b"\0" * 32)
        gevent.sleep(0.01)
        return len(heard.log._counters) == 3

    wait_until(said, 5, "a message of each topic")
    publisher.publish(b"sequence", b"\1" * 32 + b"C")  # the last of those
    wait_until(lambda: heard.log._block == b"\1" * 32, 5, "the last of them")
    heard.log.take()
    heard.nudges = 0


def test_a_transaction_that_pays_somebody_nudges_and_its_bytes_are_there(
    heard: SignOfLife, publisher: CorePublisher
) -> None:
    other, mine = raw_tx(1, (BOB, 5)), raw_tx(2)
    publisher.added(txid(other), other)
    publisher.added(txid(mine), mine)
    wait_until(lambda: heard.nudges, 5, "a nudge")
    # Names and bytes come by sockets of their own.
    wait_until(
        lambda: len(heard.log._changes) >= 2 and not heard.log.is_waiting, 5, "bytes"
    )
    news = heard.log.take()
    assert not news.is_lost
    told = {change.txid: change.tx for change in news.changes}
    assert told == {txid(other): pack_tx(other), txid(mine): pack_tx(mine)}


def test_a_full_block_pushes_nothing_else_out(
    heard: SignOfLife, publisher: CorePublisher
) -> None:
    raws = [raw_tx(number, (BOB, 1)) for number in range(4_000)]
    publisher.connected("0f" * 32, raws, taken=3_000)
    mine = raw_tx(9_999)
    publisher.added(txid(mine), mine)
    wait_until(lambda: heard.nudges >= 2, 5, "the block and the payment")
    news = heard.all(1)
    assert [change.txid for change in news.changes] == [txid(mine)]
    assert not news.is_lost


def test_what_a_publisher_loses_is_noticed_with_the_next_message(
    heard: SignOfLife, publisher: CorePublisher
) -> None:
    with publisher.losing():
        publisher.changed("aa" * 32, b"A")
    publisher.changed("bb" * 32, b"A")
    news = heard.all(1)
    assert news.is_lost
    assert [change.txid for change in news.changes] == ["bb" * 32]
    wait_until(lambda: heard.nudges, 5, "a nudge")


def test_bytes_that_never_come_are_waited_for_a_moment_only(
    heard: SignOfLife, publisher: CorePublisher
) -> None:
    publisher.changed("aa" * 32, b"A")
    wait_until(lambda: heard.nudges, 5, "a nudge")
    (change,) = heard.log.take().changes
    assert (change.txid, change.tx) == ("aa" * 32, None)


def test_names_that_come_before_their_bytes_in_another_order_find_them(
    heard: SignOfLife, publisher: CorePublisher
) -> None:
    """Each topic has a connection of its own, and none waits for the other."""
    raws = [raw_tx(1, (BOB, 5)), raw_tx(2)]
    for raw in raws:
        publisher.changed(txid(raw), b"A")
    wait_until(lambda: len(heard.log._bare) == 2, 5, "both names")
    for raw in reversed(raws):
        publisher.publish(b"rawtx", raw)
    wait_until(lambda: not heard.log.is_waiting, 5, "their bytes")
    wait_until(lambda: heard.nudges, 5, "a nudge")
    news = heard.log.take()
    assert not news.is_lost
    told = [(change.txid, change.tx) for change in news.changes]
    assert told == [(txid(raw), pack_tx(raw)) for raw in raws]


def test_a_publisher_that_restarts_is_heard_again_and_has_lost_something(
    heard: SignOfLife, publisher: CorePublisher
) -> None:
    publisher.stop()
    wait_until(lambda: not heard.log.is_live, 5, "the end of the connection")
    assert heard.log.take().is_lost
    publisher.start()
    wait_until(lambda: heard.log.is_live, 5, "another connection")
    _until_subscribed(heard, publisher)
    publisher.changed("cc" * 32, b"R")
    assert [change.txid for change in heard.all(1).changes] == ["cc" * 32]


def test_frames_that_are_cut_oversized_or_foreign_are_passed_over(
    heard: SignOfLife, publisher: CorePublisher
) -> None:
    publisher.send([b"rawtx"])
    publisher.send([b"rawtx", b"\0" * 3_000_000, bytes(4)])
    publisher.send([b"rawtxfoo", b"x", bytes(4)])
    publisher.send([b"hashblock", b"\1" * 5, bytes(4)])
    publisher.send([b"sequence", b"\1" * 33, bytes(4), b"more"])
    publisher.changed("cc" * 32, b"A")
    news = heard.all(1)
    assert [change.txid for change in news.changes] == ["cc" * 32]
    assert news.is_lost, "one was of the topic that counts"
    wait_until(lambda: heard.log.malformed >= 3, 5, "all of them")


def test_a_frame_beyond_all_bounds_ends_the_connection_and_the_next_one_is_heard(
    heard: SignOfLife, publisher: CorePublisher
) -> None:
    publisher.send([b"sequence", b"\0" * 5_000_000, bytes(4)])
    wait_until(lambda: heard.log._lost, 5, "the end of the connection")
    wait_until(lambda: heard.log.is_live, 5, "another connection")
    _until_subscribed(heard, publisher)
    publisher.changed("cc" * 32, b"A")
    assert len(heard.all(1).changes) == 1


def test_a_flood_holds_nobody_up(
    heard: SignOfLife, publisher: CorePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is more than so many a second waits in the publisher, which drops it."""
    monkeypatch.setattr(zmq_listener, "BURST", 200)
    turns = 0

    def other() -> None:
        nonlocal turns
        while True:
            gevent.sleep(0)
            turns += 1

    ticker = gevent.spawn(other)
    frame = [b"sequence", b"\2" * 32 + b"A" + bytes(8), b"\0\0\0\0"]
    try:
        for _ in range(200):
            for _ in range(100):
                publisher.send(frame)
            gevent.sleep(0)
        wait_until(lambda: heard.log.heard > 2_000, 5, "some of it")
    finally:
        ticker.kill()
    assert turns > 200
    assert heard.log.take().is_lost
    assert len(heard.log._changes) <= 20_000


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff" + b"\0" * 8 + b"\x7f\x03\0NULL" + b"\0" * 48,
        b"\0" * 64,
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" * 10,
    ],
)
def test_whoever_does_not_speak_zmq_is_never_live(said: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def serve(_count: int = 0) -> None:
        while True:
            client, _ = server.accept()
            client.sendall(said)
            client.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            client.close()

    serving = gevent.spawn(serve)
    heard = SignOfLife([(b"sequence", f"tcp://127.0.0.1:{server.getsockname()[1]}")])
    try:
        gevent.sleep(0.1)
        assert not heard.log.is_live
        assert heard.log.heard == 0
    finally:
        heard.listener.close()
        serving.kill()
        server.close()


GREETING = b"\xff" + b"\0" * 8 + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + b"\0" * 32
READY = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB"
"""ZMTP 3.1 (rfc.zeromq.org/spec/37): all that a publisher says to become one."""


def test_a_publisher_that_answers_no_ping_is_gone_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its connection stands, and nothing ever comes: a machine that lost its power."""
    monkeypatch.setattr(zmq_listener, "_HEARTBEAT", 100)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        heard = SignOfLife([(b"sequence", f"tcp://127.0.0.1:{port}")])
        try:
            mute, _ = server.accept()
            with mute:
                mute.sendall(GREETING + READY)
                wait_until(lambda: heard.nudges, 5, "a connection")
                wait_until(lambda: not heard.log.is_live, 5, "its end")
                assert heard.log.take().is_lost
                again, _ = server.accept()
                again.close()
        finally:
            heard.listener.close()


def test_a_listener_that_is_closed_leaves_nothing_behind(publisher: Any) -> None:
    for _ in range(3):
        heard = SignOfLife(publisher.endpoints)
        heard.until_live()
        heard.listener.close()
