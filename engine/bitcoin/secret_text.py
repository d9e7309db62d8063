"""Whether a text spends money: asked wherever people paste keys and addresses. Pure.

Who mistakes a private key for an address, or for an xpub, must be told so, and what is
told must not hold it: errors go into logs, consoles and screenshots.
"""

import re
from typing import Final

__all__ = ["is_secret"]

# An extended private key of whatever prefix; a key in the wallet import format.
_SECRET: Final = re.compile(r"(?<![0-9A-Za-z])[xyztuvYZUV]prv|(?<![0-9A-Za-z])[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}(?![0-9A-Za-z])")  # fmt: skip  # noqa: E501
_WORDS: Final = re.compile(r"\s*(?:[a-zA-Z]+\s+){11,}[a-zA-Z]+\s*")
_HEX_KEY: Final = re.compile(r"\s*(?:0x)?[0-9a-fA-F]{64}\s*")


def is_secret(text: str) -> bool:
    """Whether there is, or may be, something in it that spends money: an extended
    private key, one in the wallet import format or in hexadecimal, words of a seed."""
    return bool(
        _SECRET.search(text) or _WORDS.fullmatch(text) or _HEX_KEY.fullmatch(text)
    )
