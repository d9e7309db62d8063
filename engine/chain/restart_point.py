"""Where catching up would start after a restart: the mark that a source's row keeps.

The mark may not run ahead of what is committed. A view of mined outputs is shown to a
watcher; until the watcher has committed all that follows from it, reading must start
again before those blocks. So the source actor notes each such view with the mark of
its moment, the watcher says when it is done, and the mark that is written is the
lowest of those still open. A view of a source that is behind settles nothing: what it
showed is shown again when the source is current. Pure; one for all sources, since one
is read at a time.
"""

from engine.chain.feed import ChainView, Tip

__all__ = ["SAVE_TIP_S", "RestartPoint"]

SAVE_TIP_S = 10.0
"""How often the place where catching up would start is written down."""


class RestartPoint:
    """See the module docstring. Owned by the source actor, told by the watchers."""

    __slots__ = ("_open", "_read")

    def __init__(self) -> None:
        # Scripts whose newest view of mined outputs is not committed yet, oldest
        # first, with where to start reading to see them again.
        self._open: dict[bytes, tuple[Tip | None, ChainView]] = {}
        # How far a round had read when the mark was last moved, and when (monotonic s).
        self._read: tuple[Tip, float] | None = None

    def __len__(self) -> int:
        """Views that are not committed yet."""
        return len(self._open)

    def clear(self) -> None:
        """The source actor starts anew: all is read again from the saved mark."""
        self._open.clear()
        self._read = None

    def source_changed(self) -> None:
        """How far the other had read is a place in another chain, maybe."""
        self._read = None
        for script, (_, view) in self._open.items():
            self._open[script] = (None, view)

    def shown(self, script: bytes, view: ChainView) -> None:
        """A watcher is shown this view, and has not committed what follows from it."""
        waiting = self._open.get(script)
        if waiting is not None:
            self._open[script] = (waiting[0], view)
        elif view.outputs and any(o.block_hash is not None for o in view.outputs):
            self._open[script] = (self._read[0] if self._read else None, view)

    def committed(self, script: bytes, view: ChainView) -> None:
        """All that follows from this view is committed; an older one tells nothing."""
        waiting = self._open.get(script)
        if waiting is not None and waiting[1] is view and view.is_current:
            del self._open[script]

    def forget(self, script: bytes) -> None:
        """Nobody watches it any more."""
        self._open.pop(script, None)

    def mark_after(self, read: Tip, now: float, *, anew: bool) -> Tip | None:
        """The mark to write down after a round that has read up to `read`, if any.

        It is how far an earlier round had read, and not beyond what a watcher could
        not commit yet (the journal was full, or the watcher crashes). The first of all
        (`anew`) may be written at once, and must be: a start from it reads the very
        blocks again that were read now, a start from nowhere only the latest.
        `now`: monotonic s.
        """
        mark = None
        if anew:
            mark = read
        elif self._read is not None:
            earlier, moved_at = self._read
            if now - moved_at < SAVE_TIP_S or earlier == read:
                return None
            oldest = next(iter(self._open.values()), (earlier, None))[0]
            if oldest is not None:
                mark = min(earlier, oldest, key=lambda tip: tip.height)
        self._read = read, now
        return mark
