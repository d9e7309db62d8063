"""The Bitcoin Core adapter on a node that behaves as Core does in bad hours.

What is right here is what Core's documentation says of such a node; see
tests/tools/core_double. How one that lies or breaks HTTP is met: the hostile tests.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from engine.chain.feed import Tip
from engine.chain.script_index import ScriptIndex
from engine.chain.sync import sync
from engine.errors import SourceBusy, SourceUnavailable
from tests.tools.core_double import CoreDouble, make_block, payment_tx, txid_of
from tests.tools.wait import wait_until
from transport.chain.bitcoind import METHODS, Bitcoind
from transport.chain.zmq_push import ZmqPush

ALICE = b"\x00\x14" + b"a" * 20


@pytest.fixture
def node() -> Iterator[CoreDouble]:
    with CoreDouble() as double:
        yield double


@pytest.fixture
def feed(node: CoreDouble) -> Iterator[Bitcoind]:
    source = Bitcoind(node.url, network="regtest", deadline_s=60)
    yield source
    source.close()


# -- what it says of itself ------------------------------------------------------------


@pytest.mark.parametrize("version", [21, 23, 28, 30])
def test_one_request_tells_how_the_node_is(version: int) -> None:
    with CoreDouble(version=version) as node:
        feed = Bitcoind(node.url)
        status = feed.status()
        assert (feed.requests, node.requests) == (1, 1)
        assert status.tip == Tip(10, node.tip.hash)
        assert status.headers == 10
        assert (status.initial_download, status.mempool_loaded) == (False, True)
        assert status.chainwork == 22
        lags = version < 23  # its own time is not told, only the median of eleven
        assert status.tip_time_s == node.tip.time_s - (3_000 if lags else 0)
        feed.close()


def test_a_node_that_is_catching_up_says_so(node: CoreDouble, feed: Bitcoind) -> None:
    for _ in range(3):
        tip = node.chain.best_header.block
        node.chain.accept_header(make_block(tip, time_s=tip.time_s + 1))
    status = feed.status()
    assert (status.tip.height, status.headers) == (10, 13)
    assert not status.initial_download
    node.kill()
    node.chain.rewind(4)
    node.start()
    status = feed.status()
    assert (status.tip.height, status.headers) == (4, 13)
    assert status.initial_download
    assert not status.mempool_loaded
    assert status.chainwork == 10


def test_a_mempool_that_is_read_back_is_not_a_loaded_one(
    node: CoreDouble, feed: Bitcoind
) -> None:
    txids = {node.add(payment_tx([(ALICE, n + 1)])) for n in range(3)}
    node.stop()
    node.start()
    node.read_mempool(1)
    assert not feed.status().mempool_loaded
    assert feed.mempool() < txids
    node.read_mempool()
    assert feed.status().mempool_loaded
    assert feed.mempool() == txids


# -- None is never False ---------------------------------------------------------------


def test_of_a_block_above_its_tip_a_node_cannot_tell_whether_it_will_stay(
    node: CoreDouble, feed: Bitcoind
) -> None:
    """An unclean stop, `-reindex-chainstate`: the index knows what the tip lacks."""
    top = node.tip
    node.kill()
    node.chain.rewind(6)
    node.start()
    header = feed.header(top.hash)
    assert header is not None
    assert header.in_best_chain is None
    seventh = feed.header(node.chain.index[top.hash].prev.hash)  # type: ignore[union-attr]
    assert seventh is not None
    assert seventh.in_best_chain is None
    node.chain.advance()
    header = feed.header(top.hash)
    assert header is not None
    assert header.in_best_chain is True


def test_a_block_that_a_person_invalidated_is_lost_once_another_stands_there(
    node: CoreDouble, feed: Bitcoind
) -> None:
    top = node.tip
    node.chain.invalidate(top.hash)
    header = feed.header(top.hash)
    assert header is not None
    assert header.in_best_chain is None
    node.mine()
    header = feed.header(top.hash)
    assert header is not None
    assert header.in_best_chain is False


def test_a_block_of_which_there_is_the_header_alone_is_unknown(
    node: CoreDouble, feed: Bitcoind
) -> None:
    ahead = make_block(node.tip, time_s=node.tip.time_s + 1)
    node.chain.accept_header(ahead)
    assert feed.header(ahead.hash) is None
    rival = make_block(node.blocks[-2], time_s=node.tip.time_s)
    node.chain.accept_header(rival)
    assert feed.header(rival.hash) is None
    assert feed.header("ab" * 32) is None


def test_a_rollback_undoes_nothing_in_the_index(
    node: CoreDouble, feed: Bitcoind
) -> None:
    index = ScriptIndex()
    index.watch(ALICE)
    paid = payment_tx([(ALICE, 5_000)])
    node.add(paid)
    node.mine()
    sync(feed, index)
    node.kill()
    node.chain.rewind(5)
    node.start()
    result = sync(feed, index)
    assert (result.lagging, result.undone) == (True, 0)
    view = index.view(ALICE, "s", [node.chain.best_header.hash])
    assert [o.txid for o in view.outputs] == [txid_of(paid)]
    assert view.off_chain == ()


# -- what it no longer has, or not yet -------------------------------------------------


def test_a_pruned_node_says_where_it_begins(node: CoreDouble, feed: Bitcoind) -> None:
    node.chain.prune(6)
    feed.status()
    assert feed.lowest == 7
    assert feed.block(node.blocks[7].hash).header.height == 7
    with pytest.raises(SourceUnavailable, match="pruned data"):
        feed.block(node.blocks[6].hash)
    header = feed.header(node.blocks[6].hash)
    assert header is not None
    assert header.in_best_chain is True


@pytest.mark.parametrize("version", [27, 28])
def test_a_node_that_began_with_a_snapshot_has_its_blocks_from_there_on(
    version: int,
) -> None:
    """assumeutxo: headers and the coins of block 40 first, blocks up to it later."""
    with CoreDouble(height=50) as whole, CoreDouble(blocks=whole.blocks[:3]) as node:
        node.version = version
        node.chain.load_snapshot(whole.blocks[3:41])
        node.receive(*whole.blocks[41:])
        feed = Bitcoind(node.url)
        assert feed.status().tip.height == 50
        base = feed.header(whole.blocks[40].hash)
        assert base is not None
        assert base.in_best_chain is True
        assert feed.block(whole.blocks[41].hash).header.height == 41
        with pytest.raises(SourceUnavailable, match="not fully downloaded"):
            feed.block(whole.blocks[5].hash)
        feed.status()
        # Before Core 28 it pretends to have them: then one is learnt of at a time.
        assert feed.lowest == (41 if version == 28 else 6)
        node.chain.accept(whole.blocks[5])
        assert feed.block(whole.blocks[5].hash).header.height == 5
        feed.close()


# -- who refuses, and why --------------------------------------------------------------


def test_a_node_that_warms_up_is_told_in_its_words_and_asked_again_soon(
    node: CoreDouble, feed: Bitcoind
) -> None:
    node.stop()
    node.start(warming_up="Verifying blocks…")
    with pytest.raises(SourceUnavailable, match=r"Verifying blocks… \(-28\)") as told:
        feed.status()
    assert told.value.retry_after_s == 2.0
    with pytest.raises(SourceUnavailable, match=r"Verifying blocks… \(-28\)"):
        feed.block_hash(1)
    node.warmed_up()
    assert feed.status().tip.height == 10


@pytest.mark.parametrize("version", [21, 28])
def test_a_node_with_a_full_work_queue_is_busy_and_left_alone_for_a_moment(
    version: int,
) -> None:
    with CoreDouble(version=version) as node:
        node.wire.threads = node.wire.work_queue = 0
        with pytest.raises(SourceBusy, match="rpcworkqueue") as caught:
            Bitcoind(node.url).status()
        assert caught.value.retry_after_s == 2.0


def test_whoever_may_not_call_is_told_what_to_set_and_not_that_the_password_is_wrong(
    node: CoreDouble, feed: Bitcoind
) -> None:
    def told() -> str:
        with pytest.raises(SourceUnavailable) as caught:
            feed.status()
        return caught.value.detail

    node.wire.rpcallowip = False
    assert "rpcallowip" in told()
    node.wire.rpcallowip = True
    node.wire.whitelist = {"shop": {"getblockchaininfo"}}
    assert "rpcwhitelist" in told()
    assert ",".join(METHODS) in told()
    assert "password" not in told()
    node.wire.whitelist = {"shop": set(METHODS)}
    assert feed.status().tip.height == 10


def test_what_the_whitelist_must_hold_is_all_that_is_called(
    node: CoreDouble, feed: Bitcoind
) -> None:
    node.wire.whitelist = {"shop": set(METHODS)}
    paid = node.add(payment_tx([(ALICE, 1)]))
    assert feed.transactions([paid]).keys() == {paid} == feed.mempool()
    assert feed.header(node.tip.hash) is not None
    assert feed.block(node.tip.hash).header.hash == node.tip.hash
    feed.status()
    ZmqPush(feed, "127.0.0.1").open(lambda: None)
    feed.started_at_s()
    assert set(node.wire.calls) == set(METHODS)


def test_when_a_node_was_started_is_known_if_it_tells(
    node: CoreDouble, feed: Bitcoind
) -> None:
    began = int(node.started_at)
    node.started_at -= 3_600
    asked = time.time()
    started = feed.started_at_s()
    passed = time.time() - asked  # it counts back from when it hears the answer
    assert started is not None
    assert began - 3_602 <= started <= began - 3_598 + passed
    node.wire.whitelist = {"shop": set(METHODS) - {"uptime"}}
    assert feed.started_at_s() is None


def test_a_wrong_password_is_told_as_that(node: CoreDouble, feed: Bitcoind) -> None:
    node.secret = "shop:another"
    with pytest.raises(SourceUnavailable, match="wrong RPC user or password"):
        feed.status()


def test_the_cookie_of_a_restarted_node_is_found_by_itself(tmp_path: Path) -> None:
    with CoreDouble(cookie=tmp_path / ".cookie") as node:
        feed = Bitcoind(node.url)
        assert feed.status().tip.height == 10
        node.stop()
        with pytest.raises(SourceUnavailable, match="cookie"):
            feed.status()
        node.start()
        assert feed.status().tip.height == 10
        feed.close()


# -- slow is not broken ----------------------------------------------------------------


def test_an_answer_may_take_as_long_as_the_setting_says(node: CoreDouble) -> None:
    node.wire.takes_s["getblockchaininfo"] = 0.6
    with pytest.raises(SourceUnavailable, match=r"within 0.2 s") as caught:
        Bitcoind(node.url, deadline_s=0.2).status()
    assert caught.value.retry_after_s == 5.0, "another source is asked at once"
    assert Bitcoind(node.url, deadline_s=60).status().tip.height == 10


def test_the_others_go_on_while_a_node_thinks(node: CoreDouble, feed: Bitcoind) -> None:
    turns = 0

    def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0)

    def thinks(seconds: float) -> None:
        wait_until(lambda: turns > 20, 10, "the others to go on")

    node.pause = thinks  # type: ignore[method-assign]
    others = gevent.spawn(turn)
    try:
        assert feed.block_hash(3) == node.blocks[3].hash
    finally:
        others.kill()
