"""The pool by itself: who pays what, what double-spends what, what is not kept."""

from engine.chain.feed import ChainTx, TxOut
from engine.chain.mempool import Pool
from engine.chain.packed_tx import MAX_SCRIPT, OP_RETURN, pack
from tests.tools.fake_feed import make_tx

ALICE = b"\x00\x14" + b"a" * 20
BOB = b"\x00\x14" + b"b" * 20
COIN = ("cc" * 32, 1)


def paying(pool: Pool, script: bytes = ALICE) -> list[tuple[str, int, int]]:
    return sorted(pool.paying(script))


def put(pool: Pool, tx: ChainTx) -> set[bytes]:
    return pool.put(pack(tx))


def test_each_output_that_pays_a_script_is_found_with_its_place() -> None:
    pool = Pool()
    first = make_tx("first", [(BOB, 1), (ALICE, 2), (ALICE, 3)])
    second = make_tx("second", [(ALICE, 4)])
    third = make_tx("third", [(ALICE, 5)])
    assert put(pool, first) == {ALICE, BOB}
    put(pool, second)
    put(pool, third)
    assert paying(pool) == sorted(
        [
            (first.txid, 1, 2),
            (first.txid, 2, 3),
            (second.txid, 0, 4),
            (third.txid, 0, 5),
        ]
    )
    assert paying(pool, BOB) == [(first.txid, 0, 1)]
    assert pool.pays(BOB)
    assert set(pool) == {first.txid, second.txid, third.txid}


def test_what_is_taken_leaves_nothing_behind() -> None:
    pool = Pool()
    first, second = make_tx("1", [(ALICE, 1)]), make_tx("2", [(ALICE, 2)], [COIN])
    put(pool, first)
    put(pool, second)
    assert pool.take(first.txid) == {ALICE}
    assert pool.take(first.txid) == set()
    assert paying(pool) == [(second.txid, 0, 2)]
    assert pool.spends_same(pack(make_tx("3", [(BOB, 1)], [COIN])))
    assert pool.take(second.txid) == {ALICE}
    assert not pool.pays(ALICE)
    assert paying(pool) == []
    assert not pool.spends_same(pack(make_tx("3", [(BOB, 1)], [COIN])))
    assert second.txid not in pool


def _paid(evicted: dict[str, set[bytes]]) -> set[bytes]:
    return set().union(*evicted.values())


def test_a_double_spend_evicts_what_descends_from_what_it_replaces() -> None:
    pool = Pool()
    first = make_tx("first", [(ALICE, 1), (BOB, 2)], [COIN])
    child = make_tx("child", [(BOB, 3)], [(first.txid, 1)])
    grandchild = make_tx("grandchild", [(ALICE, 4)], [(child.txid, 0)])
    other = make_tx("other", [(ALICE, 5)])
    for tx in (first, child, grandchild, other):
        put(pool, tx)
    second = pack(make_tx("second", [(BOB, 6)], [COIN]))
    assert _paid(pool.evict_conflicts(second)) == {ALICE, BOB}
    assert set(pool) == {other.txid}
    assert pool.evict_conflicts(second) == {}
    pool.put(second)
    assert pool.evict_conflicts(second) == {}, "it is no conflict of its own"
    assert second.txid in pool


def test_one_spend_of_several_is_enough_of_a_conflict() -> None:
    pool = Pool()
    put(pool, make_tx("a", [(ALICE, 1)], [("aa" * 32, 0)]))
    put(pool, make_tx("b", [(BOB, 1)], [("bb" * 32, 0)]))
    both = make_tx("c", [(BOB, 2)], [("ee" * 32, 0), ("aa" * 32, 0), ("bb" * 32, 0)])
    assert pool.spends_same(pack(both))
    assert _paid(pool.evict_conflicts(pack(both))) == {ALICE, BOB}
    assert list(pool) == []


def test_the_same_coin_is_the_same_transaction_and_place() -> None:
    pool = Pool()
    put(pool, make_tx("a", [(ALICE, 1)], [("aa" * 32, 0)]))
    assert not pool.spends_same(pack(make_tx("b", [(BOB, 1)], [("aa" * 32, 1)])))
    assert not pool.spends_same(pack(make_tx("b", [(BOB, 1)], [("ab" * 32, 0)])))


def test_what_no_address_has_is_not_worth_the_memory() -> None:
    assert (MAX_SCRIPT, OP_RETURN) == (100, 0x6A)
    longest, longer = b"x" * 100, b"x" * 101
    data, no_data = b"\x6a\x04data", b"\x51\x6a"
    scripts = (b"", longest, longer, data, no_data)
    tx = ChainTx("ab" * 32, tuple(TxOut(script, 1) for script in scripts))
    assert pack(tx).scripts == (b"", longest, b"", data, no_data)
    pool = Pool()
    assert put(pool, tx) == {longest, no_data}
    assert paying(pool, no_data) == [("ab" * 32, 4, 1)]
    assert not pool.pays(b"")


def test_a_transaction_is_known_to_pay_somebody_and_with_what_it_spends_of() -> None:
    pool = Pool()
    parent = make_tx("parent", [(BOB, 1)], [COIN])
    child = make_tx("child", [(BOB, 1)], [(parent.txid, 0)])
    grandchild = make_tx("grandchild", [(ALICE, 1)], [(child.txid, 0), COIN])
    for tx in (parent, child, grandchild):
        put(pool, tx)
    assert pool.pays_any(grandchild.txid, {ALICE})
    assert not pool.pays_any(child.txid, {ALICE})
    assert not pool.pays_any("ab" * 32, {ALICE})
    everybody = {parent.txid, child.txid, grandchild.txid}
    assert pool.with_parents([grandchild.txid], everybody) == everybody
    assert pool.with_parents([grandchild.txid], {parent.txid}) == {grandchild.txid}
    assert pool.with_parents(["ab" * 32], everybody) == set()
    assert len(pool) == 3
