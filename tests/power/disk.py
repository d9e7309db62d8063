"""A disk that loses power: what was synced stays, the rest may be there or not.

`Disk` follows recorded operations. Of every file it knows what is surely on the medium
and which writes came after the last sync; `crash` draws one of the many states in which
the next start may find the files. Rules:

* What was synced stays, byte for byte. So do names, once their folder was synced.
* A write since may be there, wholly, in some of its sectors (512 bytes), cut off at
  any byte, or not at all; independently of writes before and after it.
* In a sector that was being written, the bytes of that write may be anything. Bytes
  beside them, written and synced before, stay: SQLite relies on this by default
  ("powersafe overwrite").
* A file may have grown without its data: the new part holds zeros or old rubbish.

No SQLite here, and no reading of real files. Used by `history.py` and `run.py`.
"""

from random import Random

from tests.power.recorder import Create, Delete, Op, Sync, Truncate, Wrote

__all__ = ["HABITS", "SECTOR", "Disk", "Files"]

SECTOR = 512

Files = dict[str, bytes]
Pending = list[Wrote | Truncate]

HABITS = (
    "everything",  # nothing was lost: the process was killed, the machine lives
    "nothing",  # only what was synced
    "in order",  # up to some byte
    "out of order",  # some writes whole, others not at all
    "half pages",  # the first or the last part of each write
    "sectors",  # some sectors of each write
    "rubbish",  # some sectors hold anything
    "grown",  # as "out of order", in files that have grown already
)


class _File:
    """One inode."""

    def __init__(self, content: bytes = b"") -> None:
        self.synced = bytearray(content)
        self.pending: Pending = []

    def sync(self) -> None:
        for op in self.pending:
            _do(self.synced, op)
        self.pending.clear()


class Disk:
    """The files of one folder: `apply` operations in order, `crash` at any moment."""

    def __init__(self, files: Files) -> None:
        self._names = {name: _File(content) for name, content in files.items()}
        self._synced_names = dict(self._names)
        self._renamings: list[tuple[str, _File | None]] = []

    def apply(self, op: Op) -> None:
        match op:
            case Create():
                self._names[op.name] = _File()
                self._renamings.append((op.name, self._names[op.name]))
            case Delete():
                self._names.pop(op.name)
                self._renamings.append((op.name, None))
                if op.folder:
                    self._sync_folder()
            case Sync():
                self._names[op.name].sync()
                if op.folder:
                    self._sync_folder()
            case Wrote() | Truncate():
                self._names[op.name].pending.append(op)

    def _sync_folder(self) -> None:
        self._synced_names = dict(self._names)
        self._renamings.clear()

    @property
    def unsynced(self) -> int:
        """How many writes a crash could lose now."""
        return sum(len(file.pending) for file in self._names.values())

    def crash(self, random: Random, habit: str) -> Files:
        """The files as the next start finds them."""
        names = dict(self._synced_names)
        for name, file in self._renamings:  # a prefix of them for each name
            if habit == "everything" or random.random() < 0.5:
                _rename(names, name, file)
        if habit == "everything":
            names = dict(self._names)
        return {
            name: bytes(_survivor(file, random, habit)) for name, file in names.items()
        }


def _rename(names: dict[str, _File], name: str, file: _File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


def _do(content: bytearray, op: Wrote | Truncate) -> None:
    if isinstance(op, Truncate):
        del content[op.size :]
        return
    _put(content, op.offset, op.data)


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _survivor(file: _File, random: Random, habit: str) -> bytearray:
    content = bytearray(file.synced)
    pending = file.pending
    if habit == "nothing" or not pending:
        return content
    if habit == "in order":
        return _in_order(content, pending, random)
    if habit == "grown":
        _grow(content, pending, random)
    share = random.choice((0.05, 0.5, 0.95))
    for op in pending:
        if habit == "everything":
            _do(content, op)
        elif isinstance(op, Truncate) or habit in {"out of order", "grown"}:
            if random.random() < share:
                _do(content, op)
        else:
            for offset, data in _remains(op, random, habit, share):
                _put(content, offset, data)
    return content


def _in_order(content: bytearray, pending: Pending, random: Random) -> bytearray:
    whole = random.randrange(len(pending))
    for op in pending[:whole]:
        _do(content, op)
    torn = pending[whole]
    if isinstance(torn, Wrote):
        _put(content, torn.offset, torn.data[: random.randrange(len(torn.data) + 1)])
    return content


def _grow(content: bytearray, pending: Pending, random: Random) -> None:
    end = max(op.offset + len(op.data) for op in pending if isinstance(op, Wrote))
    missing = end - len(content)
    if missing > 0:
        content.extend(
            bytes(missing) if random.random() < 0.5 else random.randbytes(missing)
        )


def _remains(
    op: Wrote, random: Random, habit: str, share: float
) -> list[tuple[int, bytes]]:
    """What is left of one write, in pieces of a sector or of half the write."""
    pieces = _pieces(op)
    if habit == "half pages":
        fate, middle = random.random(), random.randint(0, len(pieces))
        if fate < share / 2:
            return pieces
        return pieces[:middle] if fate < 0.75 else pieces[middle:]
    kept = []
    for offset, data in pieces:
        if random.random() < share:
            kept.append((offset, data))
        elif habit == "rubbish" and random.random() < 0.3:
            kept.append((offset, random.randbytes(len(data))))
    return kept


def _pieces(op: Wrote) -> list[tuple[int, bytes]]:
    """The write cut at the borders of sectors."""
    pieces, offset, end = [], op.offset, op.offset + len(op.data)
    while offset < end:
        border = min((offset // SECTOR + 1) * SECTOR, end)
        pieces.append((offset, op.data[offset - op.offset : border - op.offset]))
        offset = border
    return pieces
