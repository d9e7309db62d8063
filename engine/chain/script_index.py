"""The local script index: any number of polls answered from one reading of the chain.

A block feed gives every block and the whole mempool once; this keeps, for all scripts,
the outputs of the last `LOOKBACK` blocks and of the mempool, and for watched scripts
every confirmed output seen since they are watched. So a question costs no request, and
a script that is watched a little late still finds its payment.

It is pure: `engine.chain.sync` feeds it, the source actor asks it, both in that actor's
greenlet. Each `apply_*` and `undo_block` is one whole step: it either raises and
changes nothing, or leaves an index in which no transaction was lost on the way. A
block's transactions leave the pool in the step in which they arrive in the block; those
of an undone block go back to the pool, as they do in a node. Hence at no moment is a
mined transaction in neither, which a watcher would read as evicted. Where a step lets
others run (`pause`), who looks meanwhile finds each of the block's transactions in the
pool, in the block, or in both, and there it counts as mined.

`view(...).complete` is False whenever absence proves nothing: before the first whole
mempool, after blocks were applied or undone and until the mempool was compared at
that very tip, and for scripts with a gap in their history (`note_gap`) or that are
watched too late (`watch`).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from engine.chain.departures import Departures
from engine.chain.feed import Block, ChainTx, ChainView, Output, Tip
from engine.chain.header_chain import HeaderChain
from engine.chain.hearsay import Hearsay
from engine.chain.mempool import Pool
from engine.chain.packed_tx import (
    MAX_SCRIPT,
    OP_RETURN,
    PackedTx,
    packed,
    scripts,
)
from engine.chain.pausing import pausing
from engine.chain.placed_block import CHUNK, Placed, place
from engine.chain.shown import SKIPPED, as_shown
from engine.chain.slot_table import SlotTable
from engine.chain.watched_scripts import WatchedScripts
from engine.errors import SourceUnavailable

__all__ = ["LOOKBACK", "HeaderChain", "ScriptIndex"]

LOOKBACK = 12
"""Blocks of which the outputs of all scripts are kept: about two hours."""


class ScriptIndex:
    """One source's outputs by script. See the module docstring."""

    def __init__(self, lookback: int = LOOKBACK) -> None:
        self.lookback = lookback
        self.chain = HeaderChain()  # changed only by apply_block and undo_block
        self._window: OrderedDict[str, Placed] = OrderedDict()  # by hash, oldest first
        # Heights of the window's blocks, by the hash of a txid that is in them, as in
        # `engine.chain.mempool`.
        self._mined = SlotTable()
        self._pool = Pool()
        self._watched = WatchedScripts(self.chain)
        self.late: Mapping[bytes, int] = self._watched.late  # to be looked at
        self._touched: set[bytes] = set()  # watched scripts changed since taken
        self.unread_below = 0  # said in every view; see `engine.chain.unread`
        self._whole = False  # the pool is the source's mempool at our tip
        # What the source gave in this round of the mempool that pays somebody watched.
        self._given: set[str] = set()
        # Of the pool, what disappeared from the mempool in a mass, and when (ms): see
        # `engine.chain.disappearance`, whose note this is.
        self.unlisted: dict[str, int] = {}
        self._departures = Departures()  # from the pool, for no block
        self.mempool_since = 0  # ms, see `ChainView`; the worker's note
        # And what undone blocks gave back, and no mempool has listed since.
        self.returned: set[str] = set()
        self.hearsay = Hearsay(self._pool)  # what was pushed and not asked for

    @property
    def tip(self) -> Tip | None:
        return self.chain.tip

    @property
    def pool(self) -> Pool:
        """To be looked at; only `apply_*` and `undo_block` change it."""
        return self._pool

    def __contains__(self, script: object) -> bool:
        return script in self._watched.scripts

    def watch(
        self, script: bytes, known: Iterable[Output] = (), *, late: bool = False
    ) -> None:
        """Keep this script's outputs from now on; once more adds `known`.

        `known` are receipts of the journal; what was read here outweighs them. One in a
        block older than the window stays in the view until its block is known to be off
        chain; an unconfirmed one is found in the mempool or not at all. Raises
        ValueError for a script that no address has. After a restart, watch before the
        first `sync`. In the view they are not `verified_by_source` until their block
        was read. `late`: it may have been paid before, in blocks that were read without
        it. Then its view is complete only after `settle_late`.
        """
        if not script or len(script) > MAX_SCRIPT or script[0] == OP_RETURN:
            raise ValueError(f"no address has the script {script[:20].hex()}")
        self._watched.add(script, known, self._window.values(), late=late)
        self.hearsay.watch(script)

    def settle_late(self, script: bytes, *, is_whole: bool) -> None:
        """All that may pay it was looked through by now; or it cannot be, for good."""
        self._watched.settle(script, is_whole=is_whole)
        self._touched.add(script)

    def unwatch(self, script: bytes) -> None:
        self._watched.remove(script)
        self._touched.discard(script)
        self._departures.forget(script)

    def note_gap(self) -> None:
        """Blocks were skipped: all that is watched now may have been paid unseen."""
        self._watched.note_gap()

    def apply_block(
        self, block: Block, pause: Callable[[], None] | None = None
    ) -> set[bytes]:
        """Add the block after the tip. Returns the watched scripts it touched.

        Its transactions leave the pool, and so does what they double-spend. Raises
        ValueError, and changes nothing, if the block does not follow the tip. `pause`
        is called now and then and must not raise.
        """
        placed, paid = place(block, self._watched.scripts, pause)
        self.chain.extend(block.header)
        self._whole = False
        self._watched.keep_paying(paid)
        self._window[block.header.hash] = placed
        for key in placed.keys(pause):
            self._mined.add(key, block.header.height)
        if len(self._window) > self.lookback:
            _, oldest = self._window.popitem(last=False)
            for key in oldest.keys(pause):
                self._mined.discard(key, oldest.header.height)
        touched = {*paid, *self._empty_pool(placed, pause)}
        assert self.tip == Tip(block.header.height, block.header.hash)
        assert len(self._window) <= self.lookback
        self._touched |= touched
        return touched

    def apply_older_block(
        self, block: Block, pause: Callable[[], None] | None = None
    ) -> set[bytes]:
        """Add the block below the lowest one, for the scripts that are watched now; or
        one that is in the chain, for those of them that are late.

        Returns those it touched. Raises ValueError, and changes nothing, for a block
        that is neither.
        """
        header = block.header
        is_there = self.chain.hash_at(header.height) == header.hash
        scripts = self.late if is_there else self._watched.scripts
        placed, paid = place(block, scripts, pause)
        if not is_there:
            self.chain.extend_back(header)
        self._watched.looked_through(header.height)
        self._watched.keep_paying(paid)
        touched = {*paid, *self._empty_pool(placed, pause)}
        self._touched |= touched
        return touched

    def undo_block(
        self, block_hash: str, pause: Callable[[], None] | None = None
    ) -> set[bytes]:
        """Take the tip away; its transactions are unconfirmed again.

        Returns the watched scripts it touched. Raises ValueError for any other block.
        `pause` as for `apply_block`.
        """
        if self.chain.tip is None or self.chain.tip.hash != block_hash:
            raise ValueError(f"block {block_hash} is not the tip")
        self._whole = False
        placed = self._window.get(block_hash)
        # Only a block older than the window makes us look through all of them.
        scripts: Iterable[bytes] = self._watched.scripts
        if placed is not None:
            self._give_back(placed, pause)
            scripts = placed.paid(self._watched.scripts, pause)
        left = self._watched.without(block_hash, scripts, pause)
        # From here on nobody looks: it is in the chain with all it paid, or it is not.
        self._watched.undone(self.chain.roll_back().height)
        self._watched.keep(left)
        if placed is not None:
            del self._window[block_hash]
        self._touched |= left.keys()
        return set(left)

    def begin_round(self) -> None:
        """The source is asked anew: what it said before proves no absence now, nor that
        what it had is still there."""
        self._whole = False
        self._given.clear()

    def apply_mempool(
        self,
        added: Iterable[ChainTx | PackedTx],
        removed: Iterable[str],
        whole: bool = False,
        *,
        may_replace: bool = True,
    ) -> set[bytes]:
        """Change the pool. Returns the watched scripts it touched.

        An added transaction takes the place of those it double-spends, or if it may not
        replace is left out. `whole` says that the pool now is the source's mempool, as
        it is at our tip.
        """
        touched: set[bytes] = set()
        for tx in packed(added):
            if self.knows(tx.txid):
                if self.awaits(tx.txid):
                    self._given.add(tx.txid)
                continue
            if not may_replace and self._pool.spends_same(tx):
                continue
            touched |= self._evict_conflicts(tx)
            if pays := self._put(tx):
                self._given.add(tx.txid)
                touched |= pays
        for txid in removed:
            spent = self._pool.spent_by(txid) if self.awaits(txid) else ()
            touched |= self._note_left(txid, self._pool.take(txid), spent=spent)
        self._whole = self._whole or whole
        self._touched |= touched
        return touched

    def knows(self, txid: str) -> bool:
        """Whether the transaction is in the pool or in the window's blocks."""
        return hash(txid) in self._mined or txid in self._pool

    def unknown_of(
        self, mempool: Iterable[str], pause: Callable[[], None] | None = None
    ) -> list[str]:
        """Those of this mempool's that are neither in the pool nor in the window."""
        unknown = set(mempool)  # the pool's are taken from it: quicker than to ask it
        for names in pausing(self._pool.names(), pause, 1):
            unknown.difference_update(names)
        mined = self._mined
        return [txid for txid in pausing(unknown, pause) if hash(txid) not in mined]

    def concerns(self, tx: PackedTx) -> bool:
        """Whether it pays a watched script."""
        return any(script in self._watched.scripts for script in scripts(tx.body))

    def awaits(self, txid: str) -> bool:
        """Whether it is in the pool and pays a watched script."""
        return self._pool.pays_any(txid, self._watched.scripts)

    def is_of_note(self, tx: PackedTx) -> bool:
        """Whether it concerns somebody, or would take the place of another."""
        return self.concerns(tx) or self._pool.spends_same(tx)

    def hear(self, txs: Iterable[PackedTx]) -> None:
        """Add what was pushed, concerns nobody, and takes nothing's place."""
        for tx in txs:
            if not self.knows(tx.txid) and not self._pool.spends_same(tx):
                self._put(tx)
                self.hearsay.add(tx.txid)

    def gone_from(
        self, mempool: frozenset[str], pause: Callable[[], None] | None = None
    ) -> list[str]:
        """The pool's transactions that are not in this mempool."""
        gone: list[str] = []
        for names in pausing(self._pool.names(), pause, 1):
            gone += [txid for txid in names if txid not in mempool]
        return gone

    def take_touched(self) -> frozenset[bytes]:
        """Watched scripts touched since the last call, also in rounds that failed."""
        touched = frozenset(self._touched)
        self._touched.clear()
        return touched

    def view(
        self, script: bytes, source: str, ask_off_chain: Sequence[str] = ()
    ) -> ChainView:
        """All that is known of one script, as of our tip.

        A script that is not watched is answered from the window and the mempool.
        Raises `SourceUnavailable` before the first block.
        """
        tip = self.chain.tip
        if tip is None:
            raise SourceUnavailable(f"{source}: no block has been read yet")
        unlisted = self.unlisted
        found = {
            (txid, vout): Output(
                txid, vout, amount, verified_by_source=txid not in unlisted
            )
            for txid, vout, amount in self._pool.paying(script)
        }
        for output in self._confirmed(script):
            found[output.txid, output.vout] = output
        gap = SKIPPED if self._watched.has_gap(script) else None
        outputs, gap = as_shown(found.values(), gap)
        return ChainView(
            source=source,
            tip=tip,
            outputs=outputs,
            off_chain=tuple(
                h for h in ask_off_chain if self._watched.is_off(script, h)
            ),
            complete=self._whole and gap is None and script not in self.late,
            gap=gap,
            unread_below=self.unread_below,
            mempool_since=self.mempool_since,
            left=self._departures.of(script),
            conflicted=self._departures.conflicted(script),
            remembered=self._remembered(outputs),
        )

    def _remembered(self, outputs: Iterable[Output]) -> frozenset[str]:
        """See `ChainView`. A mempool that was compared has all that is in the pool."""
        if self._whole:
            return frozenset()
        pooled = {output.txid for output in outputs if output.block_hash is None}
        return frozenset(pooled - self._given)

    def is_bare(self, script: bytes) -> bool:
        """Whether a watched script's view is `empty_view`: nothing at all, or a gap."""
        there = self._watched.of(script) or self._pool.pays(script)
        is_whole = self._watched.is_whole(script) and script not in self._departures
        return not there and is_whole

    def empty_view(self, source: str) -> ChainView:
        """The view of every script that is bare. Raises `SourceUnavailable`."""
        if self.chain.tip is None:
            raise SourceUnavailable(f"{source}: no block has been read yet")
        tip, since = self.chain.tip, self.mempool_since
        return ChainView(
            source,
            tip,
            (),
            complete=self._whole,
            mempool_since=since,
            unread_below=self.unread_below,
        )

    def _confirmed(self, script: bytes) -> Iterator[Output]:
        """Outputs in blocks that are not known to be off chain."""
        if script not in self._watched.scripts:
            for placed in self._window.values():
                yield from placed.outputs(script).values()
            return
        yield from self._watched.confirmed(script)

    def _give_back(self, placed: Placed, pause: Callable[[], None] | None) -> None:
        """To the pool, as a node does; until it is done they are in the block too."""
        for number, tx in enumerate(pausing(placed.txs(), pause, CHUNK)):
            # A coinbase dies with its block. What the mempool has meanwhile accepted
            # in a transaction's place is newer than the block.
            if number and not self._pool.spends_same(tx):
                self._put(tx)
                self.returned.add(tx.txid)
            self._mined.discard(hash(tx.txid), placed.header.height)

    def _empty_pool(
        self, placed: Placed, pause: Callable[[], None] | None
    ) -> set[bytes]:
        """Of what was mined, and of what that double-spends."""
        touched = set()
        for number, tx in enumerate(placed.txs()):
            if pause is not None and number % CHUNK == 0:
                pause()
            touched |= self._leave_pool(tx)
        return touched

    def _leave_pool(self, tx: PackedTx) -> set[bytes]:
        """It was mined: it leaves the pool, or else what it double-spends does."""
        if tx.txid in self._pool:
            self._pool.take(tx.txid)
            return set()
        return self._evict_conflicts(tx)

    def _put(self, tx: PackedTx) -> set[bytes]:
        paid = self._pool.put(tx) & self._watched.scripts.keys()
        self._departures.undo(tx.txid, paid)
        return paid

    def _evict_conflicts(self, tx: PackedTx) -> set[bytes]:
        touched = self._departures.replaced_by(tx)
        for txid, paid in self._pool.evict_conflicts(tx).items():
            touched |= self._note_left(txid, paid, by=tx.txid)
        return touched

    def _note_left(
        self, txid: str, paid: set[bytes], by: str = "", spent: Sequence[bytes] = ()
    ) -> set[bytes]:
        """This left the pool; which watched scripts it paid."""
        touched = paid & self._watched.scripts.keys()
        self._departures.note(txid, touched, by=by, spent=spent)
        return touched
