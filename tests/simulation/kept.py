"""What was run is kept part by part: a run of hours that is cut off goes on from there.

A file of lines of JSON: what is run, and then the sums of each part as it is done. A
line that was cut off is none: its worlds are run again.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.simulation.sums import Sums

__all__ = ["Kept"]


class _Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line. Worlds of another kind or length are other worlds."""

    kind: str
    days: float


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    first: int
    last: int
    sums: Sums


class Kept:
    """See the module docstring. Raises ValueError for a file of another run."""

    def __init__(self, path: Path, kind: str, days: float) -> None:
        self._path = path
        self._parts: list[_Part] = []
        run = _Run(kind, days)
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        if not lines or not lines[0].endswith(b"\n"):
            path.write_bytes(msgspec.json.encode(run) + b"\n")
            return
        if msgspec.json.decode(lines[0], type=_Run) != run:
            raise ValueError(f"{path} has worlds of another kind or length")
        for line in lines[1:]:
            if line.endswith(b"\n"):
                self._parts.append(msgspec.json.decode(line, type=_Part))
        if not lines[-1].endswith(b"\n"):  # the machine went down just then
            path.write_bytes(b"".join(lines[:-1]))

    def add(self, seeds: range, sums: Sums) -> None:
        """One more part, whose seeds follow one another."""
        part = _Part(seeds[0], seeds[-1], sums)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(part) + b"\n")

    def within(self, seeds: range) -> tuple[Sums, set[int]]:
        """The sums of the parts that lie within these seeds, and which they are."""
        sums, done = Sums(), set[int]()
        for part in self._parts:
            there = range(part.first, part.last + 1)
            if there[0] in seeds and there[-1] in seeds and done.isdisjoint(there):
                sums.merge(part.sums)
                done.update(there)
        return sums, done
