"""A header line, and a trailer line, which is the same: read strictly. Pure.

Used by `request_head.py` and `request_body.py`.
"""

import re
from typing import Final

__all__ = ["TOKEN", "parse_field"]

#: RFC 9110 5.6.2: names of headers, and methods.
TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def parse_field(line: bytes) -> tuple[str, str] | None:
    """A header or trailer line as (name, value); None if it is malformed.

    A name with a blank behind it or a folded line is malformed too (RFC 9112 5.1, 5.2).
    """
    name, colon, value = line[:-2].partition(b":")
    value = value.strip(b" \t")
    if (
        not line.endswith(b"\r\n")
        or not colon
        or not TOKEN.fullmatch(name)
        or _BAD_IN_VALUE.search(value)
    ):
        return None
    return name.decode("latin-1").lower(), value.decode("latin-1")
