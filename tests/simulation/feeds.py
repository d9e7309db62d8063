"""Simulated sources: the chain as nodes and explorers serve it, with their faults.

A source serves a snapshot: the newest when it is well, an old one when it lags, a lower
one when it is behind, none when it is down. Its mode is set from outside. `on_call`
runs before every call; there the world may change in the middle of a round. What it
answers with, and what it says of itself, is written into the world's record, so that
the judges know what the engine was really told.

A source that is behind is as Bitcoin Core or an explorer is then (`behind.py`); what is
simulated is the port, so what an adapter makes of their answers is made here too: of a
block above the tip nobody can tell whether it is in the best chain.
"""

from collections.abc import Callable, Sequence
from random import Random

from msgspec.structs import replace

from engine.chain.feed import Block, ChainTx, Header, Output, SourceStatus
from engine.chain.packed_tx import PackedTx, pack
from engine.errors import SourceBusy, SourceGarbage, SourceUnavailable
from tests.simulation.behind import BEHIND, CROWD, Pose, draw_pose
from tests.simulation.chain import SimChain, Snapshot
from tests.simulation.pushes import Later, SimPush
from tests.simulation.record import Record
from tests.simulation.rivals import Rivals
from tests.simulation.wrong import DOUBT, WRONG, wrong_outputs

__all__ = ["BugInFeed", "SimAddressFeed", "SimBlockFeed", "SimSource"]

_NO_ANSWER = ("down", "busy", "flaky", "garbage", "bug")  # none to be believed

_MODES = (
    *_NO_ANSWER,
    "lag", "back",  # what was, not what is; an older state than it showed before
    "fork",  # a branch of its own
    "amnesia", "phantom",  # lies: an empty mempool, mere names
    "behind", "days old", "download", "loading",  # it lacks something; see BEHIND
    "tip too high",  # as one that its adapter does not believe
)  # fmt: skip

_PACKED_CROWD = {txid: pack(tx) for txid, tx in CROWD.items()}  # as from a node

_STUCK = {"lag", "back", "fork"}

_OLD = 12  # snapshots that a source may fall back to


class BugInFeed(Exception):
    """Not a SourceError: what a programming mistake in a feed looks like."""


class SimSource:
    """What both kinds of source share."""

    modes: Sequence[str] = _MODES

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
        self.since = 0  # true ms: when it was set
        self.unsteady = 0.0  # how often it fails on one address of many
        self._planned: dict[int, str] = {}  # calls from now -> the mode from then on
        self.on_call: Callable[[], None] = lambda: None
        self.now: Callable[[], int] = lambda: 0  # the node's clock, ms
        self.true_ms: Callable[[], int] = lambda: 0
        self.faults = 0
        self._chain = chain
        self._random = random
        self._record = record
        self._forgetful = forgetful  # as bcoin: a rolled back block is unknown
        self._seen = chain.now
        self._base: Snapshot | None = chain.now  # the chain's state that it stands on
        self._old = [chain.now]
        self._pose: Pose | None = None  # how it is behind

    @property
    def is_well(self) -> bool:
        return self.mode == "ok" and not self._planned and not self.unsteady

    @property
    def is_plainly_behind(self) -> bool:
        """It answers, and it cannot be missed that it is no witness."""
        pose = self._pose
        return pose is not None and pose.is_plain and not self._planned

    def may_push(self, random: Random, later: Later) -> None:
        """Whether it publishes what happens, too. Most sources do not."""

    def begin_listening(self) -> None:
        """A new process is there."""

    def set_mode(self, mode: str) -> None:
        self.mode = mode
        self.since = self.true_ms()
        self._planned.clear()
        self._base = self._pose = None
        if mode == "back":
            self._seen = self._random.choice(self._old)
        elif mode == "fork":
            self._seen = self._chain.rival(self._random)
        elif mode in BEHIND:
            self._pose = draw_pose(mode, self._random, len(self._chain.now.best))

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
        if self.mode in _NO_ANSWER:
            self._fail()
        if self.mode not in _STUCK and self._base is not self._chain.now:
            self._base = self._chain.now
            self._seen = self._now_seen()
            self._old = [*self._old[-_OLD:], self._seen]
        self._record.on_answer(self.name, self.now(), self._seen)
        return self._seen

    def _now_seen(self) -> Snapshot:
        now = self._chain.now
        if self._pose is not None:
            self.faults += 1
            return self._pose.view(self._chain)
        if self.mode == "amnesia" and now.pool:
            self.faults += 1
            return Snapshot(now.best, {}, now.made)
        return now

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
        """What it says of itself; that it catches up shows here first."""
        pose = self._pose
        if pose is not None:
            pose.climb(self._random)
            if pose.is_over:
                self.set_mode("ok")
            self._base = None
        seen = self._call()
        status = self._status(seen)
        if self._pose is not None:
            status = self._pose.tell(status, self._chain)
        if self.mode == "tip too high":
            self.faults += 1
            status = replace(status, doubt=DOUBT)
        self._record.on_status(self.name, self.now(), status)
        return status

    def _status(self, seen: Snapshot) -> SourceStatus:
        """If nothing is wrong."""
        time_s = self._chain.blocks[seen.tip.hash].header.time_s
        return SourceStatus(seen.tip, time_s)

    def _header(self, seen: Snapshot, block_hash: str) -> Header | None:
        """Of a block above its tip it cannot tell whether it is in its chain."""
        number = self._chain.number.get(block_hash)
        if number is None or number >= seen.made:
            return None
        h = self._chain.blocks[block_hash].header
        best = seen.at(h.height) == block_hash
        if self._forgetful and not best:
            return None
        can_tell = h.height <= seen.tip.height
        where = best if can_tell else None
        return Header(h.hash, h.prev_hash, h.height, h.time_s, where)


