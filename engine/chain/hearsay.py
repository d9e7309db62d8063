"""What of the mempool was pushed and not asked for (`engine.chain.push`). Pure.

What concerns nobody is taken on trust. If somebody is watched since whom it pays, it is
doubtful: the source is asked for it before anything is made of it.
"""

from engine.chain.mempool import Pool

__all__ = ["Hearsay"]


class Hearsay:
    """Of one pool, by txid; `engine.chain.script_index` owns both."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._heard: set[str] = set()
        self._doubtful: set[str] = set()  # those of them that pay somebody by now

    def add(self, txid: str) -> None:
        self._heard.add(txid)

    def watch(self, script: bytes) -> None:
        """Somebody is watched from now on."""
        if self._heard and self._pool.pays(script):
            paid = {txid for txid, _vout, _sat in self._pool.paying(script)}
            self._doubtful |= paid & self._heard

    def take_doubtful(self) -> list[str]:
        """Once: they are to be asked for."""
        doubtful = [txid for txid in self._doubtful if txid in self._pool]
        self._heard -= self._doubtful
        self._doubtful.clear()
        return doubtful

    def clear(self) -> None:
        """The source has listed all that is in the pool."""
        self._heard.clear()
        self._doubtful.clear()
