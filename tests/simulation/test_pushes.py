"""What a simulated node publishes is as Bitcoin Core's; the engine can read it."""

from random import Random

import pytest

from engine.chain.push import PoolChange
from tests.simulation.chain import SimChain, script_of
from tests.simulation.feeds import SimBlockFeed
from tests.simulation.pushes import SimPush
from tests.simulation.record import Record
from tests.simulation.rivals import Rivals

SHOP = script_of("shop")


class Luck(Random):
    """Nothing is lost, nothing is late, nobody passes, and topics keep their order."""

    def random(self) -> float:
        return 0.5


class Node:
    """A source that pushes; `nudged`: how often the engine was told to look."""

    def __init__(self, random: Random | None = None) -> None:
        self.chain = SimChain(1_700_000_000)
        self.record = Record(self.chain)
        source = SimBlockFeed(
            "source0", self.chain, Random(0), self.record, forgetful=False
        )
        source.push = SimPush(
            source, self.chain, self.record, random or Luck(), lambda _ms, _act: None
        )
        self.source, self.push, self.nudged = source, source.push, 0
        self.push.log.concerns = lambda tx: tx.txid in self.chain.txs
        self.push.open(self._nudge)
        self.source.status()
        self.push.log.take()

    def _nudge(self) -> None:
        self.nudged += 1

    def heard(self) -> tuple[PoolChange, ...]:
        self.source.status()
        news = self.push.log.take()
        assert not news.is_lost
        return news.changes


def test_a_payment_is_pushed_with_its_bytes_and_the_mempools_number() -> None:
    node = Node()
    paid = node.chain.pay([(SHOP, 1_000)], ())
    first, second = node.heard(), node.heard()
    assert [(c.txid, c.is_added, c.number) for c in first] == [(paid.txid, True, 1)]
    assert first[0].tx is not None
    assert first[0].tx.txid == paid.txid
    assert second == ()
    assert node.nudged
    assert node.push.snapshot()[1] == 2


def test_what_is_replaced_leaves_before_what_replaces_it_is_there() -> None:
    node = Node()
    old = node.chain.pay([(SHOP, 1_000)], (("aa" * 32, 0),))
    node.heard()
    new = node.chain.pay([(SHOP, 900)], old.spends)
    assert [(c.txid, c.is_added) for c in node.heard()] == [
        (old.txid, False),
        (new.txid, True),
    ]


def test_a_block_takes_its_transactions_without_a_word_of_each() -> None:
    node = Node()
    paid = node.chain.pay([(SHOP, 1_000)], ())
    node.heard()
    node.nudged = 0
    node.chain.mine([paid.txid], 1_700_000_600)
    assert node.heard() == ()
    assert node.nudged


def test_an_undone_block_is_a_loss() -> None:
    node = Node()
    node.chain.undo(1)
    node.source.status()
    assert node.push.log.take().is_lost


@pytest.mark.parametrize("begins_anew", ["amnesia", "loading"])
def test_a_node_that_was_started_again_says_nothing_of_what_it_lost(
    begins_anew: str,
) -> None:
    node = Node()
    node.chain.pay([(SHOP, 1_000)], ())
    node.heard()
    node.source.set_mode(begins_anew)
    node.source.status()
    news = node.push.log.take()
    assert news.is_lost
    assert not news.changes


def test_what_is_on_its_way_is_written_down_as_not_heard() -> None:
    class Late(Luck):
        def random(self) -> float:
            return 0.85

    node = Node(Late())
    node.chain.pay([(SHOP, 1_000)], ())
    assert node.heard() == ()
    assert node.push.is_behind
    assert node.record.rounds["source0"][-1].unheard


def test_who_was_told_that_one_left_knows_what_takes_its_place_later() -> None:
    chain = SimChain(1_700_000_000)
    rivals = Rivals(chain)
    old = chain.pay([(SHOP, 1_000)], (("aa" * 32, 0),))
    rivals.on_read([old.txid])
    rivals.on_left(old.txid)
    rivals.on_listed([])
    rivals.on_listed([])
    new = chain.pay([(SHOP, 900)], old.spends)
    rivals.on_read([new.txid])
    assert rivals.put_out_by(new.txid) == {old.txid}