class SimBlockFeed(SimSource):
    """A node that gives blocks and the mempool."""

    lowest = 0
    push: SimPush | None = None
    _begins_anew = False  # as its mode is another

    def may_push(self, random: Random, later: Later) -> None:
        if random.random() < 0.5:
            self.push = SimPush(self, self._chain, self._record, random, later)

    def begin_listening(self) -> None:
        if self.push is not None:
            self.push.begin_listening()

    def set_mode(self, mode: str) -> None:
        super().set_mode(mode)
        self._begins_anew = True

    def _call(self) -> Snapshot:
        if self.push is None:
            return super()._call()
        self.push.on_call()
        try:
            seen = super()._call()
        except (SourceUnavailable, SourceBusy, SourceGarbage, BugInFeed):
            self.push.on_trouble()
            raise
        tell = self.push.begin_anew if self._begins_anew else self.push.on_state
        self._begins_anew = False
        tell(seen, frozenset(self._pool(seen)))
        if self.push.is_behind:
            self._record.on_unheard(self.name)
        return seen

    def _status(self, seen: Snapshot) -> SourceStatus:
        status, height = super()._status(seen), seen.tip.height
        size = None if self.push is None else len(self._pool(seen))
        return replace(
            status, headers=height, chainwork=2 * height + 2, mempool_size=size
        )

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
        block = self._chain.blocks[block_hash]
        self._rivals.on_block([tx.txid for tx in block.txs[1:]])
        return self._chain.packed(block_hash)

    def mempool(self) -> frozenset[str]:
        seen = self._call()
        names = self._pool(seen).keys()
        self._record.on_names(self.name, seen)
        if self._pose is None:
            self._record.on_mempool(self.name, is_lost=self.mode == "amnesia")
        self._rivals.on_listed(names)
        if self.mode == "phantom":
            self.faults += 1
            return frozenset({*names, f"{self._random.getrandbits(256):064x}"})
        return frozenset(names)

    def transactions(self, txids: Sequence[str]) -> dict[str, ChainTx | PackedTx]:
        pool = self._pool(self._call())
        found: dict[str, ChainTx | PackedTx] = {
            txid: _PACKED_CROWD.get(txid) or pool[txid]
            for txid in sorted(txids)
            if txid in pool
        }
        self._rivals.on_read(found.keys() & self._chain.txs.keys())
        return found

    @property
    def _rivals(self) -> Rivals:
        return self._record.rivals(self.name)

    def _pool(self, seen: Snapshot) -> dict[str, ChainTx]:
        """With what pays others. It goes first and last with all the rest."""
        crowd = CROWD
        if self._pose is not None:
            crowd = self._pose.share_of(CROWD)
        elif self.mode == "amnesia":
            crowd = {}
        if self.push is not None:
            crowd = crowd | self.push.passing
        return crowd | seen.pool


class SimAddressFeed(SimSource):
    """An explorer that is asked address by address."""

    modes = (*_MODES, "omit", "old index", *sorted(WRONG))

    def _now_seen(self) -> Snapshot:
        """Its tip is new even when its address index is not."""
        if self.mode == "old index":
            return self._chain.now
        return super()._now_seen()

    def outputs(self, address: str, script: bytes) -> tuple[Output, ...]:
        """In the mode "omit" it leaves out what is in a block: a lie by silence."""
        seen = self._call()
        if self.unsteady and self._random.random() < self.unsteady:
            self.faults += 1
            raise SourceUnavailable(f"{self.name}: 504 Gateway Timeout")
        if self.mode == "old index" and self._pose is not None:
            seen = self._pose.view(self._chain)
            self._record.on_answer(self.name, self.now(), seen)
        outputs = self._chain.outputs(seen, script)
        if self.mode == "omit":
            self.faults += 1
            self._record.on_left_out(self.name)
            return tuple(o for o in outputs if o.block_hash is None)
        if self.mode in WRONG and outputs:
            self.faults += 1
            self._record.on_lied(self.name)
            return wrong_outputs(self.mode, outputs)
        return tuple(outputs)

    def in_best_chain(self, block_hash: str, height: int | None = None) -> bool | None:
        header = self._header(self._call(), block_hash)
        return None if header is None else header.in_best_chain
