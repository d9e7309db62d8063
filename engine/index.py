"""The local script index: any number of polls answered from one reading of the chain.

A block feed gives every block and the whole mempool once; this keeps, for all scripts,
the outputs of the last `LOOKBACK` blocks and of the mempool, and for watched scripts
every confirmed output seen since they are watched. So a question costs no request, and
a script that is watched a little late still finds its payment.

It is pure: `engine.sync` feeds it, the source actor asks it, both in that actor's
greenlet. Each `apply_*` and `undo_block` is one whole step: it either raises and
changes nothing, or leaves an index in which no transaction was lost on the way. A
block's transactions leave the pool in the step in which they arrive in the block; those
of an undone block go back to the pool, as they do in a node. Hence at no moment is a
mined transaction in neither, which a watcher would read as evicted.

`view(...).complete` is False whenever absence proves nothing: before the first whole
mempool, after blocks were applied or undone and until the mempool was compared at
that very tip, and for scripts with a gap in their history (`note_gap`).
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from engine.chain import (
    Block,
    ChainTx,
    ChainView,
    Header,
    Output,
    SourceUnavailable,
    Tip,
)
from engine.headers import HeaderChain

__all__ = ["LOOKBACK", "MAX_SCRIPT", "HeaderChain", "ScriptIndex"]

LOOKBACK = 12
"""Blocks of which the outputs of all scripts are kept: about two hours."""

MAX_SCRIPT = 100
"""Bytes. No address has more than 42; what is longer is not worth the memory."""

_KEEP_REPLACED = 10_000
_OP_RETURN = 0x6A

_Outpoint = tuple[str, int]


class _Tx(msgspec.Struct, frozen=True, gc=False):
    """A transaction, packed, and free of what the garbage collector must visit.

    `scripts` has b"" where no watched script can be, so that positions are vouts.
    `spends` are 36 bytes each: txid and vout.
    """

    txid: str
    scripts: tuple[bytes, ...]
    amounts: tuple[int, ...]
    spends: tuple[bytes, ...]


class _Placed(msgspec.Struct):
    """One block of the window."""

    header: Header
    txs: dict[str, _Tx]
    by_script: dict[bytes, str | list[str]]


class ScriptIndex:
    """One source's outputs by script. See the module docstring."""

    def __init__(self, lookback: int = LOOKBACK) -> None:
        self.lookback = lookback
        self.chain = HeaderChain()  # changed only by apply_block and undo_block
        self._window: OrderedDict[str, _Placed] = OrderedDict()  # by hash, oldest first
        self._pool: dict[str, _Tx] = {}  # unconfirmed, by txid
        self._pool_scripts: dict[bytes, str | set[str]] = {}  # script -> txids
        self._spender: dict[bytes, str] = {}  # outpoint -> txid in the pool
        # Watched scripts with their confirmed outputs; None for the many with none.
        self._watched: dict[bytes, dict[_Outpoint, Output] | None] = {}
        self._uncovered: set[bytes] = set()  # watched over a gap in the history
        self._replaced: OrderedDict[str, str] = OrderedDict()  # txid -> replacement
        self._touched: set[bytes] = set()  # watched scripts changed since taken
        self._whole = False  # the pool is the source's mempool at our tip

    @property
    def tip(self) -> Tip | None:
        return self.chain.tip

    @property
    def complete(self) -> bool:
        """Whether views of scripts without a gap are complete now."""
        return self._whole

    def __contains__(self, script: bytes) -> bool:
        return script in self._watched

    def __len__(self) -> int:
        """Watched scripts."""
        return len(self._watched)

    def watch(self, script: bytes, known: Iterable[Output] = ()) -> None:
        """Keep this script's outputs from now on; once more adds `known`.

        `known` are receipts of the journal. One in a block older than the window stays
        in the view until its block is known to be off chain; an unconfirmed one is
        found in the mempool or not at all. Raises ValueError for a script that no
        address has. After a restart, watch before the first `sync`.
        """
        if not script or len(script) > MAX_SCRIPT or script[0] == _OP_RETURN:
            raise ValueError(f"no address has the script {script[:20].hex()}…")
        kept = dict(self._watched.get(script) or {})
        for output in known:
            if output.block_hash is not None:
                kept[output.txid, output.vout] = output
        for placed in self._window.values():
            kept.update(_outputs_in(placed, script))
        self._watched[script] = kept or None

    def unwatch(self, script: bytes) -> None:
        self._watched.pop(script, None)
        self._uncovered.discard(script)
        self._touched.discard(script)

    def note_gap(self) -> None:
        """Blocks were skipped: all that is watched now may have been paid unseen."""
        self._uncovered.update(self._watched)

    def apply_block(self, block: Block) -> set[bytes]:
        """Add the block after the tip. Returns the watched scripts it touched.

        Its transactions leave the pool, and so does what they double-spend. Raises
        ValueError, and changes nothing, if the block does not follow the tip.
        """
        placed = _place(block)
        self.chain.extend(block.header)
        self._whole = False
        touched = self._watched.keys() & placed.by_script.keys()
        for script in touched:
            kept = self._watched[script] or {}
            kept.update(_outputs_in(placed, script))
            self._watched[script] = kept
        for tx in placed.txs.values():
            if tx.txid in self._pool:
                self._take_out(tx.txid)
            else:
                touched |= self._evict_conflicts(tx)
        self._window[block.header.hash] = placed
        if len(self._window) > self.lookback:
            self._window.popitem(last=False)
        self._touched |= touched
        return touched

    def undo_block(self, block_hash: str) -> set[bytes]:
        """Take the tip away; its transactions are unconfirmed again.

        Returns the watched scripts it touched. Raises ValueError for any other block.
        """
        if self.chain.tip is None or self.chain.tip.hash != block_hash:
            raise ValueError(f"block {block_hash} is not the tip")
        self.chain.roll_back()
        self._whole = False
        placed = self._window.pop(block_hash, None)
        touched = self._forget_block(block_hash, placed)
        if placed is not None:
            for number, tx in enumerate(placed.txs.values()):
                # A coinbase dies with its block. What the mempool has meanwhile
                # accepted in a transaction's place is newer than the block.
                if number and not any(key in self._spender for key in tx.spends):
                    self._put_in(tx)
        self._touched |= touched
        return touched

    def apply_mempool(
        self, added: Iterable[ChainTx], removed: Iterable[str], whole: bool = False
    ) -> set[bytes]:
        """Change the pool. Returns the watched scripts it touched.

        An added transaction takes the place of those it double-spends. `whole` says
        that the pool now is the source's mempool, as it is at our tip.
        """
        touched: set[bytes] = set()
        for tx in added:
            if self.knows(tx.txid):
                continue
            packed = _pack(tx)
            touched |= self._evict_conflicts(packed)
            touched |= self._put_in(packed)
        for txid in removed:
            touched |= self._take_out(txid)
        self._whole = self._whole or whole
        self._touched |= touched
        return touched

    def knows(self, txid: str) -> bool:
        """Whether the transaction is in the pool or in the window's blocks."""
        return txid in self._pool or any(
            txid in placed.txs for placed in self._window.values()
        )

    def gone_from(self, mempool: frozenset[str]) -> list[str]:
        """The pool's transactions that are not in this mempool."""
        return [txid for txid in self._pool if txid not in mempool]

    def take_touched(self) -> frozenset[bytes]:
        """Watched scripts touched since the last call, also in rounds that failed."""
        touched = frozenset(self._touched)
        self._touched.clear()
        return touched

    def replaced_by(self, txid: str) -> str | None:
        """What double-spent a transaction that paid a watched script, if known."""
        return self._replaced.get(txid)

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
        found: dict[_Outpoint, Output] = {}
        for txid in _each(self._pool_scripts.get(script, ())):
            for vout, amount in _paying(self._pool[txid], script):
                found[txid, vout] = Output(txid, vout, amount)
        for output in self._confirmed(script):
            found[output.txid, output.vout] = output
        return ChainView(
            source=source,
            tip=tip,
            outputs=tuple(sorted(found.values(), key=_by_age)),
            off_chain=tuple(h for h in ask_off_chain if self._is_off(script, h)),
            complete=self._whole and script not in self._uncovered,
        )

    def _confirmed(self, script: bytes) -> Iterator[Output]:
        """Outputs in blocks that are not known to be off chain."""
        if script in self._watched:
            for output in (self._watched[script] or {}).values():
                block_hash = output.block_hash
                if block_hash is not None and not self.chain.is_off_chain(
                    block_hash, output.block_height
                ):
                    yield output
        else:
            for placed in self._window.values():
                yield from _outputs_in(placed, script).values()

    def _is_off(self, script: bytes, block_hash: str) -> bool:
        """`is_off_chain`, with the height if one of the script's receipts has it."""
        for output in (self._watched.get(script) or {}).values():
            if output.block_hash == block_hash:
                return self.chain.is_off_chain(block_hash, output.block_height)
        return self.chain.is_off_chain(block_hash)

    def _forget_block(self, block_hash: str, placed: _Placed | None) -> set[bytes]:
        """Drop a block's outputs of watched scripts; returns those scripts.

        Only a block older than the window makes us look through all of them.
        """
        scripts: Iterable[bytes] = (
            self._watched if placed is None else self._watched.keys() & placed.by_script
        )
        touched = set()
        for script in scripts:
            kept = self._watched[script]
            gone = [k for k, o in (kept or {}).items() if o.block_hash == block_hash]
            if kept and gone:
                touched.add(script)
                left = {k: o for k, o in kept.items() if k not in gone}
                self._watched[script] = left or None
        return touched

    def _put_in(self, tx: _Tx) -> set[bytes]:
        """Into the pool. Returns the watched scripts it pays."""
        self._pool[tx.txid] = tx
        self._replaced.pop(tx.txid, None)
        for key in tx.spends:
            self._spender[key] = tx.txid
        touched = set()
        for script in set(tx.scripts):
            if not script:
                continue
            if script in self._watched:
                touched.add(script)
            there = self._pool_scripts.get(script)
            if there is None:
                self._pool_scripts[script] = tx.txid
            elif isinstance(there, str):
                self._pool_scripts[script] = {there, tx.txid}
            else:
                there.add(tx.txid)
        return touched

    def _take_out(self, txid: str) -> set[bytes]:
        """Out of the pool. Returns the watched scripts it paid."""
        tx = self._pool.pop(txid, None)
        if tx is None:
            return set()
        for key in tx.spends:
            if self._spender.get(key) == txid:
                del self._spender[key]
        touched = set()
        for script in set(tx.scripts):
            if not script:
                continue
            if script in self._watched:
                touched.add(script)
            there = self._pool_scripts[script]
            if not isinstance(there, str):
                there.discard(txid)
            if isinstance(there, str) or not there:
                del self._pool_scripts[script]
        return touched

    def _evict_conflicts(self, tx: _Tx) -> set[bytes]:
        """Drop from the pool what `tx` double-spends, and what spends from that."""
        touched: set[bytes] = set()
        for key in tx.spends:
            loser = self._spender.get(key)
            if loser is None or loser == tx.txid:
                continue
            paid = self._evict(loser)
            if paid:
                self._replaced[loser] = tx.txid
                if len(self._replaced) > _KEEP_REPLACED:
                    self._replaced.popitem(last=False)
            touched |= paid
        return touched

    def _evict(self, txid: str) -> set[bytes]:
        """A transaction and its descendants leave the pool."""
        touched: set[bytes] = set()
        doomed = [txid]
        while doomed:
            tx = self._pool.get(doomed.pop())
            if tx is None:
                continue
            touched |= self._take_out(tx.txid)
            for vout in range(len(tx.scripts)):
                child = self._spender.get(_outpoint_key(tx.txid, vout))
                if child is not None:
                    doomed.append(child)
        return touched


