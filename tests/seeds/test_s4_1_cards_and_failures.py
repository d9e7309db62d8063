"""S4.1: payments that failed, and whose saved cards are told; by gateways' words."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.seeds.salon_shop import gateway_says, salon_serving
from tests.seeds.socketio_clients import NodeClients, Page, node_clients
from tests.seeds.socketio_node import let_in
from tests.seeds.test_s4_1_socketio import SUBSCRIBE, TRANSPORTS
from tests.tools.paybell import Paybell
from tests.tools.wsclient import WsClient, connect

SALON = "/ws/payments/salon/s1"
SAVED = "payment:token-saved"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paybell]:
    with salon_serving(tmp_path_factory.mktemp("salon")) as running:
        yield running


@pytest.fixture(scope="module")
def clients() -> Iterator[NodeClients]:
    with node_clients() as clients:
        yield clients


def save_card(node: Paybell, name: str, merchant: str = "salon", **more: Any) -> None:
    """A card of its own for an invoice of its own, both of this name."""
    card = {"tokenId": f"tok-{name}", "maskedCardNo": "x1111", "cardScheme": "VISA"}
    gateway_says(node, name, "TOKENIZED", merchant, token=card, **more)


def opened(
    node: Paybell,
    clients: NodeClients,
    transports: list[str],
    path: str = SALON,
    **said: object,
) -> Page:
    page = clients.open(node.url + path, auth=let_in(**said), transports=transports)
    page.next("connect")
    return page


@TRANSPORTS
def test_s4_1_a_page_is_told_that_its_payment_failed_and_then_that_another_card_paid(
    node: Paybell, clients: NodeClients, transports: list[str]
) -> None:
    invoice = f"failed-{len(transports)}-{transports[0]}"
    page = opened(node, clients, transports)
    page.ask(SUBSCRIBE, {"invoiceId": invoice})
    gateway_says(node, invoice, "FAILURE")
    failed = page.event("payment:status-update")
    assert set(failed) == {"invoiceId", "status", "timestamp", "data"}
    assert (failed["invoiceId"], failed["status"]) == (invoice, "FAILED")
    gateway_says(node, invoice, "SUCCESS")
    assert page.event("payment:completed")["status"] == "SUCCESS"
    told = [each["status"] for each in page.events("payment:status-update")]
    assert told == ["FAILED", "SUCCESS"]
    page.close()


@TRANSPORTS
def test_s4_1_who_follows_an_invoice_is_told_of_its_card_once_and_others_are_not(
    node: Paybell, clients: NodeClients, transports: list[str]
) -> None:
    which = f"{len(transports)}-{transports[0]}"
    invoice, user = f"card-{which}", f"user-{which}"
    mine, tab = (
        opened(node, clients, transports, userId=who) for who in (user, "another")
    )
    other = opened(node, clients, transports, userId="a-third")
    for page in (mine, tab):
        page.ask(SUBSCRIBE, {"invoiceId": invoice})
    save_card(node, invoice, customerRefNo=user)
    gateway_says(node, invoice, "SUCCESS")
    for page in (mine, tab):
        saved = page.event(SAVED)
        assert saved["tokenId"] == f"tok-{invoice}"
        assert saved["data"]["last4"] == "1111"
        assert saved["data"]["invoiceId"] == invoice
        page.event("payment:completed")
        assert len(page.events(SAVED)) == 1
    other.ask(SUBSCRIBE, {"invoiceId": "none"})
    assert other.events() == []
    for page in (mine, tab, other):
        page.close()


@TRANSPORTS
def test_s4_3_a_page_without_an_invoice_is_told_of_its_own_users_cards_only(
    node: Paybell, clients: NodeClients, transports: list[str]
) -> None:
    which = f"{len(transports)}-{transports[0]}"
    ann = f"ann-{which}"
    page = opened(node, clients, transports, userId=ann)
    everywhere = opened(node, clients, transports, "/", userId=ann, salonId=None)
    cafe = opened(node, clients, transports, "/payments/cafe", userId=ann)
    salon = opened(node, clients, transports, userId=None, salonId="s1")
    save_card(node, f"bobs-{which}", customerRefNo="bob", salonId="s1")
    save_card(node, f"nobodys-{which}")
    save_card(node, f"elsewhere-{which}", customerRefNo=ann, salonId="s2")
    save_card(node, f"cafes-{which}", "cafe", customerRefNo=ann)
    save_card(node, f"mine-{which}", customerRefNo=ann, salonId="s1")
    expected = (
        (page, ["mine"]),
        (everywhere, ["elsewhere", "mine"]),
        (cafe, ["cafes"]),
        (salon, ["bobs", "mine"]),
    )
    for each, names in expected:
        ids = [f"tok-{name}-{which}" for name in names]
        assert [each.event(SAVED)["tokenId"] for _ in ids] == ids
        each.ask(SUBSCRIBE, {"invoiceId": "none"})  # nothing more is on its way
        assert [one["tokenId"] for one in each.events(SAVED)] == ids
        assert "since" not in each.events(SAVED)[0]["data"]
        each.close()


@pytest.mark.parametrize("how", ["?token=", "authenticate"])
def test_s4_2_a_plain_page_without_an_invoice_is_told_of_its_own_users_cards_only(
    node: Paybell, how: str
) -> None:
    token = let_in(userId=f"plain-{how}")["token"]
    if how == "authenticate":
        page = connect("127.0.0.1", node.port, SALON)
        page.send_json({"type": "authenticate", "token": token})
        assert page.recv_json()["type"] == "authenticated"
    else:
        page = connect("127.0.0.1", node.port, f"{SALON}?token={token}")
        in_order(page)
    save_card(node, f"another-{how}", customerRefNo="another")
    save_card(node, f"own-{how}", customerRefNo=f"plain-{how}")
    saved = page.recv_json()
    assert set(saved) == {"type", "tokenId", "timestamp", "data"}
    assert (saved["type"], saved["tokenId"]) == (SAVED, f"tok-own-{how}")
    in_order(page)
    page.close()


def in_order(page: WsClient) -> None:
    """All that was said before was heard, and nothing else was told."""
    page.send_json({"type": "ping"})
    assert page.recv_json()["type"] == "pong"
