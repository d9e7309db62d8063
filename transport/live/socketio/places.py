"""Which merchant, and which salon of its, a Socket.IO namespace stands for. Pure.

The client's library makes the path of the URL that a page gives it a namespace: for
io("wss://host/payments/salon/12") that is "/payments/salon/12". A page may have "/ws"
in its base URL.

    /payments/salon/<id>     a salon of the merchant whom seeds.salon names
    /payments/<merchant>     that merchant
    /                        the merchant whom seeds.salon names
"""

from typing import NamedTuple
from urllib.parse import unquote

__all__ = ["Place", "place_of"]


class Place(NamedTuple):
    merchant: str | None  # None: whom seeds.salon names
    salon: str | None  # None: all of its salons


def place_of(namespace: str) -> Place | None:
    """None: there is no such place."""
    words = [unquote(word) for word in namespace.removesuffix("/").split("/")[1:]]
    if words[:1] == ["ws"]:
        words = words[1:]
    match words:
        case []:
            return Place(None, None)
        case ["payments", "salon", salon] if salon:
            return Place(None, salon)
        case ["payments", merchant] if merchant:
            return Place(merchant, None)
    return None
