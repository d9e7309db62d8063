"""Large JSON texts of every shape that costs a reader time."""

import json
from functools import cache

__all__ = ["MIB", "legit", "shapes"]

MIB = 1024 * 1024


def _filled(start: bytes, unit: bytes, end: bytes, size: int) -> bytes:
    return start + unit * ((size - len(start) - len(end)) // len(unit)) + end


@cache
def shapes(size: int) -> dict[str, bytes]:
    """By name; of each as much as there is room for."""
    units = {
        "empty objects": b",{}",
        "small objects": b',{"a":1}',
        "lists": b",[]",
        "numbers": b",1",
        "floats": b",1e5",
        "empty texts": b',""',
        "texts of commas": b',",,,,,,,,"',
        "many digits": b"," + b"9" * 4_000,
    }
    found = {
        name: _filled(b'{"payments":[{}', unit, b"]}", size)
        for name, unit in units.items()
    }
    for name, unit in (
        ("escapes", b"\\n"),
        ("escaped quotes", b'\\"'),
        ("escaped letters", b"\\u0041"),
        ("commas", b","),
        ("one text", b"a"),
    ):
        found[name] = _filled(b'{"payments":["', unit, b'"]}', size)
    found["spaces"] = _filled(b'{"payments":[{}', b" ", b"]}", size)
    found["no end"] = _filled(b'{"payments":[{}', b",{}", b"", size)
    found["no end of a text"] = _filled(b'{"payments":["', b"\\", b"", size)
    found["depth"] = b"[" * size
    names = (b'"%x":1' % number for number in range(size // 11))
    found["names"] = b'{"payments":[{' + b",".join(names) + b"}]}"
    return found


def legit(payments: int, text: str = "v" * 5) -> bytes:
    """A batch of payments with 50 fields of metadata each."""
    metadata = {f"k{number}": text for number in range(50)}
    one = {"amount_sat": 1, "external_id": "o-1", "metadata": metadata}
    return json.dumps({"payments": [one] * payments}).encode()
