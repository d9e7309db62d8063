"""Who is let in by which path, and whose payments a guest may hear of."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from engine.merchants.record import Merchant, MerchantSettings
from engine.merchants.rules import replaced
from engine.secrets.vault import Vault
from tests.tools.site_token import SECRET, claims, token
from tests.unit.transport.live.stage import terms_of
from transport.http.site_tokens import SiteTokens
from transport.live.doors import (
    DoorClosed,
    Doors,
    Guest,
    Place,
    TokenWanted,
    as_written,
    place_of,
)

VAULT = Vault(bytes(32))


class Records:
    """The part of a gateway that knows merchants: `rose` has rules for tokens."""

    def merchant(self, name: str) -> Merchant:
        nobody = Merchant(name=name)
        if name == "broken":
            return msgspec.structs.replace(nobody, is_damaged=True)
        if name != "rose":
            return nobody
        jwt = {"algorithm": "HS256", "secret": SECRET}
        said = msgspec.convert({"jwt": jwt}, MerchantSettings)
        return replaced(nobody, said, VAULT.seal, nobody.limits, 1)

    def now(self) -> int:
        return int(claims()["iat"]) * 1_000


def doors(salon: str | None = "default") -> Doors:
    gateway: Any = Records()
    return Doors(SiteTokens(gateway, VAULT), salon)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/", Place(None, None)),
        ("/ws", Place(None, None)),
        ("/payments/salon/12", Place(None, "12")),
        ("/ws/payments/salon/12", Place(None, "12")),
        ("/ws/payments/salon/a%20b/", Place(None, "a b")),
        ("/payments/rose", Place("rose", None)),
        ("/payments/salon", Place("salon", None)),
        ("/payments/salon/", Place("salon", None)),
        ("/payments", None),
        ("/payments/", None),
        ("/payments/salon//", None),
        ("/payments/salon/a/b", None),
        ("/payments/rose/a", None),
        ("/ws/ws", None),
        ("/else", None),
    ],
)
def test_a_path_stands_for_a_merchant_or_a_salon(
    path: str, place: Place | None
) -> None:
    assert place_of(path) == place


def nameless(guest: Guest) -> Guest:
    """Without the name of the rules that it was let in by."""
    assert guest.rules.startswith(f"jwt {guest.merchant} ")
    return replace(guest, rules="")


def test_of_the_merchant_of_the_setting_a_number_is_enough() -> None:
    for path, salon in (("/payments/salon/1", "1"), ("/payments/default", None)):
        assert nameless(doors().admit(path, None)) == Guest("default", salon)
    # What is said unasked is not looked at: it proves nothing, and opens no more.
    unasked = doors().admit("/payments/default", "canary")
    assert nameless(unasked) == Guest("default")


def test_all_others_have_no_door() -> None:
    for path in ("/payments/cafe", "/payments/-", "/payments", "/payments/%2a"):
        with pytest.raises(DoorClosed):
            doors().admit(path, token(claims()))
    for path in ("/payments/salon/1", "/", "/payments/default"):
        with pytest.raises(DoorClosed):
            doors(None).admit(path, None)


def test_a_merchant_with_rules_lets_nobody_in_without_a_token() -> None:
    for salon in ("default", "rose"):
        with pytest.raises(TokenWanted):
            doors(salon).admit("/payments/rose", None)
        with pytest.raises(DoorClosed) as caught:
            doors(salon).admit("/payments/rose", "canary")
        assert "canary" not in str(caught.value)
        assert not isinstance(caught.value, TokenWanted)
    with pytest.raises(DoorClosed):
        doors("broken").admit("/payments/salon/1", None)


def test_a_token_opens_its_own_salon() -> None:
    of_s1, of_all = token(claims()), token(claims(salonId=None))
    guest = doors("rose").admit("/payments/salon/s1", of_s1)
    assert (guest.merchant, guest.salon, guest.is_known) == ("rose", "s1", True)
    assert guest.expires_at == (claims()["exp"] + 30) * 1_000
    with pytest.raises(DoorClosed, match="another salon"):
        doors("rose").admit("/payments/salon/s2", of_s1)
    assert doors("rose").admit("/payments/salon/s2", of_all).salon == "s2"
    assert doors().admit("/payments/rose", of_s1).salon == "s1"
    assert doors().admit("/payments/rose", of_all).salon is None


@pytest.mark.parametrize(
    ("guest", "salon", "may"),
    [
        (Guest("default"), None, True),
        (Guest("default"), "s1", True),
        (Guest("default", "s1"), None, True),
        (Guest("default", "s1"), "s1", True),
        (Guest("default", "7"), 7, True),
        (Guest("default", "s1"), "s2", False),
        (Guest("other"), None, False),
        (Guest("other", "s1"), "s1", False),
    ],
)
def test_a_guest_hears_of_its_own_merchant_and_salon(
    guest: Guest, salon: str | int | None, may: bool
) -> None:
    metadata = {} if salon is None else {"salonId": salon}
    terms = msgspec.structs.replace(terms_of("pay_1", "inv"), metadata=metadata)
    assert guest.may_hear_of(terms) is may


@pytest.mark.parametrize("salon", ["Zoë", "a b", "a%20b", "12"])
def test_a_path_of_wsgi_is_decoded_once(salon: str) -> None:
    path_info = f"/ws/payments/salon/{salon}".encode().decode("latin-1")
    assert place_of(as_written(path_info)) == Place(None, salon)
    with pytest.raises(UnicodeError):
        as_written("/ws/payments/salon/\xeb")
