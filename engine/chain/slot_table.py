"""Small numbers by a hash, half a million of them in a few megabytes.

A dict from int to int takes 80 bytes and more for each entry, and stops everybody for
tens of milliseconds whenever it grows. Here an entry is 12 bytes in one of many short
runs of bytes, which are searched at C's speed: 15 bytes with all that is around them,
and each step is as short as the last. Several numbers may stand under one hash; those
of a hash with many are a set, or a run that everybody writes to would be copied anew
for each of them. A table begins with few runs, as most stay small, and goes over to
all of them once, with some 1,500 entries, which takes a millisecond. Pure.
"""

from collections.abc import Collection
from struct import Struct
from typing import Final

__all__ = ["CROWD", "SlotTable"]

CROWD: Final = 32
"""Numbers under one hash; more of them are a set."""

_FEW: Final = 1 << 6
_ALL: Final = 1 << 14
"""Runs. 500,000 entries are 30 in each, 360 bytes. 128 KB for those of a table."""

_entries = Struct("<qI").iter_unpack
_entry = Struct("<qI").pack  # the hash, the number
_tag = Struct("<q").pack
_number = Struct("<I").unpack_from
_SIZE: Final = 12
_TAG: Final = 8


class SlotTable:
    """Numbers below 2**32 by hashes of 64 bits, as `hash` has them."""

    __slots__ = ("_buckets", "_crowds", "_mask")

    def __init__(self) -> None:
        self._buckets = [b""] * _FEW
        self._mask = _FEW - 1
        self._crowds: dict[int, set[int]] = {}  # by hash; none of it is in a bucket

    def __contains__(self, key: int) -> bool:
        return bool(self.of(key))

    def of(self, key: int) -> Collection[int]:
        """To be read before anything is changed."""
        bucket, tag = self._buckets[key & self._mask], _tag(key)
        found: list[int] = []
        at = bucket.find(tag)
        while at >= 0:
            if at % _SIZE == 0:  # else it stands across two entries
                found += _number(bucket, at + _TAG)
            at = bucket.find(tag, at + 1)
        return found or self._crowds.get(key, ())

    def add(self, key: int, number: int) -> None:
        """One that is not there yet."""
        if key in self._crowds:
            self._crowds[key].add(number)
            return
        at = key & self._mask
        bucket = self._buckets[at] = self._buckets[at] + _entry(key, number)
        if len(bucket) > CROWD * _SIZE:
            self._thin_out(key)

    def _thin_out(self, key: int) -> None:
        """The run of this hash is long: for want of runs, or by this hash alone."""
        if len(self._buckets) == _FEW:
            self._spread()
        there = self.of(key)
        if len(there) > CROWD:
            for one in there:
                self.discard(key, one)
            self._crowds[key] = set(there)

    def _spread(self) -> None:
        few, self._buckets, self._mask = self._buckets, [b""] * _ALL, _ALL - 1
        for run in few:
            for key, number in _entries(run):
                self._buckets[key & self._mask] += _entry(key, number)

    def discard(self, key: int, number: int) -> None:
        bucket, entry = self._buckets[key & self._mask], _entry(key, number)
        at = bucket.find(entry)
        while at % _SIZE and at >= 0:
            at = bucket.find(entry, at + 1)
        if at >= 0:
            self._buckets[key & self._mask] = bucket[:at] + bucket[at + _SIZE :]
        elif key in self._crowds:
            self._crowds[key].discard(number)
            if not self._crowds[key]:
                del self._crowds[key]