def _outpoint_key(txid: str, vout: int) -> bytes:
    return bytes.fromhex(txid) + vout.to_bytes(4, "little")


def _pack(tx: ChainTx) -> _Tx:
    return _Tx(
        tx.txid,
        tuple([_indexed(output.script) for output in tx.outputs]),
        tuple([output.amount_sat for output in tx.outputs]),
        tuple([_outpoint_key(txid, vout) for txid, vout in tx.spends]),
    )


def _indexed(script: bytes) -> bytes:
    """The script, or b"" if none that can be watched."""
    if len(script) > MAX_SCRIPT or script[:1] == b"\x6a":
        return b""
    return script


def _place(block: Block) -> _Placed:
    txs = {tx.txid: _pack(tx) for tx in block.txs}
    by_script: dict[bytes, str | list[str]] = {}
    for txid, tx in txs.items():
        for script in tx.scripts:
            there = by_script.setdefault(script, txid)
            if there is txid:
                continue
            if isinstance(there, str):
                by_script[script] = [there, txid]
            elif there[-1] is not txid:
                there.append(txid)
    by_script.pop(b"", None)
    return _Placed(block.header, txs, by_script)


def _each(txids: str | Iterable[str]) -> Iterable[str]:
    return (txids,) if isinstance(txids, str) else txids


def _paying(tx: _Tx, script: bytes) -> Iterator[tuple[int, int]]:
    """(vout, amount) of the outputs that pay the script."""
    for vout, paid in enumerate(tx.scripts):
        if paid == script:
            yield vout, tx.amounts[vout]


def _outputs_in(placed: _Placed, script: bytes) -> dict[_Outpoint, Output]:
    header = placed.header
    return {
        (txid, vout): Output(
            txid, vout, amount, header.hash, header.height, header.time_s
        )
        for txid in _each(placed.by_script.get(script, ()))
        for vout, amount in _paying(placed.txs[txid], script)
    }


def _by_age(output: Output) -> tuple[bool, int, str, int]:
    """Confirmed before unconfirmed, then by block, then by outpoint."""
    height = output.block_height
    return height is None, height or 0, output.txid, output.vout
