"""An address's history from an Esplora explorer, read page by page, in few requests.

What is not in the API's description, and what is done about it:

- Page lengths differ: `/address/:a/txs` holds 50 unconfirmed and 25 confirmed at
  Blockstream (electrs, src/rest.rs), 25 of both together in mempool.space's electrs,
  and others give pages of 10. So only a first page of fewer than 10 is taken for all.
  Beyond, pages are followed until there is all that `/address/:a` counts.
- The confirmed ones come newest first. What was read to the end once need not be read
  again as long as nothing was reorganised: the first page leads up to it.
- Some addresses have more history than can be read. Servers refuse them (400 "Too many
  history entries" of Blockstream's electrs, "Too many history transactions" of
  mempool.space's), or there are more pages than anybody should ask for. Then what can
  be seen is shown, as `HistoryIncomplete`: the newest page, or the mempool. That costs
  no more than any other address; the rest is tried again after `TOO_LONG_S`.
- Others take so long that a proxy or we give up (504, a deadline). That is taken for a
  failure of the server once, and then for one of the address.

It judges no block: whether one stands is for `Esplora`. Called by one caller at a time.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from engine.chain.feed import Output
from engine.errors import HistoryIncomplete, SourceGarbage, SourceUnavailable
from engine.money.amount import MAX_SAT
from transport.chain.esplora_json import Address, Tx
from transport.chain.http_client import Response, decode, garbage
from transport.chain.unreadable_addresses import UnreadableAddresses

__all__ = ["MAX_PAGES", "MAX_TXS", "TOO_LONG_S", "AddressHistories"]

MAX_TXS = 1_000
"""Transactions of one address that are read. With more it is `HistoryIncomplete`."""

MAX_PAGES = 40
"""Pages of one address beyond the first: about a thousand transactions."""

TOO_LONG_S = 600.0
"""How long an address with too much history is not tried to be read whole again."""

FEWER_S = 60.0
"""And one of which less was listed than counted, as when a reorg moved its pages."""

MAX_REMEMBERED = 32
"""Addresses whose long history is kept: 32 bytes for each transaction."""

_SHORT_PAGE = 10  # a page with fewer is the last one, whatever the server
_MEMPOOL_PAGE = 50  # of unconfirmed ones there are never more on a page
_REFUSALS = (400, 413, 422, 500)  # with these a server may refuse an address
_TOO_MUCH = ("many", "big", "long", "large", "exceed", "limit")  # words of such texts

Ask = Callable[[str, tuple[int, ...]], Response]
"""GET a path; any status but these is an error. Raises `SourceError`."""


@dataclass
class _Read:
    """What was read to the end of one address: its confirmed transactions."""

    txids: frozenset[bytes]
    outputs: tuple[Output, ...]


class AddressHistories:
    """See the module docstring. `now`: monotonic seconds."""

    def __init__(
        self, name: str, ask: Ask, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._ask = ask
        self._read: OrderedDict[str, _Read] = OrderedDict()
        self._unreadable = UnreadableAddresses(now)

    def forget_blocks(self) -> None:
        """A reorg: confirmed transactions may be so no longer."""
        self._read.clear()

    def outputs(self, address: str, script: bytes) -> tuple[Output, ...]:
        """Every output with that script: all, or an error that may hold some.

        One request for a usual address. The script decides what pays, never the
        explorer's word about addresses. Raises `HistoryIncomplete` for an address that
        cannot be read whole, `SourceError` for what is no answer.
        """
        base = f"/address/{quote(address, safe='')}"
        try:
            outputs = self._outputs(address, base, script)
        except SourceUnavailable as error:
            reason = self._fails_again(address, base, error)
            if reason is None:
                raise
            raise HistoryIncomplete(reason) from error
        self._unreadable.answered(address)
        return outputs

    def _outputs(self, address: str, base: str, script: bytes) -> tuple[Output, ...]:
        known = self._unreadable.trouble(address)
        if known is not None and known.shows_nothing:
            raise HistoryIncomplete(known.reason, self._waiting(base, script))
        first = self._page(f"{base}/txs")
        if first is None:
            reason = f"refuses to list {base}/txs, as it has too much history"
            reason = self._note(address, reason, TOO_LONG_S, shows_nothing=True)
            raise HistoryIncomplete(reason, self._waiting(base, script))
        if len(first) < _SHORT_PAGE:
            return self._merged(first, (), script, base)
        if known is not None:
            raise HistoryIncomplete(known.reason, self._merged(first, (), script, base))
        read = self._read.get(address)
        if read is not None and _leads_up_to(first, read.txids):
            self._read.move_to_end(address)
            outputs = self._merged(first, read.outputs, script, base)
            self._keep(address, first, read.txids, outputs)
            return outputs
        return self._whole(address, base, script, first)

    def _whole(
        self, address: str, base: str, script: bytes, first: list[Tx]
    ) -> tuple[Output, ...]:
        txs = first
        try:
            counted = self._count(base)
            if counted <= MAX_TXS:
                txs = first + self._further_pages(base, first, counted)
        except SourceUnavailable as error:
            reason = f"fails beyond the first page of {base}/txs ({error.detail})"
            reason = self._note(address, reason, FEWER_S)
            raise HistoryIncomplete(
                reason, self._merged(first, (), script, base)
            ) from error
        outputs = self._merged(txs, (), script, base)
        if counted > MAX_TXS:
            reason = f"has too many transactions in {base}/txs"
            reason = self._note(address, reason, TOO_LONG_S)
            raise HistoryIncomplete(reason, outputs)
        if len({tx.txid for tx in txs}) < counted:
            reason = f"lists fewer transactions in {base}/txs than there are"
            reason = self._note(address, reason, FEWER_S)
            raise HistoryIncomplete(reason, outputs)
        self._keep(address, txs, frozenset(), outputs)
        return outputs

    def _note(
        self, address: str, reason: str, for_s: float, *, shows_nothing: bool = False
    ) -> str:
        reason = f"{self._name}: {reason}"
        self._unreadable.note(address, reason, for_s, shows_nothing=shows_nothing)
        return reason

    def _fails_again(
        self, address: str, base: str, error: SourceUnavailable
    ) -> str | None:
        """Once it may be the server. If it is this address again, while its last block
        could be told before, it is the address: nobody else is to wait for it."""
        times = self._unreadable.failed(address)
        if times < 2:
            return None
        reason = f"fails for {base}/txs, and not for its last block ({error.detail})"
        for_s = min(times * FEWER_S, TOO_LONG_S)
        return self._note(address, reason, for_s, shows_nothing=True)

    def _further_pages(self, base: str, first: list[Tx], counted: int) -> list[Tx]:
        """What the first page had no room for; as much of it as is listed."""
        found: list[Tx] = []
        seen = {tx.txid for tx in first}
        page = first
        for _ in range(MAX_PAGES):
            if len(seen) >= counted:
                return found
            last = next((tx.txid for tx in reversed(page) if tx.status.confirmed), None)
            path = f"{base}/txs/chain" + (f"/{last}" if last else "")
            page = self._page(path) or []
            found += page
            seen.update(tx.txid for tx in page)
            if len(page) < _SHORT_PAGE:
                break
        if len(seen) < counted:
            found += self._page(f"{base}/txs/mempool") or []
        return found

    def _waiting(self, base: str, script: bytes) -> tuple[Output, ...]:
        """What is in the mempool, of an address that shows nothing else."""
        txs = self._page(f"{base}/txs/mempool") or []
        return self._merged(txs, (), script, base)

    def _count(self, base: str) -> int:
        """Transactions of the address; many if the server refuses to count them."""
        body = self._body(base)
        if body is None:
            return MAX_TXS + 1
        stats = decode(body, Address, f"{self._name}: {base}")
        return stats.chain_stats.tx_count + stats.mempool_stats.tx_count

    def _page(self, path: str) -> list[Tx] | None:
        """None: the server refuses this address."""
        body = self._body(path)
        if body is None:
            return None
        txs = decode(body, list[Tx], f"{self._name}: {path}")
        for tx in txs:
            status = tx.status
            where = status.block_height, status.block_hash, status.block_time
            if status.confirmed and None in where:
                raise self._garbage(path, "a confirmed transaction without block")
            if sum(vout.value for vout in tx.vout) > MAX_SAT:
                raise self._garbage(path, "a transaction of more than 21 million BTC")
        return txs

    def _body(self, path: str) -> bytes | None:
        """The answer; None: refused, as this address has too much history."""
        answer = self._ask(path, (200, *_REFUSALS))
        if answer.status == 200:
            return answer.body
        text = answer.body[:1_000].decode("ascii", "replace").lower()
        if not text.startswith("<") and any(word in text for word in _TOO_MUCH):
            return None
        where = f"{self._name}: {path}"
        if answer.status == 500:
            raise SourceUnavailable(f"{where} failed (500)")
        raise SourceGarbage(f"{where} answered with status {answer.status}")

    def _merged(
        self, txs: list[Tx], older: tuple[Output, ...], script: bytes, base: str
    ) -> tuple[Output, ...]:
        """The outputs that pay, each once, however often it was listed."""
        found: dict[tuple[str, int], Output] = {}
        told = [output for tx in txs for output in _paying(tx, script.hex())]
        for output in (*told, *older):
            key = output.txid, output.vout
            found[key] = self._agreed(found.get(key), output, base)
        if sum(output.amount_sat for output in found.values()) > MAX_SAT:
            raise self._garbage(f"{base}/txs", "more than 21 million BTC")
        return tuple(found.values())

    def _agreed(self, known: Output | None, told: Output, base: str) -> Output:
        """One of two statements about an output: it may confirm while pages are read.

        Raises `SourceGarbage` if they contradict each other.
        """
        if known is None or known == told:
            return told
        if known.amount_sat != told.amount_sat:
            raise self._garbage(f"{base}/txs", "two amounts for the same output")
        if known.block_hash and told.block_hash:
            raise self._garbage(f"{base}/txs", "two blocks for the same transaction")
        return known if known.block_hash else told

    def _keep(
        self,
        address: str,
        txs: list[Tx],
        older: frozenset[bytes],
        outputs: tuple[Output, ...],
    ) -> None:
        mined = {bytes.fromhex(tx.txid) for tx in txs if tx.status.confirmed}
        in_blocks = tuple(o for o in outputs if o.block_hash is not None)
        self._read[address] = _Read(older | mined, in_blocks)
        if len(self._read) > MAX_REMEMBERED:
            self._read.popitem(last=False)

    def _garbage(self, path: str, what: str) -> SourceGarbage:
        return garbage(f"{self._name}: {path}", what)


def _leads_up_to(first: list[Tx], read: frozenset[bytes]) -> bool:
    """Whether nothing can lie between this first page and what was read before."""
    waiting = sum(not tx.status.confirmed for tx in first)
    return waiting < _MEMPOOL_PAGE and any(
        tx.status.confirmed and bytes.fromhex(tx.txid) in read for tx in first
    )


def _paying(tx: Tx, script: str) -> list[Output]:
    where: tuple[str | None, int | None, int | None] = None, None, None
    if tx.status.confirmed:
        status = tx.status
        where = status.block_hash, status.block_height, status.block_time
    coinbase = any(vin.is_coinbase for vin in tx.vin)
    return [
        Output(tx.txid, vout, output.value, *where, is_coinbase=coinbase)
        for vout, output in enumerate(tx.vout)
        if output.scriptpubkey.lower() == script
    ]
