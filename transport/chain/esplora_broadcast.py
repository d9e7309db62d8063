"""An Esplora explorer as the way out: sends what we sign, and shows where it is.

Paths as in Blockstream's API.md: `POST /tx` takes hex and answers the id, or 400 with
the node's words; `/tx/:txid/raw`, `/tx/:txid`, `/tx/:txid/outspend/:vout`,
`/fee-estimates` (sat/vB by target). What it says of blocks is of its best chain.

A connection of its own, beside the feed's; by one caller at a time.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from engine.bitcoin.transaction import parse_tx
from engine.chain.broadcast import Outpoint, Sent, Sighting, Spender, Verdict
from engine.chain.source_url import parse_source_url
from engine.errors import SourceUnavailable
from transport.calling.chain_words import sent_by
from transport.chain.http_client import (
    DEADLINE_S,
    Request,
    Response,
    SourceHttp,
    decode,
)

__all__ = ["EsploraBroadcaster"]

LEAST_RATE: Final = 1_000
"""Nodes relay nothing below 1 sat/vB by default; an explorer does not say its own."""

MAX_ASKED: Final = 20
"""Coins of one transaction of which it is asked who spent them."""

_CODE: Final = re.compile(r'"code"\s*:\s*(-?\d{1,6})')

T = TypeVar("T")


class _Status(msgspec.Struct):
    confirmed: bool
    block_height: int | None = None
    block_hash: str | None = None


class _Tx(msgspec.Struct):
    txid: str
    status: _Status


class _Outspend(msgspec.Struct):
    spent: bool
    txid: str | None = None
    status: _Status | None = None


class EsploraBroadcaster:
    """Implements `engine.chain.broadcast.Broadcaster`."""

    def __init__(
        self, base_url: str, name: str = "esplora", deadline_s: float = DEADLINE_S
    ) -> None:
        """Raises ValueError for a URL that is none, without quoting it."""
        self.name = name
        url = parse_source_url("esplora", base_url)
        self._http = SourceHttp(
            name,
            url.base + url.path,
            lambda: {"Cache-Control": "no-cache"},
            deadline_s=deadline_s,
        )

    def __repr__(self) -> str:
        return f"<EsploraBroadcaster {self.name}>"

    def close(self) -> None:
        self._http.close()

    def send(self, raw: bytes) -> Sent:
        answer = self._http.ask(
            Request(
                "/tx",
                raw.hex().encode(),
                accept=(200, 400),
                media_type="text/plain",
            )
        )
        if answer.status == 200:
            return Sent(Verdict.TAKEN)
        text = answer.body[:1_000].decode("utf-8", "replace")
        code = _CODE.search(text)
        words = "".join(c if c.isprintable() else "?" for c in text[:200])
        return sent_by(int(code[1]) if code else None, words)

    def raw_transaction(self, txid: str, block_hash: str = "") -> bytes:
        answer = self._http.ask(Request(f"/tx/{txid}/raw", accept=(200, 404)))
        if answer.status == 404:
            raise SourceUnavailable(f"{self.name}: does not know {txid}")
        return answer.body

    def fee_rate(self, blocks: int) -> int | None:
        """The estimate of the first target that is as long, or the longest below."""
        path = "/fee-estimates"
        found = self._decode(path, self._ask(path).body, dict[str, Decimal])
        targets = sorted(int(t) for t in found if t.isdecimal() and len(t) < 6)
        longer = [target for target in targets if target >= blocks]
        if not targets:
            return None
        rate = int(found[str(longer[0] if longer else targets[-1])] * 1_000)
        return max(rate, LEAST_RATE) if rate > 0 else None

    def least_rate(self) -> int:
        return LEAST_RATE

    def sighting(self, raw: bytes, after_height: int, block_hash: str = "") -> Sighting:
        txid = parse_tx(raw).txid
        path = f"/tx/{txid}"
        answer = self._ask(path, (200, 404))
        if answer.status == 404:
            return Sighting()
        found = self._decode(path, answer.body, _Tx)
        if found.txid != txid or not found.status.confirmed:
            return Sighting(in_mempool=found.txid == txid)
        height, name = found.status.block_height, found.status.block_hash
        if height is None or name is None:
            return Sighting(in_mempool=True)
        depth = self._tip() - height + 1
        return Sighting(False, name, height, max(depth, 1))

    def spenders(
        self, coins: Sequence[Outpoint], after_height: int
    ) -> dict[Outpoint, Spender]:
        found: dict[Outpoint, Spender] = {}
        tip: int | None = None
        for txid, vout in coins[:MAX_ASKED]:
            path = f"/tx/{txid}/outspend/{vout}"
            answer = self._ask(path, (200, 404))
            if answer.status == 404:
                continue
            spent = self._decode(path, answer.body, _Outspend)
            if not spent.spent or spent.txid is None:
                continue
            height = None if spent.status is None else spent.status.block_height
            if height is None:
                found[txid, vout] = Spender(spent.txid, 0)
                continue
            tip = self._tip() if tip is None else tip
            found[txid, vout] = Spender(spent.txid, max(tip - height + 1, 1))
        return found

    def _tip(self) -> int:
        path = "/blocks/tip/height"
        return self._decode(path, self._ask(path).body, int)

    def _ask(self, path: str, accept: tuple[int, ...] = (200,)) -> Response:
        return self._http.ask(Request(path, accept=accept))

    def _decode(self, path: str, body: bytes, type_: type[T]) -> T:
        return decode(body, type_, f"{self.name}: {path}")
