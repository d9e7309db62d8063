"""After how many bytes a connection breaks: some of them, or each (`make soak`)."""

import os
from typing import Final

__all__ = ["places"]

EVERY_BYTE: Final = os.environ.get("PAYBELL_EVERY_BYTE") == "1"


def places(first: int, end: int, step: int) -> range:
    """Sizes from `first` up to `end`, which is none of them."""
    return range(first, end, 1 if EVERY_BYTE else step)
