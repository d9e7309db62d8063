"""The pool beside a plain dict of transactions, which looks through all of them.

Once as it is, and once with every hash the same: then only what the transactions
themselves say can tell them apart.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.chain import mempool
from engine.chain.feed import ChainTx
from engine.chain.mempool import Pool
from engine.chain.packed_tx import pack
from tests.tools.fake_feed import make_tx

SCRIPTS = tuple(b"\x00\x14" + bytes((who,)) * 20 for who in range(3))


class Model:
    """What a mempool is, in the plainest words."""

    def __init__(self) -> None:
        self.txs: dict[str, ChainTx] = {}

    def conflicts(self, tx: ChainTx) -> set[str]:
        spent = set(tx.spends)
        losers = {t.txid for t in self.txs.values() if spent & set(t.spends)}
        losers -= {tx.txid}
        while children := {
            t.txid
            for t in self.txs.values()
            if t.txid not in losers and losers & {txid for txid, _ in t.spends}
        }:
            losers |= children
        return losers

    def paying(self, script: bytes) -> list[tuple[str, int, int]]:
        return sorted(
            (tx.txid, vout, out.amount_sat)
            for tx in self.txs.values()
            for vout, out in enumerate(tx.outputs)
            if out.script == script
        )


def _made(number: int, coins: list[int], known: list[ChainTx]) -> ChainTx:
    """It spends coins of nobody (below 4), and outputs of those known."""
    spends = []
    for coin in coins:
        if coin < 4 or not known:
            spends.append((f"{coin % 4:064x}", coin % 2))
        else:
            parent = known[coin % len(known)]
            spends.append((parent.txid, coin % len(parent.outputs)))
    paid = [(SCRIPTS[(number + i) % 3], number * 10 + i) for i in range(1 + number % 3)]
    return make_tx(f"tx {number}", paid, spends)


def _compare(pool: Pool, model: Model, tx: ChainTx) -> None:
    assert sorted(pool) == sorted(model.txs)
    assert len(pool) == len(model.txs)
    for script in SCRIPTS:
        assert sorted(pool.paying(script)) == model.paying(script)
        assert pool.pays(script) or not model.paying(script)
    assert (tx.txid in pool) == (tx.txid in model.txs)
    spent = {coin for t in model.txs.values() for coin in t.spends}
    assert pool.spends_same(pack(tx)) == bool(spent & set(tx.spends))
    assert pool.pays_any(tx.txid, SCRIPTS[:1]) == (
        tx.txid in model.txs and SCRIPTS[0] in pack(tx).scripts
    )


COINS = st.lists(st.integers(0, 12), min_size=1, max_size=3)
ACTS = st.tuples(st.sampled_from(("put", "put", "put", "take", "again")), COINS)


@pytest.mark.parametrize("collide", [False, True])
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=st.lists(ACTS, max_size=40))
def test_any_history_is_that_of_a_plain_dict(
    monkeypatch: pytest.MonkeyPatch,
    collide: bool,
    acts: list[tuple[str, list[int]]],
) -> None:
    if collide:
        monkeypatch.setattr(mempool, "hash", lambda _: 1, raising=False)
    pool, model = Pool(), Model()
    known: list[ChainTx] = []
    for number, (act, coins) in enumerate(acts):
        if act == "take" and known:
            tx = known[coins[0] % len(known)]
            was_there = model.txs.pop(tx.txid, None)
            assert pool.take(tx.txid) == (set(pack(tx).scripts) if was_there else set())
        else:
            tx = _made(number, coins, known)
            if act == "again" and known:
                tx = known[coins[0] % len(known)]
            known.append(tx)
            losers = model.conflicts(tx)
            gone = pool.evict_conflicts(pack(tx))
            assert gone == {
                loser: set(pack(model.txs[loser]).scripts) for loser in losers
            }
            for loser in losers:
                del model.txs[loser]
            assert pool.put(pack(tx)) == set(pack(tx).scripts)
            model.txs[tx.txid] = tx
        _compare(pool, model, tx)
    for txid in list(model.txs):
        pool.take(txid)
    for table in (pool._by_txid, pool._by_script, pool._by_outpoint):
        assert not any(table._buckets), "something is left behind"
        assert not table._crowds
    assert len(pool) == 0
