"""What a merchant may be called. The one place that says so: API, file, command line.

A name stands in URLs, in log lines and on terminals, and decides whose payments a key
opens; so it has few characters and no meaning of its own. Pure.
"""

import re
from typing import Final

from engine.errors import InvalidMerchant

__all__ = ["ALLOWED", "DEFAULT", "EVERYBODY", "MAX_NAME", "NAME", "merchant_name"]

MAX_NAME: Final = 64

NAME: Final = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}$"
"""As a JSON schema has it: a search, so that `$` is the end."""

ALLOWED: Final = (
    f"1 to {MAX_NAME} letters, digits, '.', '_' or '-', beginning with a letter or"
    " digit"
)

DEFAULT: Final = "default"
"""Whose a payment is when nobody says."""

EVERYBODY: Final = "*"
"""Whose channel gets the events of all. No merchant is called so: a key of that name
would be one of everybody."""

_NAME = re.compile(NAME.removeprefix("^").removesuffix("$"), re.ASCII)


def merchant_name(text: str) -> str:
    """The name, if it is one. Raises `InvalidMerchant`."""
    if not _NAME.fullmatch(text):
        raise InvalidMerchant(f"the name of a merchant must be {ALLOWED}")
    return text
