"""What tests of the dev chain share: its clock, and that a chain is whole."""

from engine.bitcoin.address import parse_address
from engine.bitcoin.transaction import parse_tx
from tests.tools.whole_block import parse_block
from transport.devchain.chain import DevChain

__all__ = [
    "Clock",
    "assert_whole",
    "height_of",
    "paid",
]


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


def assert_whole(chain: DevChain) -> None:
    """What is true of every chain at any time, whatever was done to it."""
    contents = chain.contents
    seen: set[str] = set()
    spent: set[tuple[str, int]] = set()
    for height, name in enumerate(contents.best):
        block = contents.blocks[name]
        parsed = parse_block(block.raw, height)
        assert parsed.header == block.header
        assert parsed.header.prev_hash == (
            contents.best[height - 1] if height else "00" * 32
        )
        assert len(block.raw) == block.size
        for position, tx in enumerate(block.txs):
            entry = contents.entries[tx.txid]
            assert (entry.block_hash, entry.position) == (name, position)
            assert parsed.txs[position] == entry.chain_tx == parse_tx(tx.raw)
            for txin in tx.inputs if position else ():
                assert txin.txid in seen, "spends what comes later"
                assert (txin.txid, txin.vout) not in spent, "spends twice"
                spent.add((txin.txid, txin.vout))
            seen.add(tx.txid)
    for txid, entry in contents.mempool.items():
        assert entry.block_hash is None
        for txin in entry.tx.inputs:
            assert txin.txid in seen
            assert (txin.txid, txin.vout) not in spent
            spent.add((txin.txid, txin.vout))
        seen.add(txid)
    assert seen == set(contents.entries)
    assert spent == set(contents.spenders)
    assert chain.mempool() == frozenset(contents.mempool)


def paid(chain: DevChain, address: str) -> list[tuple[str, int, int]]:
    """(txid, vout, satoshi) of all outputs to an address, best chain and mempool."""
    script = parse_address(address, "regtest").script
    return [
        (txid, vout, out.amount_sat)
        for txid in chain.contents.by_script.get(script, ())
        for vout, out in enumerate(chain.contents.entries[txid].tx.outputs)
        if out.script == script
    ]


def height_of(chain: DevChain, txid: str) -> int | None:
    entry = chain.contents.entries.get(txid)
    return None if entry is None or entry.block_hash is None else entry.height
