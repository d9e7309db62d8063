"""Large forms of every shape that costs a reader time."""

from functools import cache

__all__ = ["forms"]

_LINE = b"--b\r\n"
_PART = _LINE + b'Content-Disposition: form-data; name="a"\r\n\r\nv\r\n'


@cache
def forms(size: int) -> dict[str, bytes]:
    """By name; of each as much as there is room for."""
    units = {
        "pairs": (b"", b"a=1&"),
        "empty pairs": (b"", b"&"),
        "one value": (b"a=", b"v"),
        "one name": (b"", b"n"),
        "escapes": (b"a=", b"%41"),
        "escapes of no text": (b"a=", b"%ff"),
        "half escapes": (b"a=", b"%"),
        "pluses": (b"a=", b"+"),
        "parts": (b"", _PART),
        "lines of a boundary": (b"", _LINE),
        "one part": (_PART, b"v"),
        "a head without an end": (_LINE, b"Content-Disposition: form-data;"),
        "a head of spaces": (_LINE + b"Content-Disposition:", b" "),
    }
    return {
        name: (start + unit * (size // len(unit)))[:size]
        for name, (start, unit) in units.items()
    }
