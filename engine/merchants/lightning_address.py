"""A merchant's Lightning Address (LUD-16): the name before the @, and what it offers.

It is at once what comes in (a call, a table of paybell.toml), what is kept, and what is
shown: nothing of it is secret. What wallets are told of it makes
`engine/lightning/lnurl.py`. Pure.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from engine.money.amount import MAX_SAT

__all__ = [
    "MAX_COMMENT",
    "LightningAddress",
    "OwnLightningAddress",
    "address_mistake",
]

MAX_COMMENT: Final = 500
"""Characters; it stands in a URL, percent-encoded, and in a payment's metadata."""

MAX_SUCCESS: Final = 144  # LUD-09

# No control characters, and none that turn the text about them round (bidi).
_PLAIN = r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]*$"


class LightningAddress(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """`comment_length` 0: none is taken. `success_page`: the wallet of who has paid
    shows a link to the payment's own page."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$(?!\n)")]
    min_sat: Annotated[int, Meta(ge=1, le=MAX_SAT)] = 1
    max_sat: Annotated[int, Meta(ge=1, le=MAX_SAT)] = 1_000_000
    comment_length: Annotated[int, Meta(ge=0, le=MAX_COMMENT)] = 0
    description: Annotated[str, Meta(max_length=200, pattern=_PLAIN)] = ""
    success_message: Annotated[str, Meta(max_length=MAX_SUCCESS, pattern=_PLAIN)] = ""
    success_page: bool = False


OwnLightningAddress = Annotated[
    LightningAddress | None,
    Meta(
        description="an object: name (what stands before the @: 1 to 64 small letters,"
        " digits or . _ -, beginning and ending with a letter or digit; no other"
        " merchant of the node has it), min_sat and max_sat (1 and 1000000 if left"
        f" out), comment_length (0 to {MAX_COMMENT}; 0: none), description (at most 200"
        f" characters, shown to payers), success_message (at most {MAX_SUCCESS}) and"
        " success_page; null for none",
    ),
]


def address_mistake(address: LightningAddress) -> tuple[str, str] | None:
    """What the types cannot say: the field, and what is wrong with it."""
    if address.min_sat > address.max_sat:
        return "min_sat", "must not be more than max_sat"
    return None
