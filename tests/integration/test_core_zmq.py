"""A double of Bitcoin Core with RPC and ZMQ, read through both over real sockets."""

import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from engine.chain.mempool_reader import MempoolReader
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import SyncResult, sync
from tests.tools.core_double import CoreDouble, payment_tx
from tests.tools.core_double.publisher import publish
from tests.tools.ports import free_ports
from tests.tools.wait import wait_until
from tests.tools.zmq_publisher import CorePublisher
from transport.chain import zmq_push
from transport.chain.bitcoind import Bitcoind
from transport.chain.zmq_push import Notification, ZmqPush, endpoints_of, low_mark

ALICE = b"\x00\x14" + b"a" * 20
BOB = b"\x00\x14" + b"b" * 20


class Shop:
    """An index of one watched script, read in rounds, and at once when nudged."""

    def __init__(self, node: CoreDouble) -> None:
        self.node = node
        self.feed = Bitcoind(node.url, deadline_s=60)
        self.push = ZmqPush(self.feed, "127.0.0.1")
        self.index = ScriptIndex()
        self.index.watch(ALICE)
        self.push.log.concerns = self.index.concerns
        self.push.log.awaits = self.index.awaits
        self.reader = MempoolReader(self.push, time.monotonic)
        self.nudges = 0

    def _nudge(self) -> None:
        self.nudges += 1

    def round(self) -> SyncResult:
        self.push.open(self._nudge)
        return sync(self.feed, self.index, reader=self.reader)

    def until(self, sums: list[tuple[int, int | None]]) -> None:
        """Rounds, until this is shown, and proved whole."""

        def shown() -> bool:
            self.round()
            view = self.index.view(ALICE, "s")
            found = [(o.amount_sat, o.block_height) for o in view.outputs]
            return found == sums and view.complete

        wait_until(shown, 10, lambda: f"{sums}, not {self.index.view(ALICE, 's')}")

    def until_heard(self) -> None:
        """Level, and each topic has been heard: what is lost from now on is noticed."""
        self.round()

        def heard() -> bool:
            self.node.add(payment_tx([(BOB, self.node.pool.sequence)]))
            self.node.mine([])
            gevent.sleep(0.02)
            return len(self.push.log._counters) == 3

        wait_until(heard, 10, "a message of each topic")
        self.until([])
        self.nudges = 0

    def nudged(self, what: str) -> None:
        wait_until(lambda: self.nudges, 10, what)
        self.nudges = 0

    def has_heard(self, publisher: CorePublisher) -> None:
        """All that was published: each topic comes by a socket of its own. Who looks
        before that may count another number of transactions than the node."""

        def heard() -> bool:
            log = self.push.log
            counters: Any = log._counters  # by connection and topic
            numbers = {topic: number for (_, topic), number in counters.items()}
            return numbers == publisher.counters and not log.is_waiting

        wait_until(heard, 10, f"all of {publisher.counters}")

    def asked(self, method: str) -> int:
        return self.node.wire.calls[method]


@pytest.fixture
def publisher() -> Iterator[CorePublisher]:
    with CorePublisher() as publisher:
        yield publisher


@pytest.fixture
def node(publisher: CorePublisher) -> Iterator[CoreDouble]:
    with CoreDouble() as node:
        publish(node, publisher)
        yield node


@pytest.fixture
def shop(node: CoreDouble) -> Iterator[Shop]:
    shop = Shop(node)
    shop.until_heard()
    yield shop
    shop.push.close()
    shop.feed.close()


def test_a_payment_nudges_is_shown_and_nothing_is_compared(
    shop: Shop, publisher: CorePublisher
) -> None:
    compared = shop.asked("getrawmempool")
    shop.node.add(payment_tx([(BOB, 4)]))
    shop.node.add(payment_tx([(ALICE, 5)]))
    shop.nudged("the payment")
    shop.has_heard(publisher)
    shop.until([(5, None)])
    block = shop.node.mine()
    shop.nudged("its block")
    shop.has_heard(publisher)
    height = len(shop.node.blocks) - 1
    shop.until([(5, height)])
    assert block.hash == shop.index.tip.hash if shop.index.tip else False
    assert shop.asked("getrawmempool") == compared


def test_a_loss_is_noticed_and_one_comparison_makes_up_for_it(
    shop: Shop, publisher: CorePublisher
) -> None:
    compared = shop.asked("getrawmempool")
    with publisher.losing():
        shop.node.add(payment_tx([(ALICE, 5)]))
    shop.node.add(payment_tx([(BOB, 4)]))
    shop.nudged("the gap")
    shop.has_heard(publisher)
    shop.until([(5, None)])
    assert shop.asked("getrawmempool") == compared + 1


def test_a_loss_that_nothing_follows_is_noticed_by_the_number(
    shop: Shop, publisher: CorePublisher
) -> None:
    with publisher.losing():
        shop.node.add(payment_tx([(ALICE, 5)]))
    shop.until([(5, None)])


def test_a_block_that_left_gives_its_transactions_back(shop: Shop) -> None:
    shop.node.add(payment_tx([(ALICE, 5)]))
    shop.nudged("the payment")
    below = shop.node.blocks[-1]
    shop.node.mine()
    shop.until([(5, len(shop.node.blocks) - 1)])
    other = shop.node.mine([], on=below)
    shop.node.mine([], on=other)
    shop.until([(5, None)])


