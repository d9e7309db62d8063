"""What a decision left out, for the log: nothing is dropped silently.

Pure rules never log. They note what they did not count and why; the watcher writes each
note down, once for each subject.
"""

from enum import StrEnum

import msgspec

__all__ = ["LeftOut", "Note"]


class LeftOut(StrEnum):
    """Why something was not counted."""

    OLD = "old"  # it paid the address before the payment was created
    TOO_MANY = "too_many"  # more outputs than one payment follows
    CLAIM = "claim"  # more announcements than are kept at one time
    INVOICE = "invoice"  # a node's word that cannot be true
    TOKEN = "token"  # noqa: S105 - more saved cards than are told of


class Note(msgspec.Struct, frozen=True, gc=False):
    """`subject`: which output or transaction; empty: one note of its kind is enough.
    `detail` says it for people."""

    why: LeftOut
    subject: str
    detail: str
