"""What a setting is: its name everywhere, how it is read, and what is allowed. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["Option"]

_FLAGS = {"sources": "source", "seeds": "seed"}
"""Options that are called otherwise than their variable: each gives one of several."""


class Option(msgspec.Struct, frozen=True):
    """One setting: its name everywhere, how it is read, and what is allowed."""

    name: str
    parse: Callable[[str], Any]
    default: str | None
    allowed: str
    help: str
    secret: bool = False
    repeated: bool = False
    shown: bool = True  # False: a wrong value is not quoted, as it may hold a password
    switch: bool = False  # the bare option means "yes"

    @property
    def environ(self) -> str:
        return "PAYBELL_" + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + _FLAGS.get(self.name, self.name).replace("_", "-")
