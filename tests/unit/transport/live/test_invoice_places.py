"""One visitor cannot take the places of all."""

import pytest

from transport.live.doors import Guest
from transport.live.invoice_places import SHARE, InvoicePlaces

LIMIT = 64


def guest(user: str | None = None, merchant: str = "rose") -> Guest:
    return Guest(merchant, user=user, is_known=user is not None)


def test_one_address_has_a_share_and_others_have_theirs() -> None:
    places = InvoicePlaces(LIMIT)
    for _ in range(LIMIT // SHARE):
        assert places.refusal(guest(), "10.0.0.1") == ""
        places.take(guest(), "10.0.0.1")
    assert "one visitor" in places.refusal(guest(), "10.0.0.1")
    assert "socketio_per_merchant" in places.refusal(guest(), "10.0.0.1")
    assert places.refusal(guest(), "10.0.0.2") == ""
    assert places.refusal(guest(merchant="lily"), "10.0.0.1") == ""


def test_one_user_has_a_share_from_however_many_addresses() -> None:
    places = InvoicePlaces(LIMIT)
    for number in range(LIMIT // SHARE):
        places.take(guest("ann"), f"10.0.0.{number}")
    assert "one visitor" in places.refusal(guest("ann"), "10.9.9.9")
    assert places.refusal(guest("bob"), "10.9.9.9") == ""


def test_of_a_shop_there_are_so_many_and_those_given_back_are_free() -> None:
    places = InvoicePlaces(LIMIT)
    given = [places.take(guest(), f"10.0.{n}.1") for n in range(LIMIT)]
    assert f"at most {LIMIT} invoices of a shop" in places.refusal(guest(), "10.9.9.9")
    given.pop()()
    assert places.refusal(guest(), "10.9.9.9") == ""
    for leave in given:
        leave()
    assert len(places) == 0
    with pytest.raises(AssertionError):
        given[0]()
