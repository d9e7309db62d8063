"""Bad hours of a Bitcoin Core node, and what a shop on it is told: nothing wrong.

A whole Paybell on the double of Core (tests/tools/core_double). Before a source had a
standing, each of these took money away that was there, or let an order expire that
nobody could have judged. The same is done to a real node in tests/node.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.core_shop import PATIENCE_S, CoreShop
from tests.tools.core_double import CoreDouble, make_block, payment_tx
from tests.tools.paybell import serving
from tests.tools.ports import free_ports
from tests.tools.wait import wait_until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreShop]:
    folder = tmp_path_factory.mktemp("paybell")
    with CoreDouble(port=free_ports(1)[0]) as node:
        env = {"PAYBELL_SOURCES": f"bitcoind={node.url}?name=acme"}
        with serving(folder, env=env) as paybell:
            yield CoreShop(node, paybell)
            assert "Traceback" not in paybell.err


@pytest.fixture
def shop(running: CoreShop) -> Iterator[CoreShop]:
    """Each test leaves the node as high as it ever was, and its mempool loaded; so it
    is after one that failed in the middle, too."""
    yield running
    node = running.node
    if not node.is_up:
        node.start()
    node.warmed_up()
    node.wire.whitelist, node.wire.takes_s = {}, {}
    if node.chain.held:
        node.chain.advance()
        node.settle()
    if not node.pool.loaded:
        node.read_mempool()


def test_blocks_that_a_node_lost_in_an_unclean_stop_take_nothing_away(
    shop: CoreShop,
) -> None:
    """Seen: confirmed, reorged, reversed, and confirmed again; open orders expired."""
    node, order = shop.node, shop.order(confirmations=2)
    order.paid()
    node.mine()
    node.mine()
    order.wait_for("confirmed")
    before = order.story
    node.kill()
    node.chain.rewind(node.tip.height - 4)
    node.start(warming_up="Loading block index…")
    waiting = shop.order(expires_in_s=1)
    node.warmed_up()
    unpaid = shop.overdue()
    assert not node.chain.advance(2)
    shop.rounds()
    assert order.story == before
    assert waiting.story == unpaid.story == ["created"]
    assert node.chain.advance()
    node.settle()
    node.read_mempool()
    waiting.wait_until_expired()
    unpaid.wait_until_expired()
    assert order.story == before
    assert order.now["status"] == "confirmed"


def test_blocks_that_a_person_invalidates_are_not_lost_before_others_stand_there(
    shop: CoreShop,
) -> None:
    """The node says nothing of it: headers are blocks, and no download is under way."""
    node, order = shop.node, shop.order(confirmations=1)
    order.paid()
    mined = node.mine()
    order.wait_for("confirmed")
    before = order.story
    node.chain.invalidate(mined.hash)
    node.settle()
    unpaid = shop.overdue()
    assert order.story == before
    assert unpaid.story == ["created"]
    node.chain.reconsider(mined.hash)
    node.settle()
    unpaid.wait_until_expired()
    assert order.story == before


def test_a_longer_branch_is_a_reorg_and_is_told(shop: CoreShop) -> None:
    """What is not the node's trouble is told as ever."""
    node, order = shop.node, shop.order(confirmations=1)
    raw = order.paid()
    fork = node.tip
    node.mine()
    order.wait_for("confirmed")
    rival = make_block(fork, time_s=fork.time_s + 1)
    node.receive(rival, make_block(rival, time_s=rival.time_s + 1))
    order.wait_for("reversed")
    node.add(raw)
    node.mine()
    wait_until(lambda: order.now["status"] == "confirmed", 30, lambda: f"{order.story}")


def test_a_mempool_that_is_read_back_is_not_an_empty_one(shop: CoreShop) -> None:
    """Seen: replaced, and reversed at zero confirmations, for 14 s after a restart."""
    node = shop.node
    at_once, later = shop.order(confirmations=0), shop.order(confirmations=1)
    for order in (at_once, later):
        order.paid()
    at_once.wait_for("confirmed")
    later.wait_for("detected")
    node.stop()
    node.start()
    unpaid = shop.overdue()
    node.read_mempool(1)
    shop.rounds()
    assert at_once.story == ["created", "detected", "confirmed"]
    assert later.story == ["created", "detected"]
    assert unpaid.story == ["created"]
    node.read_mempool()
    unpaid.wait_until_expired()
    node.mine()
    later.wait_for("confirmed")
    assert later.now["flags"] == at_once.now["flags"] == []
    for told in (later.story, at_once.story):
        assert not {"replaced", "reversed", "late"} & set(told)


def test_a_mempool_that_was_lost_proves_nothing(shop: CoreShop) -> None:
    """After SIGKILL there is none to read back: `loaded` is true, and it is empty."""
    node = shop.node
    for number in range(30):
        node.add(payment_tx([(b"\x51", number + 1)]))
    at_once, later = shop.order(confirmations=0), shop.order(confirmations=1)
    raws = [order.paid() for order in (at_once, later)]
    at_once.wait_for("confirmed")
    later.wait_for("detected")
    node.saved_pool = []
    node.kill()
    node.start()
    node.read_mempool()
    shop.rounds(8)
    assert node.pool.loaded
    assert not node.pool.txs
    assert at_once.story == ["created", "detected", "confirmed"]
    assert later.story == ["created", "detected"]
    for raw in raws:  # from its peers
        node.add(raw)
    node.mine()
    later.wait_for("confirmed")
    for told in (later.story, at_once.story):
        assert not {"replaced", "reversed", "late"} & set(told)


