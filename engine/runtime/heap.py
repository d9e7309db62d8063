"""Keeps the garbage collector from walking what lives for days.

A full collection looks at every object that could be part of a cycle: with a million
watchers that is half a second in which nothing else runs, each time that the heap has
grown by a quarter. Watchers hold no cycle that outlives them (a Ref lets go of its
actor when that ends), so they are put out of the collector's sight. They are freed as
ever, when nobody refers to them.
"""

import contextlib
import ctypes
import gc

__all__ = ["LongLived", "give_back", "put_aside"]

NEW_PER_FREEZE = 5_000
"""So many new objects are put out of the collector's sight at once."""


def give_back() -> None:
    """Hand memory that is free to the system, after work that took much for a moment.

    glibc keeps it otherwise: 18 MB of 160 after a full mempool was read. It takes some
    5 ms; elsewhere than on glibc nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def put_aside() -> None:
    """All that was made by now stays: nobody has the collector look at it.

    Called before anybody waits for a node, as its modules and parts are made. To look
    at them once took some 50 ms, a tenth of a start, and found 0.2 MB; later, 60 to
    90 ms in a few thousand messages. A collector that was off until now (a tenth of the
    time) is on from here.
    """
    gc.freeze()
    gc.enable()


class LongLived:
    """Counts objects that stay, and puts them out of the collector's sight."""

    __slots__ = ("_new",)

    def __init__(self) -> None:
        self._new = 0

    def grown(self, count: int) -> None:
        """So many more were made."""
        self._new += count
        if self._new >= NEW_PER_FREEZE:
            self._new = 0
            gc.collect(1)  # as below
            gc.freeze()

    def settle(self) -> None:
        """All that came to be since `put_aside` stays, too: a node that has started."""
        self._new = 0
        gc.collect()  # what is garbage already must not be put aside with them
        put_aside()
