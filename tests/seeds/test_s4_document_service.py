"""S4: the front end's service, written from the document alone, against a node."""

from collections.abc import Iterator

import pytest

from tests.seeds.salon_shop import gateway_says, heard, salon_serving, service
from tests.tools.paybell import Paybell
from tests.tools.wait import ProcessFailed, wait_until

DOCUMENTS = "/ws/payments/salon/s1"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paybell]:
    with salon_serving(tmp_path_factory.mktemp("salon")) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "transports"),
    [
        (DOCUMENTS, ""),  # as it stands there
        (DOCUMENTS, "websocket"),
        (DOCUMENTS, "polling"),
        ("/ws", ""),  # VITE_WS_BASE_URL
        ("/payments/salon/s1", ""),
    ],
)
def test_s4_1_the_documents_service_gets_its_paid(
    node: Paybell, path: str, transports: str
) -> None:
    invoice = f"TEST-{path}-{transports}"
    with service(node, invoice, path, transports) as page:
        gateway_says(node, f"another-than-{invoice}")
        gateway_says(node, invoice)
        assert page.wait() == 0, "it disconnects"
        (status,) = heard(page, "status")
        assert (status["invoiceId"], status["status"]) == (invoice, "SUCCESS")
        assert set(status) == {"invoiceId", "status", "timestamp", "data"}
        assert isinstance(status["timestamp"], int)
        assert heard(page, "connected") == [True, False]
        (transport,) = heard(page, "transport")
        assert transport in (transports or ["polling", "websocket"])
    wait_until(lambda: _clients(node) == 0, 10, "its connection to be gone")


def test_s4_1_the_documents_service_is_told_that_its_payment_failed(
    node: Paybell,
) -> None:
    with service(node, "TEST-failed", DOCUMENTS) as page:
        gateway_says(node, "TEST-failed", "PENDING")
        gateway_says(node, "TEST-failed", "FAILURE")
        assert page.wait() == 0, "it disconnects"
        (status,) = heard(page, "status")
        assert (status["invoiceId"], status["status"]) == ("TEST-failed", "FAILED")


@pytest.mark.parametrize("transports", ["", "websocket", "polling"])
def test_s4_1_the_documents_service_hears_of_its_users_new_card_without_an_invoice(
    node: Paybell, transports: str
) -> None:
    """As its page refreshes the list of cards."""
    user = f"u-{transports}"
    with service(node, "", DOCUMENTS, transports, userId=user) as page:
        for who in (f"not-{user}", user):
            card = {"tokenId": f"tok-{who}", "maskedCardNo": "xxxxxxxxxxxx1111"}
            invoice = f"CARD-{who}-{transports}"
            gateway_says(node, invoice, "TOKENIZED", customerRefNo=who, token=card)
        assert page.wait() == 0, "it disconnects"
        (event,) = heard(page, "token")
    assert set(event) == {"tokenId", "timestamp", "data"}
    assert event["tokenId"] == f"tok-{user}"
    assert isinstance(event["timestamp"], int)
    assert event["data"]["last4"] == "1111"


def test_s4_3_the_documents_service_is_refused_with_the_reason(node: Paybell) -> None:
    with (
        pytest.raises(ProcessFailed, match="the token has expired"),
        service(node, "TEST-old", DOCUMENTS, exp=1),
    ):
        pass


def _clients(node: Paybell) -> int:
    """Who is live, as the node counts."""
    found: int = node.get("/health").json()["websocket"]["clients"]
    return found
