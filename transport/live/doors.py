"""Who may follow the payments of a shop by their invoices' numbers, and which of them.

    /payments/salon/<id>     a salon of the merchant whom `seeds.salon` names
    /payments/<merchant>     that merchant
    /                        the merchant whom `seeds.salon` names

A page may have `/ws` before these. A merchant whose record has rules for tokens (`jwt`)
lets nobody in without one of its site's own (`transport/http/site_tokens.py`). Of the
merchant whom `seeds.salon` names an invoice's number is enough, as in the document; all
others have no door. Nothing waits, but for what a damaged record costs.
"""

from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from engine.errors import InvalidMerchant
from engine.merchants.name import merchant_name
from engine.payment.model import Terms
from transport.http.site_tokens import SiteTokens, TokenRefused

__all__ = [
    "SALON",
    "DoorClosed",
    "Doors",
    "Guest",
    "Place",
    "TokenWanted",
    "as_written",
    "place_of",
]

#: Where a shop notes whose salon a payment is, if it has several.
SALON: Final = "salonId"


class DoorClosed(Exception):
    """Its text is for the client, and holds no part of a token."""


class TokenWanted(DoorClosed):
    """It came without a token, and may say one yet."""


class Place(NamedTuple):
    merchant: str | None  # None: whom seeds.salon names
    salon: str | None  # None: all of its salons


class Guest(msgspec.Struct, frozen=True):
    """Whom a connection speaks for. `expires_at`: ms; None: never."""

    merchant: str
    salon: str | None = None  # None: all of the merchant's
    expires_at: int | None = None
    is_known: bool = False  # by a token of the site's
    user: str | None = None  # whom the token names
    rules: str = ""  # under which it was let in: `SiteTokens.rules_of`

    def may_hear_of(self, terms: Terms) -> bool:
        """Its own merchant's payments, and of these its own salon's."""
        if terms.merchant != self.merchant:
            return False
        salon = terms.metadata.get(SALON)
        return self.salon is None or salon is None or str(salon) == self.salon


def as_written(path_info: str) -> str:
    """A path as `place_of` wants it, of WSGI's, which is decoded already, as Latin-1.
    Raises `UnicodeError`."""
    return quote(path_info.encode("latin-1").decode())


def place_of(path: str) -> Place | None:
    """None: there is no such place."""
    words = [unquote(word) for word in path.removesuffix("/").split("/")[1:]]
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


class Doors:
    """One per node."""

    def __init__(self, tokens: SiteTokens, salon_merchant: str | None = None) -> None:
        """`salon_merchant`: whom `seeds.salon` names."""
        self._tokens = tokens
        self._salon_merchant = salon_merchant

    def admit(self, path: str, token: str | None) -> Guest:
        """Raises `DoorClosed`; `TokenWanted` if none came and one is needed."""
        place = place_of(path)
        if place is None:
            raise DoorClosed(
                "there are the paths /payments/<merchant> and /payments/salon/<id>"
            )
        merchant = self._merchant(place.merchant)
        if not self._tokens.are_wanted_by(merchant):
            if merchant != self._salon_merchant:
                raise DoorClosed(
                    "this merchant takes no tokens (jwt in its record), so nobody may"
                    " follow its payments here"
                )
            return Guest(merchant, place.salon, rules=self._tokens.rules_of(merchant))
        if not token:
            raise TokenWanted(
                "a token of the shop's site is wanted: auth.token of Socket.IO, ?token="
                " of a plain WebSocket"
            )
        guest = self.guest_of(token, merchant)
        if place.salon is None or guest.salon == place.salon:
            return guest
        if guest.salon is not None:
            raise DoorClosed("the token is of another salon")
        return msgspec.structs.replace(guest, salon=place.salon)

    def guest_of(self, token: str, merchant: str) -> Guest:
        """Whom a token of this merchant's site speaks for. Raises `DoorClosed`."""
        try:
            user = self._tokens.verify(token, merchant)
        except TokenRefused as refusal:
            raise DoorClosed(str(refusal)) from refusal
        return Guest(
            merchant,
            user.salon,
            user.expires_at,
            is_known=True,
            user=user.user,
            rules=self._tokens.rules_of(merchant),
        )

    def is_welcome(self, guest: Guest) -> bool:
        """Whether the merchant still lets guests in as it let in this one."""
        return self._tokens.are_so(guest.rules)

    def _merchant(self, named: str | None) -> str:
        if named is None:
            if self._salon_merchant is None:
                raise DoorClosed(
                    "no merchant is named for this path: take /payments/<merchant>, or"
                    " set seeds.salon"
                )
            return self._salon_merchant
        try:
            return merchant_name(named)
        except InvalidMerchant as error:
            raise DoorClosed("there is no such merchant") from error
