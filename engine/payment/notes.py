"""What a decision left out, for the log: nothing is dropped silently.

Pure rules never log. They note what they did not count and why; the watcher writes each
note down once.
"""

from enum import StrEnum

import msgspec

__all__ = ["LeftOut", "Note"]


class LeftOut(StrEnum):
    """Why something was not counted."""

    OLD = "old"  # it paid the address before the payment was created
    TOO_MANY = "too_many"  # more outputs than one payment follows
    CLAIM = "claim"  # more announcements than are kept at one time
    NOT_BELIEVED = "not_believed"  # a view of more money than there is


class Note(msgspec.Struct, frozen=True, gc=False):
    """`what` says it for people: which output, how many, whose word."""

    why: LeftOut
    what: str
