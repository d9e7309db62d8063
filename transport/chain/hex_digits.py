"""Bytes that come as a JSON string of hex digits, megabytes of them.

It yields to the hub between chunks.
"""

import binascii

from engine.runtime.yielding import yield_to_hub

__all__ = ["unhex"]

_CHUNK = 512 * 1024  # hex digits between two yields


def unhex(result: bytes) -> bytes:
    """The bytes of a JSON string of hex digits. ValueError for anything else."""
    digits = memoryview(result)[1:-1]
    if len(result) < 2 or result[:1] + result[-1:] != b'""':
        raise ValueError("no hex digits")
    raw = bytearray()
    try:
        if len(digits) <= _CHUNK:
            return binascii.unhexlify(digits)
        for start in range(0, len(digits), _CHUNK):
            raw += binascii.unhexlify(digits[start : start + _CHUNK])
            if start:
                yield_to_hub()
    except binascii.Error as error:
        raise ValueError("broken hex digits") from error
    return bytes(raw)
