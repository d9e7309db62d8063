"""Any history of a mempool that is pushed and partly lost: what is shown, and the end.

The judge is the feed itself: at the end, when nothing is lost any more, the pool is the
node's mempool and says so; and never is money shown that the node did not have when it
was asked, nor absence claimed of what it has unless a loss is still unseen.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.fake_feed import make_tx
from tests.unit.engine.chain.pushing_feed import PushingFeed, Reading

ALICE = b"\x00\x14" + b"a" * 20
CAROL = b"\x00\x14" + b"c" * 20

ACTS = (
    "pay", "pay", "other", "other", "replace", "evict", "mine", "mine none", "reorg",
    "lose", "lose bytes", "keep", "keep", "reconnect", "forge", "round", "round",
)  # fmt: skip


class History:
    def __init__(self) -> None:
        self.feed = PushingFeed(3)
        for number in range(100):  # so many that a few that leave are no mass
            tx = make_tx(f"there {number}", [(CAROL, 1)])
            self.feed.pool[tx.txid] = tx
        self.reading = Reading(self.feed, ALICE)
        self.has_lost = False
        self.feed.loses = self._never
        self.made = 0

    def _never(self, topic: bytes) -> bool:
        return False

    def _always(self, topic: bytes) -> bool:
        self.has_lost = self.has_lost or topic == b"sequence"
        return True

    def act(self, act: str, choice: int) -> None:
        feed, pool = self.feed, list(self.feed.pool.values())
        chosen = pool[-1 - choice % 20] if pool else None
        self.made += 1
        label = f"tx {self.made}"
        match act:
            case "pay":
                feed.add(make_tx(label, [(ALICE, self.made)]))
            case "other":
                spends = [(chosen.txid, 0)] if chosen and choice % 2 else []
                feed.add(make_tx(label, [(CAROL, self.made)], spends))
            case "replace" if chosen:
                to = (ALICE, CAROL)[choice % 2]
                feed.add(make_tx(label, [(to, self.made)], chosen.spends))
            case "evict" if chosen:
                feed.evict(chosen.txid)
            case "mine":
                feed.mine(pool[-3:])
            case "mine none":
                feed.mine([])
            case "reorg":
                feed.reorg(1, [[], []])
            case "lose":
                feed.loses = self._always
            case "lose bytes":
                feed.loses = lambda topic: topic == b"rawtx"
            case "keep":
                feed.loses = self._never
            case "reconnect":
                feed.reconnect()
            case "forge":
                forged = make_tx(label, [(ALICE, 1_000_000)])
                feed._rawtx(forged)
                feed.change(b"A", forged.txid)
            case "round":
                self.round()

    def round(self) -> None:
        self.reading.round()
        shown = self.reading.index.view(ALICE, "s")
        for output in shown.outputs:
            assert output.amount_sat != 1_000_000
            assert self.feed.has(output.txid) or not shown.complete or self.has_lost
        if shown.complete and not self.has_lost:
            assert self.reading.unconfirmed == set(self.feed.pool)

    def end(self) -> None:
        self.feed.loses = self._never
        self.feed.add(make_tx("the last", [(CAROL, 1)]))
        for _ in range(80):
            self.reading.round()
        assert self.reading.unconfirmed == set(self.feed.pool)
        assert self.reading.is_complete(ALICE)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 20)), max_size=40))
def test_whatever_is_lost_the_mempool_is_the_nodes_in_the_end(
    acts: list[tuple[str, int]],
) -> None:
    history = History()
    for act, choice in acts:
        history.act(act, choice)
    history.end()
