"""Simulated sources: the chain as nodes and explorers serve it, with their faults.

A source serves a snapshot: the newest when it is well, an old one when it lags, none
when it is down. Its mode is set from outside. `on_call` runs before every call; there
the world may change in the middle of a round. What it answers with is written into the
world's record, so that the judges know what the engine was really told.
"""

from collections.abc import Callable, Sequence
from random import Random

from engine.chain.feed import Block, ChainTx, Header, Output, SourceStatus
from engine.errors import SourceBusy, SourceGarbage, SourceUnavailable
from tests.simulation.chain import SimChain, Snapshot
from tests.simulation.record import Record

__all__ = ["MODES", "BugInFeed", "SimAddressFeed", "SimBlockFeed", "SimSource"]

MODES = (
    "down", "busy", "flaky", "garbage", "bug",  # no answer that could be believed
    "lag", "back",  # what was, not what is; an older state than it showed before
    "fork",  # a branch of its own
    "omit", "amnesia", "phantom",  # lies: by silence, an empty mempool, mere names
)  # fmt: skip

_STUCK = {"lag", "back", "fork"}

_OLD = 12  # snapshots that a source may fall back to


class BugInFeed(Exception):
    """Not a SourceError: what a programming mistake in a feed looks like."""


class SimSource:
    """What both kinds of source share."""

    def __init__(
        self,
        name: str,
        chain: SimChain,
        random: Random,
        record: Record,
        *,
        forgetful: bool,
    ) -> None:
        self.name = name
        self.requests = 0
        self.mode = "ok"
        self.unsteady = 0.0  # how often it fails on one address of many
        self._planned: dict[int, str] = {}  # calls from now -> the mode from then on
        self.on_call: Callable[[], None] = lambda: None
        self.now: Callable[[], int] = lambda: 0  # the node's clock, ms
        self.faults = 0
        self._chain = chain
        self._random = random
        self._record = record
        self._forgetful = forgetful  # as bcoin: a rolled back block is unknown
        self._seen = chain.now
        self._base: Snapshot | None = chain.now  # the chain's state that it stands on
        self._old = [chain.now]

    @property
    def is_well(self) -> bool:
        return self.mode == "ok" and not self._planned and not self.unsteady

    def set_mode(self, mode: str) -> None:
        self.mode = mode
        self._planned.clear()
        self._base = None
        if mode == "back":
            self._seen = self._random.choice(self._old)
        elif mode == "fork":
            self._seen = self._chain.rival(self._random)

    def plan_mode(self, mode: str, after: int, calls: int) -> None:
        """It has this mode for so many calls, after some that it still answers well."""
        self.set_mode("ok")
        self._planned = {after: mode, after + calls: "ok"}

    def _change_as_planned(self) -> None:
        planned = {left - 1: mode for left, mode in self._planned.items()}
        now = planned.pop(-1, None)
        if now is not None:
            self.set_mode(now)
        self._planned = planned

    def _call(self) -> Snapshot:
        self.requests += 1
        self.on_call()
        if self._planned:
            self._change_as_planned()
        self._fail()
        if self.mode not in _STUCK and self._base is not self._chain.now:
            self._base = self._seen = self._chain.now
            self._old = [*self._old[-_OLD:], self._seen]
        if self.mode == "amnesia" and self._seen.pool:
            self.faults += 1
            self._seen = Snapshot(self._seen.best, {}, self._seen.made)
        self._record.on_answer(self.name, self.now(), self._seen)
        return self._seen

    def _fail(self) -> None:
        mode, random = self.mode, self._random
        if mode == "down" or (mode == "flaky" and random.random() < 0.3):
            self.faults += 1
            raise SourceUnavailable(f"{self.name}: connection refused")
        if mode == "busy" and random.random() < 0.7:
            self.faults += 1
            wait_s = random.choice((None, 1.0, 120.0))
            raise SourceBusy(f"{self.name}: 429 Too Many Requests", wait_s)
        if mode == "garbage" and random.random() < 0.5:
            self.faults += 1
            raise SourceGarbage(f"{self.name}: not JSON")
        if mode == "bug" and random.random() < 0.1:
            self.faults += 1
            raise BugInFeed(self.name)

    def status(self) -> SourceStatus:
        return SourceStatus(self._call().tip)

    def _header(self, seen: Snapshot, block_hash: str) -> Header | None:
        number = self._chain.number.get(block_hash)
        if number is None or number >= seen.made:
            return None
        best = self._chain.in_best(seen, block_hash)
        if self._forgetful and not best:
            return None
        h = self._chain.blocks[block_hash].header
        return Header(h.hash, h.prev_hash, h.height, h.time_s, best)


class SimBlockFeed(SimSource):
    """A node that gives blocks and the mempool."""

    lowest = 0

    def header(self, block_hash: str) -> Header | None:
        return self._header(self._call(), block_hash)

    def block_hash(self, height: int) -> str | None:
        return self._call().at(height)

    def block(self, block_hash: str) -> Block:
        seen = self._call()
        if self.mode == "garbage" and self._random.random() < 0.5:
            self.faults += 1
            return self._chain.blocks[seen.best[0]]
        if self._header(seen, block_hash) is None:
            raise SourceUnavailable(f"{self.name}: no such block {block_hash}")
        return self._chain.blocks[block_hash]

    def mempool(self) -> frozenset[str]:
        names = frozenset(self._call().pool)
        if self.mode == "phantom":
            self.faults += 1
            return names | {f"{self._random.getrandbits(256):064x}"}
        return names

    def transactions(self, txids: Sequence[str]) -> dict[str, ChainTx]:
        pool = self._call().pool
        return {txid: pool[txid] for txid in sorted(txids) if txid in pool}


class SimAddressFeed(SimSource):
    """An explorer that is asked address by address."""

    def outputs(self, address: str, script: bytes) -> tuple[Output, ...]:
        """In the mode "omit" it leaves out what is in a block: a lie by silence."""
        seen = self._call()
        if self.unsteady and self._random.random() < self.unsteady:
            self.faults += 1
            raise SourceUnavailable(f"{self.name}: 504 Gateway Timeout")
        outputs = self._chain.outputs(seen, script)
        if self.mode == "omit":
            self.faults += 1
            self._record.on_left_out(self.name)
            return tuple(o for o in outputs if o.block_hash is None)
        return tuple(outputs)

    def in_best_chain(self, block_hash: str, height: int | None = None) -> bool | None:
        header = self._header(self._call(), block_hash)
        return None if header is None else header.in_best_chain
