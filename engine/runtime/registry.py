"""A dict that may hold a million entries and never makes anybody wait while it grows.

A dict of a million takes 100 ms to grow, and as long to copy, in which nothing else
runs. This one is many small ones. It may be changed while somebody goes through it:
what is added or removed meanwhile is met or is not.

Keys are ids, addresses and scripts. Their third character from the end tells where an
entry is: it is random in each of them (the last two of a script may be opcodes), and
not in the order of a hash, which is another in every process: a simulation is to be
repeated.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["Registry"]

K = TypeVar("K", str, bytes)
V = TypeVar("V")


class Registry(Generic[K, V]):
    """As a dict, in an order of its own."""

    __slots__ = ("_shards",)

    def __init__(self) -> None:
        self._shards: dict[K, dict[K, V]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._shards.values()))

    def __contains__(self, key: K) -> bool:
        shard = self._shards.get(key[-3:][:1])
        return shard is not None and key in shard

    def __getitem__(self, key: K) -> V:
        return self._shards[key[-3:][:1]][key]

    def __setitem__(self, key: K, value: V) -> None:
        place = key[-3:][:1]
        shard = self._shards.get(place)
        if shard is None:
            self._shards[place] = {key: value}
        else:
            shard[key] = value

    def get(self, key: K) -> V | None:
        shard = self._shards.get(key[-3:][:1])
        return None if shard is None else shard.get(key)

    def pop(self, key: K) -> V | None:
        """Remove the entry, if there is one; what it was."""
        shard = self._shards.get(key[-3:][:1])
        return None if shard is None else shard.pop(key, None)

    def clear(self) -> None:
        self._shards.clear()

    def __iter__(self) -> Iterator[K]:
        for shard in tuple(self._shards.values()):
            yield from tuple(shard)

    def snapshot(self) -> tuple[tuple[K, ...], ...]:
        """The keys as they are now, in pieces: a million take 20 ms."""
        return tuple([tuple(shard) for shard in self._shards.values()])

    def values(self) -> Iterator[V]:
        for shard in tuple(self._shards.values()):
            yield from tuple(shard.values())

    def items(self) -> Iterator[tuple[K, V]]:
        for shard in tuple(self._shards.values()):
            yield from tuple(shard.items())