def test_a_publisher_that_is_gone_leaves_polls(
    shop: Shop, publisher: CorePublisher
) -> None:
    publisher.stop()
    wait_until(lambda: not shop.push.log.is_live, 10, "the end of it")
    shop.node.observers.clear()
    shop.node.add(payment_tx([(ALICE, 5)]))
    shop.until([(5, None)])


def test_a_node_without_zmq_is_polled(node: CoreDouble) -> None:
    node.has_zmq = False
    shop = Shop(node)
    node.add(payment_tx([(ALICE, 5)]))
    shop.until([(5, None)])
    assert not shop.push.log.is_live
    assert shop.asked("getzmqnotifications") == 1, "not in each round"


LOCAL = "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "host", "there"),
    [
        ("tcp://127.0.0.1:28332", LOCAL, "tcp://127.0.0.1:28332"),
        ("tcp://0.0.0.0:28332", LOCAL, "tcp://127.0.0.1:28332"),
        ("tcp://0.0.0.0:28332", "node.lan", "tcp://node.lan:28332"),
        ("tcp://*:28332", "node.lan", "tcp://node.lan:28332"),
        ("tcp://[::]:28332", "node.lan", "tcp://node.lan:28332"),
        ("tcp://[::]:28332", "fd00::5", "tcp://[fd00::5]:28332"),
        ("tcp://node.lan:28332", "node.lan", "tcp://node.lan:28332"),
        ("tcp://localhost:28332", LOCAL, "tcp://localhost:28332"),
        ("ipc:///run/core.sock", LOCAL, "ipc:///run/core.sock"),
        ("tcp://127.0.0.1:28332", "node.lan", None),
        ("tcp://169.254.169.254:80", "node.lan", None),
        ("ipc:///run/core.sock", "node.lan", None),
        ("tcp://127.0.0.1", LOCAL, None),
        ("pgm://127.0.0.1:5", LOCAL, None),
        ("", LOCAL, None),
    ],
)
def test_what_a_node_names_is_listened_to_at_its_own_host_only(
    address: str, host: str, there: str | None
) -> None:
    told = [Notification("pubrawtx", address), Notification("pubhashtx", address)]
    wanted = [] if there is None else [(b"rawtx", there)]
    assert endpoints_of(told, (), host) == wanted


def test_given_addresses_win_and_the_node_tells_what_is_where() -> None:
    first, second = "tcp://10.0.0.5:1", "tcp://10.0.0.5:2"
    told = [
        Notification("pubrawtx", "tcp://0.0.0.0:1"),
        Notification("pubsequence", "tcp://0.0.0.0:2"),
    ]
    both = [(b"rawtx", first), (b"sequence", second)]
    assert endpoints_of(told, (first, second), "node.lan") == both
    every = [(topic, first) for topic in (b"hashblock", b"rawtx", b"sequence")]
    assert endpoints_of([], (first,), "node.lan") == every
    assert endpoints_of([], (), "node.lan") == []


def test_the_doctor_is_told_what_is_published_and_whose_mark_it_is(
    node: CoreDouble, publisher: CorePublisher
) -> None:
    feed = Bitcoind(node.url)
    push = ZmqPush(feed, LOCAL)
    assert "rawtx has room for 1000 messages" in push.findings()
    assert "zmqpubhashblockhwm=100000" in push.findings(), "all share one address"
    for told in node.zmq:
        told["hwm"] = 0 if told["type"] == "pubhashblock" else 5
    assert push.findings() == "ZMQ: well", "0 is no limit, and theirs are not used"
    node.zmq = [one for one in node.zmq if one["type"] != "pubsequence"]
    assert push.findings() == "ZMQ: sequence is not published (zmqpubsequence=)"
    node.has_zmq = False
    assert "nothing to listen to" in push.findings()
    feed.close()


def test_a_mark_of_its_own_is_the_topics_own() -> None:
    told = [
        Notification("pubrawtx", "tcp://127.0.0.1:1", 100_000),
        Notification("pubhashblock", "tcp://127.0.0.1:2", 1_000),
    ]
    assert low_mark(told) is None
    assert low_mark([Notification("pubrawtx", "tcp://127.0.0.1:1")]) is None
    told[0].hwm = 1_000
    assert low_mark(told) == (
        "rawtx has room for 1000 messages, and a block is thousands:"
        " zmqpubrawtxhwm=100000"
    )


def test_an_address_where_nothing_publishes_is_said_once(
    node: CoreDouble, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(zmq_push, "DEAF_S", 0.0)
    with CorePublisher([b"sequence"]) as reached:
        deaf = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        node.zmq = [
            {"type": "pubsequence", "address": reached.address},
            {"type": "pubrawtx", "address": deaf},
        ]
        feed = Bitcoind(node.url)
        push = ZmqPush(feed, LOCAL)
        push.open(lambda: None)
        wait_until(lambda: push.log.is_live, 5, "the one that publishes")
        for _ in range(3):
            push.open(lambda: None)
        said = [line for line in caplog.messages if "source.zmq_unreached" in line]
        assert len(said) == 1
        assert f"source=bitcoind address={deaf} detail=nothing publishes" in said[0]
        push.close()
        feed.close()
