"""The dev chain as the way out: it verifies what it is sent, as a node does."""

from collections.abc import Sequence
from typing import Final

from engine.bitcoin.transaction import parse_tx
from engine.chain.broadcast import Outpoint, Sent, Sighting, Spender
from engine.chain.broadcast import Verdict as V  # noqa: N817 - as a word
from engine.errors import SourceUnavailable
from transport.calling.chain_words import sent_by
from transport.devchain.chain import DevChain, Rejected

__all__ = ["DevBroadcaster"]

RATE: Final = 1_000
"""There is no market: 1 sat/vB confirms with the next block."""


class DevBroadcaster:
    """Implements `engine.chain.broadcast.Broadcaster`."""

    name = "devchain"

    def __init__(self, chain: DevChain) -> None:
        self._chain = chain

    def send(self, raw: bytes) -> Sent:
        self._must_be_up()
        try:
            self._chain.broadcast(raw)
        except Rejected as error:
            return sent_by(None, str(error))
        return Sent(V.TAKEN)

    def raw_transaction(self, txid: str, block_hash: str = "") -> bytes:
        self._must_be_up()
        entry = self._chain.contents.entries.get(txid)
        if entry is None:
            raise SourceUnavailable(f"the dev chain does not know {txid}")
        return entry.tx.raw

    def fee_rate(self, blocks: int) -> int | None:
        self._must_be_up()
        return RATE

    def least_rate(self) -> int:
        return RATE

    def sighting(self, raw: bytes, after_height: int, block_hash: str = "") -> Sighting:
        self._must_be_up()
        txid = parse_tx(raw).txid
        entry = self._chain.contents.entries.get(txid)
        if entry is None:
            return Sighting()
        if entry.block_hash is None:
            return Sighting(in_mempool=True)
        depth = self._depth(entry.height)
        return Sighting(False, entry.block_hash, entry.height, depth)

    def spenders(
        self, coins: Sequence[Outpoint], after_height: int
    ) -> dict[Outpoint, Spender]:
        self._must_be_up()
        contents = self._chain.contents
        found: dict[Outpoint, Spender] = {}
        for coin in coins:
            txid = contents.spenders.get(coin)
            if txid is not None:
                entry = contents.entries[txid]
                is_mined = entry.block_hash is not None
                depth = self._depth(entry.height) if is_mined else 0
                found[coin] = Spender(txid, depth)
        return found

    def close(self) -> None: ...

    def _depth(self, height: int) -> int:
        return self._chain.contents.tip.height - height + 1

    def _must_be_up(self) -> None:
        if self._chain.outage() is not None:
            raise SourceUnavailable("the dev chain is down")
