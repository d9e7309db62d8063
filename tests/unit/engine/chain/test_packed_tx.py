"""A packed transaction: the same as unpacked, but for scripts that no address has."""

from hypothesis import given
from hypothesis import strategies as st

from engine.chain.feed import ChainTx, TxOut
from engine.chain.packed_tx import (
    MAX_SCRIPT,
    PackedTx,
    PackedTxs,
    outpoints,
    output_count,
    pack,
    packed,
    paying,
    scripts,
)
from engine.money.amount import MAX_SAT
from tests.tools.fake_feed import make_tx

ALICE = b"\x00\x14" + b"a" * 20
BOB = b"\x00\x14" + b"b" * 20

OUTPUTS = st.builds(TxOut, st.binary(max_size=110), st.integers(0, MAX_SAT))
SPENDS = st.tuples(
    st.binary(min_size=32, max_size=32).map(bytes.hex), st.integers(0, 2**32 - 1)
)
TXS = st.builds(
    ChainTx,
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.lists(OUTPUTS, min_size=1, max_size=6).map(tuple),
    st.lists(SPENDS, min_size=1, max_size=6).map(tuple),
)


@given(TXS)
def test_what_is_packed_is_there_again_unpacked(tx: ChainTx) -> None:
    kept = tuple(
        TxOut(o.script if len(o.script) <= MAX_SCRIPT else b"", o.amount_sat)
        for o in tx.outputs
    )
    assert pack(tx).unpack() == ChainTx(tx.txid, kept, tx.spends)
    body = pack(tx).body
    assert output_count(body) == len(tx.outputs)
    assert len(outpoints(body)) == len(tx.spends)
    assert scripts(body) == [
        o.script for o in kept if o.script and o.script[:1] != b"\x6a"
    ]


def test_each_output_that_pays_a_script_has_its_place() -> None:
    tx = make_tx("t", [(BOB, 1), (ALICE, 2), (b"", 9), (ALICE, MAX_SAT)])
    assert list(paying(pack(tx).body, ALICE)) == [(1, 2), (3, MAX_SAT)]
    assert list(paying(pack(tx).body, b"\x51")) == []


def test_a_script_that_only_seems_to_be_there_is_not_paid() -> None:
    """Across the amount of one output and the script of the next."""
    tx = make_tx("t", [(ALICE, 0x1400), (BOB, 1)])
    body = pack(tx).body
    across = body[body.index(BOB) - 4 : body.index(BOB) + 4]
    assert across in body
    assert list(paying(body, across)) == []


def test_a_blocks_transactions_are_unpacked_when_they_are_looked_at() -> None:
    txs = tuple(make_tx(str(n), [(ALICE, n)]) for n in range(4))
    block = PackedTxs(tuple(map(pack, txs)))
    assert (len(block), block[2], block[1:3]) == (4, txs[2], txs[1:3])
    assert block == txs
    assert block != txs[:3]
    assert packed(block) is block.packed
    assert list(packed(txs)) == list(block.packed)
    assert list(packed(block.packed)) == list(block.packed)
    assert all(isinstance(tx, PackedTx) for tx in packed([txs[0], pack(txs[1])]))
