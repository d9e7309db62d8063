"""A block of the window: where it pays, and how long it holds others up."""

from itertools import pairwise

from engine.chain.feed import ChainTx, Output
from engine.chain.placed_block import CHUNK, PAID_STEPS, place
from tests.tools.fake_feed import FakeFeed, make_tx

PAID, NOBODY = b"\x00\x14paid", b"\x00\x14nobody"


def script(number: int) -> bytes:
    return b"\x00\x14" + number.to_bytes(20, "big")


def mined(*txs: ChainTx) -> FakeFeed:
    feed = FakeFeed(0)
    feed.mine(txs)
    return feed


def test_a_block_tells_of_all_outputs_that_pay_who_is_watched() -> None:
    one = make_tx("one", [(NOBODY, 1), (PAID, 2), (PAID, 3), (script(1), 4)])
    two = make_tx("two", [(PAID, 5)])
    feed = mined(one, two)
    block = feed.block(feed.now.hash)
    placed, paid = place(block, {PAID, script(1), script(2)}, None)
    header = block.header
    at = header.hash, header.height, header.time_s
    assert paid == {
        PAID: {
            (one.txid, 1): Output(one.txid, 1, 2, *at),
            (one.txid, 2): Output(one.txid, 2, 3, *at),
            (two.txid, 0): Output(two.txid, 0, 5, *at),
        },
        script(1): {(one.txid, 3): Output(one.txid, 3, 4, *at)},
    }
    for wanted, outputs in paid.items():
        assert placed.outputs(wanted) == outputs
    assert placed.outputs(script(2)) == {}


def test_each_transaction_is_kept_as_it_was_in_the_block() -> None:
    feed = mined(*(make_tx(str(n), [(script(n), n)] * (n + 1)) for n in range(3)))
    block = feed.block(feed.now.hash)
    placed, _ = place(block, (), None)
    assert [tx.unpack() for tx in placed.txs()] == list(block.txs)
    assert list(placed.txids()) == [tx.txid for tx in block.txs]
    assert len(placed) == 4


def test_a_miners_reward_is_known_as_one() -> None:
    feed = mined()
    block = feed.block(feed.now.hash)
    (reward,) = block.txs[0].outputs
    _, paid = place(block, {reward.script}, None)
    (output,) = paid[reward.script].values()
    assert output.is_coinbase


def test_a_block_that_pays_ten_thousand_watched_is_read_in_short_steps() -> None:
    """Others get their turn after so many outputs, not after so many transactions."""
    txs = [
        make_tx(f"tx {number}", [(script(10 * number + i), 1) for i in range(10)])
        for number in range(200)
    ]
    feed = mined(*txs)
    block = feed.block(feed.now.hash)
    watched = {script(number) for number in range(2_000)}
    made: list[int] = []
    seen = CountedScripts(watched)

    def pause() -> None:
        made.append(seen.hits)

    _, paid = place(block, seen, pause)
    assert paid.keys() == watched
    steps = [after - before for before, after in pairwise(made)]
    # Each output is looked for twice, and one transaction is read to its end.
    assert max(steps) <= 2 * (CHUNK // PAID_STEPS + 10)
    assert made[0] == 0, "the block's bytes were read just before"


class CountedScripts(set[bytes]):
    """Watched scripts that count how often one was found among them."""

    hits = 0

    def __contains__(self, wanted: object) -> bool:
        found = super().__contains__(wanted)
        self.hits += found
        return found
