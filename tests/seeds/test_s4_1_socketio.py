"""Row S4.1: Socket.IO v4, spoken by the official client over each of its transports."""

from collections.abc import Iterator

import pytest

from tests.seeds.socketio_clients import NodeClients, node_clients
from tests.seeds.socketio_node import let_in, pay, salon_node, url_of
from tests.tools.livenode import LiveNode

POLLING, WEBSOCKET, UPGRADE = ["polling"], ["websocket"], ["polling", "websocket"]
TRANSPORTS = pytest.mark.parametrize(
    "transports", [POLLING, WEBSOCKET, UPGRADE], ids=["polling", "websocket", "upgrade"]
)
SUBSCRIBE, UNSUBSCRIBE = "subscribe:payment-events", "unsubscribe:payment-events"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with salon_node(tmp_path_factory.mktemp("node")) as node:
        yield node


@pytest.fixture(scope="module")
def clients() -> Iterator[NodeClients]:
    with node_clients() as clients:
        yield clients


@TRANSPORTS
def test_s4_1_a_page_is_told_that_its_invoice_is_paid(
    node: LiveNode, clients: NodeClients, transports: list[str]
) -> None:
    invoice = f"told-{len(transports)}-{transports[0]}"
    page = clients.open(url_of(node), auth=let_in(), transports=transports)
    page.next("connect")
    if len(transports) > 1:
        assert page.seen_one("upgrade")["transport"] == "websocket"
    assert page.ask(SUBSCRIBE, {"invoiceId": invoice})["state"] is None
    payment = node.create(external_id=invoice)
    pay(node, payment)
    done = page.event("payment:completed")
    assert done["invoiceId"] == invoice
    assert done["status"] == "SUCCESS"
    assert isinstance(done["timestamp"], int)
    updates = page.events("payment:status-update")
    assert [each["status"] for each in updates][-1] == "SUCCESS"
    page.close()


@pytest.mark.parametrize(
    "path",
    ["/payments/salon/s1", "/payments/default", "/", "/ws", "/ws/payments/salon/s1"],
)
def test_s4_1_each_url_of_the_document_is_a_namespace(
    node: LiveNode, clients: NodeClients, path: str
) -> None:
    page = clients.open(url_of(node, path), auth=let_in(), transports=WEBSOCKET)
    page.next("connect")
    payment = node.create(external_id=f"at-{path}")
    answer = page.ask(SUBSCRIBE, {"invoiceId": f"at-{path}"})
    assert answer["state"]["data"]["address"] == payment.address
    page.close()


def test_s4_1_subscribing_is_answered_with_the_state_if_one_asks_and_tells_nothing_else(
    node: LiveNode, clients: NodeClients
) -> None:
    payment = node.create(external_id="asked")
    node.chain.pay(payment.address, 400)
    node.wait_for_seq(payment.id, 2)
    page = clients.open(url_of(node), auth=let_in(), transports=WEBSOCKET)
    page.emit(SUBSCRIBE, "asked")  # the bare id, and no answer wanted
    answer = page.ask(SUBSCRIBE, {"invoiceId": "asked"})
    assert answer["state"]["status"] == "PENDING"
    assert answer["state"]["invoiceId"] == "asked"
    assert answer["state"]["data"]["address"] == payment.address
    assert page.events() == []
    page.close()


def test_s4_1_who_subscribes_after_the_payment_is_told_though_it_asks_for_no_answer(
    node: LiveNode, clients: NodeClients
) -> None:
    payment = node.create(external_id="early")
    pay(node, payment)
    page = clients.open(url_of(node), auth=let_in(), transports=WEBSOCKET)
    page.emit(SUBSCRIBE, {"invoiceId": "early"})
    assert page.event("payment:completed")["status"] == "SUCCESS"
    page.emit(SUBSCRIBE, {"invoiceId": "early"})
    page.ask(SUBSCRIBE, {"invoiceId": "early"})
    assert len(page.events()) == 2  # the update and the completion, never twice
    page.close()


def test_s4_1_a_payment_without_a_number_is_followed_by_its_id(
    node: LiveNode, clients: NodeClients
) -> None:
    payment = node.create()
    page = clients.open(url_of(node), auth=let_in(), transports=WEBSOCKET)
    assert page.ask(SUBSCRIBE, payment.id)["state"]["invoiceId"] == payment.id
    pay(node, payment)
    assert page.event("payment:completed")["invoiceId"] == payment.id
    page.close()


@TRANSPORTS
def test_s4_1_a_client_comes_back_with_since_and_is_told_what_it_missed_once(
    node: LiveNode, clients: NodeClients, transports: list[str]
) -> None:
    invoice = f"back-{len(transports)}-{transports[0]}"
    payment = node.create(external_id=invoice, confirmations_required=1)
    first = clients.open(url_of(node), auth=let_in(), transports=transports)
    first.ask(SUBSCRIBE, {"invoiceId": invoice, "steps": True})
    node.chain.pay(payment.address, 1_000)
    since = first.event("payment:status-update")["data"]["since"]
    first.close()
    node.chain.mine(1)
    node.wait_for(payment.id, "confirmed")
    back = clients.open(url_of(node), auth=let_in(), transports=transports)
    back.emit(SUBSCRIBE, {"invoiceId": invoice, "since": since})
    assert back.event("payment:completed")["status"] == "SUCCESS"
    back.ask(UNSUBSCRIBE, {"invoiceId": invoice})
    (update,) = back.events("payment:status-update")
    assert update["status"] == "SUCCESS"
    back.close()
    # Had the line broken between the two, the completion would still come.
    since = update["data"]["since"]
    between = clients.open(url_of(node), auth=let_in(), transports=transports)
    between.ask(SUBSCRIBE, {"invoiceId": invoice, "since": since})
    assert between.event("payment:completed")["status"] == "SUCCESS"
    between.close()


def test_s4_1_what_is_of_another_database_begins_anew_and_says_so(
    node: LiveNode, clients: NodeClients
) -> None:
    node.create(external_id="foreign")
    page = clients.open(url_of(node), auth=let_in(), transports=WEBSOCKET)
    answer = page.ask(SUBSCRIBE, {"invoiceId": "foreign", "since": "zzzzzzzz-3"})
    assert "another database" in answer["beginsAnew"]
    assert answer["state"]["status"] == "PENDING"
    page.close()


def test_s4_1_what_cannot_be_understood_is_answered_with_what_is_wanted(
    node: LiveNode, clients: NodeClients
) -> None:
    page = clients.open(url_of(node), auth=let_in(), transports=WEBSOCKET)
    wrongs: list[object] = [{}, {"invoiceId": ""}, {"invoiceId": "a", "since": "x"}]
    for wrong in [*wrongs, [], None]:
        answer = page.ask(SUBSCRIBE, wrong)
        assert answer["error"]["code"] == "bad_message"
    assert page.ask("what:ever")["error"]["code"] == "unknown_type"
    page.emit(SUBSCRIBE)
    assert page.event("subscribe:error")["code"] == "bad_message"
    page.close()


def test_s4_1_a_page_that_polls_may_say_all_its_invoices_in_one_request(
    node: LiveNode, clients: NodeClients
) -> None:
    page = clients.open(url_of(node), auth=let_in(), transports=POLLING)
    for number in range(40):  # kept by the client until it is connected
        page.emit(SUBSCRIBE, {"invoiceId": f"many-{number}"})
    assert page.ask(SUBSCRIBE, {"invoiceId": "many-last"})["state"] is None
    assert "disconnect" not in {each["what"] for each in page.seen}
    page.close()
