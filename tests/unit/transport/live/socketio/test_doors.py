"""Who may join: by the token, the namespace and the record of the merchant."""

from typing import Any, cast

import pytest

from transport.http.site_tokens import SiteTokens, SiteUser, TokenRefused
from transport.live.socketio.doors import DoorClosed, Doors
from transport.live.socketio.seat import Guest


class Tokens:
    """`rose` takes tokens, which name a salon or none; `open` takes none."""

    def are_wanted_by(self, merchant: str) -> bool:
        return merchant == "rose"

    def verify(self, token: str, merchant: str) -> SiteUser:
        if token == "bad":
            raise TokenRefused("it is bad")
        salon = None if token == "all" else token
        return SiteUser(merchant=merchant, user="u", salon=salon, expires_at=9)


def doors(salon_merchant: str | None) -> Doors:
    return Doors(cast(SiteTokens, Tokens()), salon_merchant)


def test_a_token_opens_its_salon_or_all_of_its_merchant() -> None:
    door = doors("rose")
    assert door.admit("/", {"token": "s1"}) == Guest("rose", "s1", 9)
    assert door.admit("/payments/salon/s1", {"token": "s1"}) == Guest("rose", "s1", 9)
    assert door.admit("/payments/salon/s1", {"token": "all"}) == Guest("rose", "s1", 9)
    assert door.admit("/payments/rose", {"token": "all"}) == Guest("rose", None, 9)


@pytest.mark.parametrize(
    ("namespace", "auth", "why"),
    [
        ("/payments/salon/s2", {"token": "s1"}, "another salon"),
        ("/", {"token": "bad"}, "it is bad"),
        ("/", None, "auth.token"),
        ("/", {"token": 1}, "auth.token"),
        ("/payments/elsewhere", {"token": "all"}, "takes no tokens"),
        ("/payments/..", {"token": "all"}, "no such merchant"),
        ("/admin", {"token": "all"}, "namespaces"),
    ],
)
def test_all_else_is_refused_and_says_why(namespace: str, auth: Any, why: str) -> None:
    with pytest.raises(DoorClosed, match=why):
        doors("rose").admit(namespace, auth)


def test_a_namespace_without_a_merchant_wants_the_setting() -> None:
    with pytest.raises(DoorClosed, match="no merchant is named"):
        doors(None).admit("/payments/salon/s1", {"token": "all"})
    assert doors(None).admit("/payments/rose", {"token": "all"}).merchant == "rose"


def test_without_tokens_the_salon_is_open_to_who_names_an_invoice() -> None:
    assert doors("open").admit("/payments/salon/s1", None) == Guest("open", "s1")
    assert doors("open").admit("/payments/open", {}) == Guest("open", None)
    with pytest.raises(DoorClosed):
        doors("open").admit("/payments/other", None)
