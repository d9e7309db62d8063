"""Whether an explorer's index of addresses has come as far as its last block.

It is another index than that of blocks and may be older, as while it is made anew, or
on another server behind one name; nothing in the API says so. So a payment of the last
block is looked for under its own address: histories list the newest first, so an index
that has the block lists it on the first page. That costs two requests for each new last
block. It shows how far the index has come, not that it has no holes.

Asks through the function that it is given. Called by one caller at a time.
"""

from collections.abc import Callable
from urllib.parse import quote

from engine.bitcoin.address import script_to_address
from engine.errors import SourceGarbage
from transport.chain.esplora_json import BareTx, Tx
from transport.chain.http_client import decode

__all__ = ["INDEX_AGAIN_S", "AddressIndex"]

INDEX_AGAIN_S = 15.0
"""How soon an index that is behind is looked at again, and how often at most one that
is not."""


class AddressIndex:
    """See the module docstring. `find`: the body at a path, None for 404; it raises
    `SourceError`. `now`: monotonic seconds."""

    def __init__(
        self,
        name: str,
        network: str,
        find: Callable[[str], bytes | None],
        now: Callable[[], float],
    ) -> None:
        self._name = name
        self._network = network
        self._find = find
        self._now = now
        self._looked_with: str | None = None  # the last block then
        self._looked_at: float | None = None
        self._had_it = False  # the last block, then
        self._doubt: str | None = None

    def look_again(self) -> None:
        """The explorer failed: what comes back may be another one."""
        self._looked_with = self._looked_at = None
        self._had_it = False

    def trouble(self, last_block: str) -> str | None:
        """What is wrong with it, for people; looked at when there is a new last block,
        after a failure, and until it is well again."""
        if last_block == self._looked_with and self._doubt is None:
            return None
        now, looked_at = self._now(), self._looked_at
        if looked_at is not None and now - looked_at < INDEX_AGAIN_S:
            return self._doubt
        self._looked_at = now
        has_it = self._has(last_block)
        if has_it is False and self._had_it:
            # It had the last block but one: a server among several needs a moment.
            self._had_it = False
            return None
        self._looked_with, self._had_it = last_block, has_it is True
        self._doubt = None
        if has_it is False:
            self._doubt = "its index of addresses is older than its last block"
        return self._doubt

    def _has(self, block_hash: str) -> bool | None:
        """Whether a payment of this block is listed under its address; None if that
        cannot be told."""
        try:
            address = self._paid_in(block_hash)
            if address is None:
                return None
            path = f"/address/{quote(address, safe='')}/txs/chain"
            body = self._find(path)
            if body is None:
                return None
            listed = decode(body, list[Tx], f"{self._name}: {path}")
        except SourceGarbage:
            return None  # too large, or refused: nothing is learnt from it
        return any(tx.status.block_hash == block_hash for tx in listed)

    def _paid_in(self, block_hash: str) -> str | None:
        """An address that is paid in this block; not by its first transaction if there
        is another: pools' addresses are much used."""
        path = f"/block/{block_hash}/txs"
        body = self._find(path)
        if body is None:
            return None
        txs = decode(body, list[BareTx], f"{self._name}: {path}")
        scripts = (vout.scriptpubkey for tx in reversed(txs) for vout in tx.vout)
        found = (self._address(script) for script in scripts)
        return next((address for address in found if address is not None), None)

    def _address(self, script: str) -> str | None:
        try:
            return script_to_address(bytes.fromhex(script), self._network)
        except ValueError:
            return None
