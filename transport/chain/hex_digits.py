"""Bytes that come as a JSON string of hex digits, megabytes of them.

It yields to the hub between chunks.
"""

import binascii

from engine.runtime.yielding import yield_to_hub

__all__ = ["CHUNK", "unhex"]

CHUNK = 512 * 1024
"""Hex digits between two yields; an even number."""

_QUOTE = ord('"')


def unhex(result: bytes | memoryview) -> bytes:
    """The bytes of a JSON string of hex digits. ValueError for anything else."""
    text = memoryview(result)
    if len(text) < 2 or not text[0] == text[-1] == _QUOTE:
        raise ValueError("no hex digits")
    digits = text[1:-1]
    try:
        if len(digits) <= CHUNK:
            return binascii.unhexlify(digits)
        parts = []
        for start in range(0, len(digits), CHUNK):
            yield_to_hub()  # before the first as well: what came was read just now
            parts.append(binascii.unhexlify(digits[start : start + CHUNK]))
    except binascii.Error as error:
        raise ValueError("broken hex digits") from error
    yield_to_hub()
    return b"".join(parts)
