"""Esplora's REST interface as an address feed (Blockstream's, mempool.space's, ours).

It knows Esplora's paths, paging and shapes, and believes no field that was not checked.
It does not judge: a tip that goes back is reported as it is. Called from the blocking
source actor's greenlet, by one caller at a time.

What is not in the API's description, and what is done about it:

- Page lengths differ: `/address/:a/txs` holds 50 unconfirmed and 25 confirmed at
  Blockstream, other servers count both together or give pages of 10. So only a first
  page of fewer than 10 is taken for all. Beyond, pages are followed to their end and
  what was read is counted against `/address/:a`; too few is an error, as it also is
  when a reorg moved the pages while they were read.
- `/block/:hash/status` says "not in the best chain" of a block it has never heard of,
  too (electrs, get_block_status). That is no positive word, so which block stands at
  its height is asked as well, or whether its transactions are known.
"""

from typing import Annotated, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from engine.chain.feed import Output, SourceStatus, Tip
from engine.errors import SourceGarbage, SourceUnavailable
from engine.money.amount import MAX_SAT
from transport.chain.block_hashes import BlockHeights, is_hash
from transport.chain.http_client import (
    DEADLINE_S,
    Request,
    Response,
    SourceHttp,
    decode,
    garbage,
)

__all__ = ["MAX_PAGES", "Esplora"]

MAX_PAGES = 40
"""Pages of one address: about a thousand transactions. More is an error."""

_SHORT_PAGE = 10  # a page with fewer is the last one, whatever the server
_MAX_HEIGHT = 2**31 - 1

# Which first block a network has. Testnet is number 3 or 4; of regtest everybody has
# an own one.
_FIRST_BLOCKS = {
    "mainnet": ("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",),
    "testnet": (
        "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
        "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
    ),
    "signet": ("00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",),
}

T = TypeVar("T")
_Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Height = Annotated[int, msgspec.Meta(ge=0, le=_MAX_HEIGHT)]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Status(msgspec.Struct):
    confirmed: bool
    block_height: _Height | None = None
    block_hash: _Hash | None = None
    block_time: _Count | None = None


class _Vout(msgspec.Struct):
    scriptpubkey: str
    value: Annotated[int, msgspec.Meta(ge=0, le=MAX_SAT)]


class _Tx(msgspec.Struct):
    txid: _Hash
    vout: list[_Vout]
    status: _Status


class _Block(msgspec.Struct):
    id: _Hash
    height: _Height


class _BlockStatus(msgspec.Struct):
    in_best_chain: bool


class _Stats(msgspec.Struct):
    tx_count: _Count


class _Address(msgspec.Struct):
    chain_stats: _Stats
    mempool_stats: _Stats


