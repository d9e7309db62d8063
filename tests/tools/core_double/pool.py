"""The mempool of the double, after txmempool.cpp: its contents and its sequence number.

The number grows by one with each transaction that comes, and with each that leaves for
another reason than a block (doc/zmq.md). A transaction that spends what another one
spends takes its place (full replacement, the default since Core 28).
"""

from tests.tools.core_double.blocks import spent_by, txid_of

__all__ = ["Pool"]


class Pool:
    def __init__(self) -> None:
        self.txs: dict[str, bytes] = {}
        self.sequence = 1
        self.loaded = True  # GetLoadTried
        self._spenders: dict[tuple[str, int], str] = {}
        self.news: list[tuple[str, str, int]] = []  # ("A" or "R", txid, sequence)

    def add(self, raw: bytes) -> str:
        txid = txid_of(raw)
        if txid in self.txs:
            return txid
        for spent in spent_by(raw):
            if (other := self._spenders.get(spent)) is not None:
                self.remove(other)
        self.txs[txid] = raw
        self._spenders |= dict.fromkeys(spent_by(raw), txid)
        self._tell("A", txid)
        return txid

    def remove(self, txid: str) -> None:
        """Evicted, expired, replaced or in conflict with a block."""
        self._forget(txid)
        self._tell("R", txid)

    def remove_for_block(self, txs: tuple[bytes, ...]) -> None:
        for raw in txs:
            if (txid := txid_of(raw)) in self.txs:
                self._forget(txid)
        for raw in txs[1:]:
            for spent in spent_by(raw):
                if (other := self._spenders.get(spent)) is not None:
                    self.remove(other)

    def _forget(self, txid: str) -> None:
        for spent in spent_by(self.txs.pop(txid)):
            del self._spenders[spent]

    def _tell(self, what: str, txid: str) -> None:
        self.news.append((what, txid, self.sequence))
        self.sequence += 1
