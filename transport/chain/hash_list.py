"""A mempool's names, from the JSON that a node sends: 6.7 MB of 100,000.

Read at once they hold the hub for 25 ms. As all nodes write them (no space between,
each of 64 digits) one name is 67 bytes after the other, so they are read some at a
time, with the hub's turns in between. What is written otherwise is read in one go.
"""

from typing import Final

from engine.runtime.yielding import yield_to_hub
from transport.chain.block_hashes import are_hashes
from transport.chain.http_client import decode, garbage

__all__ = ["NAMES_PER_STEP", "read_hashes"]

NAMES_PER_STEP: Final = 5_000
"""Names between two yields: 2 ms."""

_RECORD: Final = 67  # `"`, 64 digits, `"`, and `,` or `]`


def read_hashes(raw: bytes | memoryview, where: str) -> frozenset[str]:
    """The names of a JSON array. Raises `SourceGarbage`; `where`: source and method."""
    count, rest = divmod(len(raw) - 1, _RECORD)
    names: set[str] = set()
    if rest or raw[:1] != b"[":
        return _all_at_once(raw, where)
    for first in range(0, count, NAMES_PER_STEP):
        end = min(first + NAMES_PER_STEP, count)
        some = _records(raw, first, end, b"]" if end == count else b",")
        if some is None:
            return _all_at_once(raw, where)
        names.update(some)
        yield_to_hub()
    return frozenset(names)


def _records(
    raw: bytes | memoryview, first: int, end: int, after: bytes
) -> list[str] | None:
    """These, if they stand as expected, and `after` behind the last of them."""
    part = bytes(raw[1 + _RECORD * first : 1 + _RECORD * end])
    if part[:1] != b'"' or part[-2:] != b'"' + after:
        return None
    names = part[1:-2].decode("ascii", "replace").split('","')
    return names if len(names) == end - first and are_hashes(names) else None


def _all_at_once(raw: bytes | memoryview, where: str) -> frozenset[str]:
    names = decode(raw, list[str], where)
    if not are_hashes(names):
        raise garbage(where, "a txid that is not 64 hex digits")
    return frozenset(names)
