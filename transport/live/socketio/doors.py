"""Who may join a namespace: the bearer of a token of the shop that it stands for.

The token is the shop's own (`transport/http/site_tokens.py`); it comes in `auth.token`,
on both transports alike. A merchant who takes no tokens has no namespace, unless
`seeds.salon` names it: then an invoice's number is enough, as on `/ws/payments/...`.
"""

from typing import Any

from engine.errors import InvalidMerchant
from engine.merchants.name import merchant_name
from transport.http.site_tokens import SiteTokens, TokenRefused
from transport.live.socketio.places import place_of
from transport.live.socketio.seat import Guest

__all__ = ["DoorClosed", "Doors"]


class DoorClosed(Exception):
    """Its text is for the client, and holds no part of a token."""


class Doors:
    """One per node."""

    def __init__(self, tokens: SiteTokens, salon_merchant: str | None = None) -> None:
        """`salon_merchant`: whom `seeds.salon` names."""
        self._tokens = tokens
        self._salon_merchant = salon_merchant

    def admit(self, namespace: str, auth: Any) -> Guest:
        """`auth`: what the client said on connecting. Raises `DoorClosed`."""
        place = place_of(namespace)
        if place is None:
            raise DoorClosed(
                "there are the namespaces /payments/<merchant>, /payments/salon/<id>"
                " and /"
            )
        merchant = self._merchant(place.merchant)
        if not self._tokens.are_wanted_by(merchant):
            if merchant != self._salon_merchant:
                raise DoorClosed(
                    "this merchant takes no tokens (jwt in its record), so nobody may"
                    " join"
                )
            return Guest(merchant, place.salon)
        try:
            user = self._tokens.verify(_token(auth), merchant)
        except TokenRefused as refusal:
            raise DoorClosed(str(refusal)) from refusal
        if place.salon is not None and user.salon not in (None, place.salon):
            raise DoorClosed("the token is of another salon")
        salon = place.salon if user.salon is None else user.salon
        return Guest(merchant, salon, user.expires_at)

    def _merchant(self, named: str | None) -> str:
        if named is None:
            if self._salon_merchant is None:
                raise DoorClosed(
                    "no merchant is named for this namespace: join"
                    " /payments/<merchant>, or set seeds.salon"
                )
            return self._salon_merchant
        try:
            return merchant_name(named)
        except InvalidMerchant as error:
            raise DoorClosed("there is no such merchant") from error


def _token(auth: Any) -> str:
    token = auth.get("token") if isinstance(auth, dict) else None
    if not isinstance(token, str) or not token:
        raise DoorClosed("auth.token must be a token of the shop's site")
    return token
