"""Esplora's REST interface as an address feed (Blockstream's, mempool.space's, ours).

It knows Esplora's paths and shapes, and believes nothing that was not held against
something else the explorer says: which last block (`explorer_tip`), which history
(`esplora_history`), how far its index of addresses has come (`esplora_index`), and,
here, where a payment's block stands. What it finds wrong with the explorer as a whole
is `SourceStatus.doubt`; it does not judge what follows from it. A tip that goes back
is reported as it is. Called from the blocking source actor's greenlet, by one caller at
a time.

What is not in the API's description, and what is done about it:

- `/block/:hash` and `/block-height/:height` know the best chain only (electrs,
  header_by_hash): a server behind the others answers 404 for their last block.
- `/block/:hash/status` says "not in the best chain" of a block it has never heard of,
  too (electrs, get_block_status). That is no positive word, so which block stands at
  its height is asked as well, or whether its transactions are known.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from engine.chain.feed import Output, SourceStatus
from engine.chain.source_url import parse_source_url
from engine.errors import HistoryIncomplete, SourceGarbage, SourceUnavailable
from transport.chain.block_hashes import BlockHeights, is_hash
from transport.chain.esplora_history import AddressHistories
from transport.chain.esplora_index import AddressIndex
from transport.chain.esplora_json import Block, BlockStatus, Hash, hashes_to_its_id
from transport.chain.explorer_tip import TipGuard, TipVerdict
from transport.chain.http_client import (
    DEADLINE_S,
    Request,
    Response,
    SourceHttp,
    decode,
    garbage,
)

__all__ = ["MAX_BLOCKS", "UNKNOWN_TIP_S", "Esplora"]

UNKNOWN_TIP_S = 30.0
"""So long an explorer may not know the last block that it tells of: behind one name
there are several servers, and one of them has it first."""

MAX_BLOCKS = 25
"""Blocks that are looked for at once, for one address: an address that was paid in
more has the others looked for next time."""

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

_BARRED = (401, 403, 451)  # of what stands before it: it has no credentials itself

T = TypeVar("T")


class Esplora:
    """`AddressFeed` on an explorer at `base_url`, e.g. https://blockstream.info/api."""

    def __init__(
        self,
        base_url: str,
        network: str,
        name: str = "esplora",
        *,
        deadline_s: float = DEADLINE_S,
        wall: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ValueError for a URL that is none, without quoting it."""
        self.name = name
        self.requests = 0  # sent upstream so far
        url = parse_source_url("esplora", base_url)
        self._http = SourceHttp(
            name, url.base + url.path, headers=_fresh, deadline_s=deadline_s
        )
        self._first_blocks = _FIRST_BLOCKS.get(network, ())
        self._network = network
        self._now = now
        self._guard = TipGuard(network, wall)
        self._histories = AddressHistories(name, self._answer, now)
        self._stands = BlockHeights()  # blocks that were seen to stand at their height
        self._unknown_since: float | None = None  # a tip that it does not know itself
        self._index = AddressIndex(name, network, self._find, now)

    def __repr__(self) -> str:
        return f"<Esplora {self.name}>"

    def close(self) -> None:
        self._http.close()

    def status(self) -> SourceStatus:
        """One request while the tip is the same; a new one costs one to three more, and
        two for the index of addresses."""
        self._check_network()
        block_hash = self._tip_hash()
        verdict = self._guard.known(block_hash) or self._judged(block_hash)
        doubt = verdict.doubt or self._index.trouble(verdict.tip.hash)
        return SourceStatus(verdict.tip, verdict.tip_time_s, doubt=doubt)

    def outputs(self, address: str, script: bytes) -> tuple[Output, ...]:
        """Every output with that script, mempool and best chain: all or an error.

        One request for a usual address, and one for each block that pays and was not
        looked for before. An output whose block is not seen to stand at its height is
        told as unverified, by `HistoryIncomplete`: it may be news, or long known and
        older than any payment, or not be at all.
        """
        reason = None
        try:
            listed = self._histories.outputs(address, script)
        except HistoryIncomplete as incomplete:
            reason, listed = incomplete.detail, incomplete.outputs
        wrong = self._misplaced(listed)
        if not wrong and reason is None:
            return listed
        shown = tuple(
            replace(output, verified_by_source=False)
            if output.block_hash in wrong
            else output
            for output in listed
        )
        raise HistoryIncomplete(reason or next(iter(wrong.values())), shown)

    def in_best_chain(self, block_hash: str, height: int | None = None) -> bool | None:
        """Whether the block is in the explorer's best chain; None if it cannot tell.

        One request for a block that is. `height` helps where this object has not been
        told the block's height before, as after a restart.
        """
        path = f"/block/{block_hash}/status"
        body = self._find(path)
        if body is None:
            return None
        if self._decode(path, body, BlockStatus).in_best_chain:
            return True
        told = self._stands.get(block_hash)
        height = height if told is None else told
        if height is None:
            # Not in the best chain, but stored: a stale block.
            path = f"/block/{block_hash}/txids"
            body = self._find(path)
            return False if body and self._decode(path, body, list[Hash]) else None
        there = self._block_at(height)
        return None if there is None else there == block_hash

    # -- the last block ----------------------------------------------------------------

    def _judged(self, block_hash: str) -> TipVerdict:
        """Of a last block that was not believed to be one before."""
        path = f"/block/{block_hash}"
        body = self._find(path)
        if body is None:
            return self._unknown()
        block = self._decode(path, body, Block)
        proven = hashes_to_its_id(block)
        if block.id != block_hash or proven is False:
            raise self._garbage(path, "another block than was asked for")
        self._unknown_since = None
        try:
            verdict = self._guard.judge(
                block, proven=proven is True, block_at=self._block_at
            )
        except ValueError as error:
            raise SourceGarbage(f"{self.name}: {error}") from error
        if verdict.reorg:
            self._stands = BlockHeights()
            self._histories.forget_blocks()
        if verdict.doubt is None:
            self._stands.remember(block_hash, block.height)
        return verdict

    def _unknown(self) -> TipVerdict:
        """It does not know its own last block: another server has it already, or none.

        Until that is told for long, what it said before is gone by.
        """
        if self._unknown_since is None:
            self._unknown_since = self._now()
        since_s = self._now() - self._unknown_since
        text = "does not know its own last block"
        kept = self._guard.kept(text if since_s >= UNKNOWN_TIP_S else None)
        if kept is None:
            raise SourceUnavailable(f"{self.name}: {text}")
        return kept

    # -- blocks of payments ------------------------------------------------------------

    def _misplaced(self, outputs: Sequence[Output]) -> dict[str, str]:
        """The blocks of these that are not seen to stand at their heights, and why.

        The newest are looked for first; of many only some at a time.
        """
        blocks = {(o.block_height or 0, o.block_hash) for o in outputs if o.block_hash}
        wrong: dict[str, str] = {}
        asked = 0
        for height, block_hash in sorted(blocks, reverse=True):
            assert block_hash is not None
            known = self._stands.get(block_hash)
            if known == height:
                continue
            # Of two heights the higher is believed, which is less depth.
            may_stand = known is None or height > known
            if may_stand and asked >= MAX_BLOCKS:
                wrong[block_hash] = (
                    "pays an address in more blocks than were looked for"
                )
            elif not may_stand or not self._look_for(block_hash, height):
                wrong[block_hash] = (
                    f"names a block of height {height:,} for a transaction, and does"
                    " not have it there"
                )
            asked += may_stand
        return {block: f"{self.name}: {why}" for block, why in wrong.items()}

    def _look_for(self, block_hash: str, height: int) -> bool:
        """Whether it stands there in the explorer's best chain. One request."""
        if self._block_at(height) != block_hash:
            return False
        self._stands.remember(block_hash, height)
        return True

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

    def _tip_hash(self) -> str:
        path = "/blocks/tip/hash"
        body = self._find(path)
        if body is None:
            raise SourceGarbage(
                f"{self.name} has nothing at {path} (404): its URL must end where the"
                " API begins, as in https://blockstream.info/api"
            )
        return self._hash(path, body)

    def _find(self, path: str) -> bytes | None:
        """The body, or None where there is nothing (404)."""
        answer = self._answer(path, (200, 404))
        return None if answer.status == 404 else answer.body

    def _answer(self, path: str, accept: tuple[int, ...]) -> Response:
        try:
            answer = self._http.ask(Request(path, accept=(*accept, *_BARRED)))
        except SourceUnavailable:
            self._index.look_again()  # whatever comes back may be another one
            raise
        finally:
            self.requests = self._http.requests
        if answer.status in _BARRED:
            raise SourceUnavailable(
                f"{self.name} refuses us ({answer.status}): it may bar this machine's"
                " address or country, or want a browser",
                answer.retry_after_s,
            )
        return answer

    def _decode(self, path: str, body: bytes, type_: type[T]) -> T:
        return decode(body, type_, f"{self.name}: {path}")

    def _hash(self, path: str, body: bytes) -> str:
        """The hash that the body is, as text."""
        text = body[:100].decode("ascii", "replace").strip()
        if len(body) > 100 or not is_hash(text):
            page = body.lstrip()[:1] == b"<"
            what = "a web page instead of a hash" if page else "no block hash"
            raise self._garbage(path, what)
        return text

    def _garbage(self, path: str, what: str) -> SourceGarbage:
        return garbage(f"{self.name}: {path}", what)


def _fresh() -> dict[str, str]:
    """What is asked of caches before it (electrs lets them keep answers for 10 s)."""
    return {"Cache-Control": "no-cache"}