def test_a_mempool_that_was_lost_while_we_were_away_proves_nothing(
    tmp_path: Path,
) -> None:
    """The host lost its power: Paybell knows the receipts, and not what they spend."""
    with CoreDouble(port=free_ports(1)[0]) as node:
        env = {"PAYBELL_SOURCES": f"bitcoind={node.url}"}
        for number in range(30):
            node.add(payment_tx([(b"\x51", number + 1)]))
        with serving(tmp_path, env=env) as paybell:
            shop = CoreShop(node, paybell)
            at_once, later = shop.order(confirmations=0), shop.order(confirmations=1)
            raws = [order.paid() for order in (at_once, later)]
            at_once.wait_for("confirmed")
            later.wait_for("detected")
        node.saved_pool = []
        node.kill()
        began = time.time()
        wait_until(lambda: time.time() > began + 1, 5, "another second on the clocks")
        node.start()
        node.read_mempool()
        with serving(tmp_path, env=env) as paybell:
            at_once.shop = later.shop = shop = CoreShop(node, paybell)
            shop.rounds(8)
            for order in (at_once, later):
                paybell.post(f"/v1/watchers/{order.address}/poll")
            shop.rounds(8)
            assert not node.pool.txs
            assert at_once.story == ["created", "detected", "confirmed"]
            assert later.story == ["created", "detected"]
            for raw in raws:  # from its peers
                node.add(raw)
            node.mine()
            later.wait_for("confirmed")
            for told in (later.story, at_once.story):
                assert not {"replaced", "reversed", "late"} & set(told)


def test_why_a_node_gives_no_answer_is_said_where_people_look(shop: CoreShop) -> None:
    """And no payment hears of it."""
    node, order = shop.node, shop.order()

    def said(words: str) -> None:
        wait_until(
            lambda: words in (shop.source["last_error"] or ""),
            PATIENCE_S,
            lambda: f"{words}; it says {shop.source['last_error']}",
        )

    assert shop.source["name"] == "acme"
    node.wire.whitelist = {"shop": {"getblockchaininfo"}}
    said("rpcwhitelist")
    said("getblockchaininfo,getmempoolinfo,getblockhash")
    node.wire.whitelist = {}
    node.warming_up = "Verifying blocks…"
    said("Verifying blocks… (-28)")
    node.warmed_up()
    wait_until(
        lambda: shop.source["last_error"] is None, PATIENCE_S, "the node to be asked"
    )
    assert order.story == ["created"]


def test_answers_that_take_longer_than_the_poll_interval_do_not_pile_up(
    shop: CoreShop,
) -> None:
    node, order = shop.node, shop.order(confirmations=1)
    errors = shop.source["errors"]
    node.wire.takes_s["getrawmempool"] = 1.6
    node.wire.most_under_way = 0
    try:
        order.paid()
        order.wait_for("detected")
        node.mine()
        order.wait_for("confirmed")
    finally:
        node.wire.takes_s.clear()
    assert node.wire.most_under_way == 1
    assert shop.source["errors"] == errors
    assert order.now["flags"] == []


def test_a_node_that_thinks_for_eleven_seconds_is_slow_and_has_not_failed(
    shop: CoreShop,
) -> None:
    """With the settings that a shop has by itself. Small machines take that long for an
    answer while they connect a block."""
    node, order = shop.node, shop.order(confirmations=1)
    before = shop.source
    calls = node.wire.calls
    asked = calls["getblockchaininfo"]
    node.wire.takes_s["getblockchaininfo"] = 11.0
    try:
        order.paid()
        wait_until(
            lambda: calls["getblockchaininfo"] > asked, PATIENCE_S, "the slow question"
        )
        answered = calls["getmempoolinfo"]  # what comes behind it, in one batch
        wait_until(
            lambda: calls["getmempoolinfo"] > answered or "detected" in order.story,
            PATIENCE_S,
            "its answer",
        )
        assert shop.source["standing"] == before["standing"] == "current"
    finally:
        node.wire.takes_s.clear()
    order.wait_for("detected")
    node.mine()
    order.wait_for("confirmed")
    now = shop.source
    assert now["errors"] == before["errors"]
    assert now["last_error"] is None
    assert order.story == ["created", "detected", "confirming", "confirmed"]


def test_a_node_in_its_first_download_judges_no_order(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Seen: expired and live on a tip that was days old.

    That the tip is old is no sign on regtest; that it knows of more blocks is.
    """
    long_ago = time.time() - 30 * 3_600
    with CoreDouble(now=lambda: long_ago) as node:
        node.now = time.time
        ahead = [make_block(node.tip, time_s=int(long_ago) + 1)]
        for _ in range(4):
            ahead.append(make_block(ahead[-1], time_s=ahead[-1].time_s + 600))
        for block in ahead:
            node.chain.accept_header(block)
        env = {"PAYBELL_SOURCES": f"bitcoind={node.url}"}
        with serving(tmp_path_factory.mktemp("paybell"), env=env) as paybell:
            shop = CoreShop(node, paybell)
            order, unpaid = shop.order(confirmations=1), shop.overdue()
            node.receive(*ahead[:2])
            shop.rounds()
            assert node.methods.initial_download
            assert unpaid.story == ["created"]
            node.receive(*ahead[2:])
            raw = order.paid()
            node.mine([raw])
            assert not node.methods.initial_download
            order.wait_for("confirmed")
            unpaid.wait_until_expired()
            assert order.now["flags"] == []
