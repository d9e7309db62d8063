"""Which merchant and which salon a namespace stands for."""

import pytest

from transport.live.socketio.places import Place, place_of


@pytest.mark.parametrize(
    ("namespace", "place"),
    [
        ("/", Place(None, None)),
        ("/ws", Place(None, None)),
        ("/payments/salon/12", Place(None, "12")),
        ("/ws/payments/salon/12", Place(None, "12")),
        ("/payments/salon/12/", Place(None, "12")),
        ("/payments/salon/a%20b", Place(None, "a b")),
        ("/payments/rose", Place("rose", None)),
        ("/ws/payments/rose", Place("rose", None)),
        ("/payments/salon", Place("salon", None)),
        ("/payments", None),
        ("/payments/", None),
        ("/payments/salon/", Place("salon", None)),
        ("/payments/salon//", None),
        ("/payments/rose/more", None),
        ("/ws/ws", None),
        ("/admin", None),
    ],
)
def test_the_places_of_the_document(namespace: str, place: Place | None) -> None:
    assert place_of(namespace) == place
