"""How a merchant's pages look to its payers, and where they lead: values, and what of
them no type can say. Pure.

`transport/pages/brand.py` makes the colour readable; `web_places.py` reads URLs.
"""

import re
from typing import Annotated, Final

from msgspec import Meta

from engine.merchants.web_places import MAX_URL, place_mistake

__all__ = [
    "TXID",
    "BrandColor",
    "ExplorerUrl",
    "Reorder",
    "SupportUrl",
    "explorer_mistake",
    "support_mistake",
]

TXID: Final = "{txid}"
"""What an explorer's URL has in the place of a transaction's id."""

_MAIL: Final = "mailto:"
#: One plain address: nothing that a mail program reads as more (RFC 6068).
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")

BrandColor = Annotated[
    str,
    Meta(
        pattern=r"^(#[0-9a-fA-F]{6})?$(?!\n)",
        description="a colour like #1f5d4c, of the buttons of the checkout page; the"
        " colour of the text on it follows from it; empty for the page's own",
    ),
]
ExplorerUrl = Annotated[
    str,
    Meta(
        max_length=MAX_URL,
        pattern=r"^([Hh][Tt][Tt][Pp][Ss]://[!-~]*)?$(?!\n)",
        description=f"an https URL with {TXID} in it, of the page that an explorer has"
        " of a transaction; empty for no link",
    ),
]
SupportUrl = Annotated[
    str,
    Meta(
        max_length=MAX_URL,
        pattern=r"^((https|mailto):[!-~]*)?$(?!\n)",
        description="where a payer asks when something went wrong: an https URL, or"
        " mailto: with an address; empty for none",
    ),
]
Reorder = Annotated[
    bool,
    Meta(
        description="true if a payer may have a new address, and a new price, for a"
        " payment that expired unpaid"
    ),
]


def explorer_mistake(template: str) -> str | None:
    """What is wrong with it, if anything is."""
    if template.count(TXID) != 1 or "{" in template.replace(TXID, ""):
        return f"must have {TXID} in it once, and no other brace"
    if TXID in template.partition("://")[2].partition("/")[0]:
        return f"must have {TXID} behind its host"
    return place_mistake(template.replace(TXID, "0" * 64))


def support_mistake(url: str) -> str | None:
    """What is wrong with it, if anything is."""
    if url.startswith(_MAIL):
        address = url.removeprefix(_MAIL)
        return None if _ADDRESS.fullmatch(address) else "must have one address"
    return place_mistake(url)