class Esplora:
    """`AddressFeed` on an explorer at `base_url`, e.g. https://blockstream.info/api."""

    def __init__(
        self,
        base_url: str,
        network: str,
        name: str = "esplora",
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Raises ValueError for a URL that is none, without quoting it."""
        self.name = name
        self.requests = 0  # sent upstream so far
        self._http = SourceHttp(name, _checked(base_url), deadline_s=deadline_s)
        self._first_blocks = _FIRST_BLOCKS.get(network, ())
        self._network = network
        self._heights = BlockHeights()

    def __repr__(self) -> str:
        return f"<Esplora {self.name}>"

    def close(self) -> None:
        self._http.close()

    def status(self) -> SourceStatus:
        """One request while the tip is the same, else two: its hash, then that block.

        So height and hash are always of one block, whichever server answers.
        """
        self._check_network()
        block_hash = self._hash("/blocks/tip/hash", self._get("/blocks/tip/hash"))
        height = self._heights.get(block_hash)
        if height is None:
            path = f"/block/{block_hash}"
            body = self._find(path)
            if body is None:
                raise SourceUnavailable(
                    f"{self.name}: does not know its own last block"
                )
            block = self._decode(path, body, _Block)
            if block.id != block_hash:
                raise self._garbage(path, "another block than was asked for")
            height = self._heights.remember(block_hash, block.height)
        return SourceStatus(Tip(height, block_hash))

    def outputs(self, address: str, script: bytes) -> tuple[Output, ...]:
        """Every output with that script, mempool and best chain: all or an error.

        One request for a usual address; see the module docstring for others. The
        script decides what pays, never the explorer's word about addresses.
        """
        base = f"/address/{quote(address, safe='')}"
        txs = self._page(f"{base}/txs")
        if len(txs) >= _SHORT_PAGE:
            txs += self._further_pages(base, txs)
            txs += self._unlisted(base, txs)
        found: dict[tuple[str, int], Output] = {}
        for tx in txs:
            for output in _paying(tx, script.hex()):
                key = output.txid, output.vout
                found[key] = self._agreed(found.get(key), output, base)
        return tuple(found.values())

    def in_best_chain(self, block_hash: str, height: int | None = None) -> bool | None:
        """Whether the block is in the explorer's best chain; None if it cannot tell.

        One request for a block that is. `height` helps where this object has not been
        told the block's height before, as after a restart.
        """
        path = f"/block/{block_hash}/status"
        body = self._find(path)
        if body is None:
            return None
        if self._decode(path, body, _BlockStatus).in_best_chain:
            return True
        told = self._heights.get(block_hash)
        height = height if told is None else told
        if height is None:
            # Not in the best chain, but stored: a stale block.
            path = f"/block/{block_hash}/txids"
            body = self._find(path)
            return False if body and self._decode(path, body, list[_Hash]) else None
        there = self._block_at(height)
        return None if there is None else there == block_hash

    def _page(self, path: str) -> list[_Tx]:
        txs = self._decode(path, self._get(path), list[_Tx])
        for tx in txs:
            status = tx.status
            if status.confirmed:
                height, block_hash = status.block_height, status.block_hash
                if height is None or block_hash is None or status.block_time is None:
                    raise self._garbage(path, "a confirmed transaction without block")
                self._heights.remember(block_hash, height)
        return txs

    def _further_pages(self, base: str, first: list[_Tx]) -> list[_Tx]:
        """The confirmed transactions after those of the first page."""
        found: list[_Tx] = []
        page = first
        for _ in range(MAX_PAGES):
            last = next((tx.txid for tx in reversed(page) if tx.status.confirmed), None)
            page = self._page(f"{base}/txs/chain" + (f"/{last}" if last else ""))
            found += page
            if len(page) < _SHORT_PAGE:
                return found
        raise self._garbage(f"{base}/txs", f"more than {MAX_PAGES} pages: too many")

    def _unlisted(self, base: str, txs: list[_Tx]) -> list[_Tx]:
        """Unconfirmed transactions that the first page had no room for.

        Raises `SourceUnavailable` if not all that the explorer counts were read.
        """
        stats = self._decode(base, self._get(base), _Address)
        counted = stats.chain_stats.tx_count + stats.mempool_stats.tx_count
        more: list[_Tx] = []
        if len({tx.txid for tx in txs}) < counted:
            more = self._page(f"{base}/txs/mempool")
        if len({tx.txid for tx in (*txs, *more)}) < counted:
            raise SourceUnavailable(
                f"{self.name}: {base}/txs lists fewer transactions than there are"
            )
        return more

    def _agreed(self, known: Output | None, told: Output, path: str) -> Output:
        """One of two statements about an output: it may confirm while pages are read.

        Raises `SourceGarbage` if they contradict each other.
        """
        if known is None or known == told:
            return told
        if known.amount_sat != told.amount_sat:
            raise self._garbage(path, "two amounts for the same output")
        if known.block_hash and told.block_hash:
            raise self._garbage(path, "two blocks for the same transaction")
        return known if known.block_hash else told

    def _check_network(self) -> None:
        """Once: a payment on another network is none."""
        if self._first_blocks:
            if self._block_at(0) not in self._first_blocks:
                raise SourceGarbage(
                    f"{self.name}: serves another network than {self._network}"
                )
            self._first_blocks = ()

    def _block_at(self, height: int) -> str | None:
        path = f"/block-height/{height}"
        body = self._find(path)
        return None if body is None else self._hash(path, body)

    def _get(self, path: str) -> bytes:
        return self._answer(path, (200,)).body

    def _find(self, path: str) -> bytes | None:
        """The body, or None where there is nothing (404)."""
        answer = self._answer(path, (200, 404))
        return None if answer.status == 404 else answer.body

    def _answer(self, path: str, accept: tuple[int, ...]) -> Response:
        try:
            return self._http.ask(Request(path, accept=accept))
        finally:
            self.requests = self._http.requests

    def _decode(self, path: str, body: bytes, type_: type[T]) -> T:
        return decode(body, type_, f"{self.name}: {path}")

    def _hash(self, path: str, body: bytes) -> str:
        """The hash that the body is, as text."""
        text = body[:100].decode("ascii", "replace").strip()
        if len(body) > 100 or not is_hash(text):
            raise self._garbage(path, "no block hash")
        return text

    def _garbage(self, path: str, what: str) -> SourceGarbage:
        return garbage(f"{self.name}: {path}", what)


def _checked(base_url: str) -> str:
    """The URL of an explorer, which has no user and no query."""
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        raise ValueError("the explorer's URL cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the explorer's URL must be http(s)://host/path")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("the explorer's URL must have no user, query or fragment")
    return base_url


def _paying(tx: _Tx, script: str) -> list[Output]:
    if tx.status.confirmed:
        status = tx.status
        where = status.block_hash, status.block_height, status.block_time
    else:
        where = None, None, None
    return [
        Output(tx.txid, vout, output.value, *where)
        for vout, output in enumerate(tx.vout)
        if output.scriptpubkey.lower() == script
    ]
