"""The scripts that somebody watches, with the outputs that confirmed payments to them.

What is in a block stays here for as long as the script is watched, however old the
block is; what is unconfirmed is the pool's. `engine.chain.script_index` owns it and
says which chain counts. Pure.

A script that is watched when blocks were read already is `late`: of what pays it below
a height nobody looked. Who tells it so must have the blocks from there down looked
through for it (`engine.chain.old_blocks`); until then its absence proves nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from engine.chain.feed import Output
from engine.chain.header_chain import HeaderChain
from engine.chain.pausing import pausing
from engine.chain.placed_block import CHUNK, Paid, Placed

__all__ = ["Confirmed", "WatchedScripts"]

Confirmed = dict[tuple[str, int], Output]
"""The outputs of one script that are in blocks, by outpoint."""

_NONE: Final[Mapping[tuple[str, int], Output]] = {}


class WatchedScripts:
    """See the module docstring. `scripts` is to be looked at by others, no more."""

    def __init__(self, chain: HeaderChain) -> None:
        self._chain = chain
        # A set, but the garbage collector looks into each set: with 100,000 watched
        # for 15 ms. A dict that holds no other container is none of its business.
        self.scripts: dict[bytes, None] = {}
        self._outputs: dict[bytes, Confirmed] = {}  # of the few with any
        self._uncovered: set[bytes] = set()  # watched over a gap in the history
        # Of those that are late, the lowest height that was looked through for them,
        # and all above. To be looked at by others, too.
        self.late: dict[bytes, int] = {}

    def add(
        self,
        script: bytes,
        known: Iterable[Output],
        window: Iterable[Placed],
        *,
        late: bool = False,
    ) -> None:
        """Watch it, or tell more of it: `known` are receipts of the journal, which what
        was read here outweighs; `window` the blocks that are not to be read again.
        `late`: more may have been read below them, without it."""
        kept = dict(self.of(script))
        for output in known:
            there = kept.get((output.txid, output.vout))
            is_read = there is not None and not self._is_lost(there)
            if output.block_hash is not None and not is_read:
                kept[output.txid, output.vout] = replace(
                    output, verified_by_source=False
                )
        if script not in self.scripts:  # else each block has told of it
            tip = self._chain.tip
            if late and tip is not None:
                self.late[script] = tip.height + 1
            for placed in window:  # up to the tip, without a gap
                kept.update(placed.outputs(script))
                if late:
                    self.late[script] = min(self.late[script], placed.header.height)
        self.scripts[script] = None
        self._set(script, kept)

    def _set(self, script: bytes, outputs: Confirmed) -> None:
        if outputs:
            self._outputs[script] = outputs
        else:
            self._outputs.pop(script, None)

    def of(self, script: bytes) -> Mapping[tuple[str, int], Output]:
        """Its outputs that are in blocks; none of one that nobody watches."""
        return self._outputs.get(script, _NONE)

    def remove(self, script: bytes) -> None:
        self.scripts.pop(script, None)
        self._outputs.pop(script, None)
        self._uncovered.discard(script)
        self.late.pop(script, None)

    def note_gap(self) -> None:
        """Blocks were skipped: all that is watched now may have been paid unseen."""
        self._uncovered.update(self.scripts)

    def has_gap(self, script: bytes) -> bool:
        return script in self._uncovered

    def is_whole(self, script: bytes) -> bool:
        """Whether all blocks that may pay it were looked through for it."""
        return script not in self._uncovered and script not in self.late

    def looked_through(self, height: int) -> None:
        """The block at this height, for all that are late."""
        for script, lowest in self.late.items():
            if lowest == height + 1:
                self.late[script] = height

    def undone(self, height: int) -> None:
        """The block at this height: what takes its place is read for all."""
        for script, lowest in self.late.items():
            self.late[script] = min(lowest, height)

    def settle(self, script: bytes, *, is_whole: bool) -> None:
        """It is late no more: all was looked through that may pay it, or never will."""
        self.late.pop(script, None)
        if not is_whole:
            self._uncovered.add(script)

    def keep_paying(self, paid: Paid) -> None:
        """One short step even for 10,000: the outputs were made with pauses before."""
        for script, outputs in paid.items():
            kept = self._outputs.get(script)
            if kept is None:
                self._outputs[script] = outputs
            else:
                kept.update(outputs)

    def without(
        self,
        block_hash: str,
        scripts: Iterable[bytes],
        pause: Callable[[], None] | None,
    ) -> dict[bytes, Confirmed]:
        """Those of the scripts that the block pays, and what each has beside that.

        Changes nothing: `keep` does, in one short step.
        """
        found = {}
        for script in pausing(scripts, pause, CHUNK):
            kept = self.of(script)
            left = {k: o for k, o in kept.items() if o.block_hash != block_hash}
            if len(left) < len(kept):
                found[script] = left
        return found

    def keep(self, left: dict[bytes, Confirmed]) -> None:
        for script, outputs in left.items():
            self._set(script, outputs)

    def confirmed(self, script: bytes) -> Iterator[Output]:
        """Outputs in blocks that are not known to be off chain."""
        for output in self.of(script).values():
            if not self._is_lost(output):
                yield output

    def is_off(self, script: bytes, block_hash: str) -> bool:
        """`is_off_chain`, with the height if one of the script's receipts has it."""
        for output in self.of(script).values():
            if output.block_hash == block_hash:
                return self._chain.is_off_chain(block_hash, output.block_height)
        return self._chain.is_off_chain(block_hash)

    def _is_lost(self, output: Output) -> bool:
        """Whether the output is in no block, or in one positively off the chain."""
        return output.block_hash is None or self._chain.is_off_chain(
            output.block_hash, output.block_height
        )
