"""Row S4.5: no event twice, subscriptions by invoice, tabs, and nothing left behind."""

from collections.abc import Iterator

import pytest

from tests.seeds.socketio_clients import NodeClients, node_clients
from tests.seeds.socketio_node import let_in, pay, salon_node, url_of
from tests.seeds.test_s4_1_socketio import SUBSCRIBE, TRANSPORTS, UNSUBSCRIBE
from tests.tools.livenode import LiveNode
from tests.tools.wait import wait_until


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with salon_node(tmp_path_factory.mktemp("node"), subscriptions=5) as node:
        yield node


@pytest.fixture(scope="module")
def clients() -> Iterator[NodeClients]:
    with node_clients() as clients:
        yield clients


@TRANSPORTS
def test_s4_5_tabs_hear_their_own_invoices_each_event_once_and_leave_nothing_behind(
    node: LiveNode, clients: NodeClients, transports: list[str]
) -> None:
    which = f"{len(transports)}-{transports[0]}"
    mine, other = f"mine-{which}", f"other-{which}"
    tabs = [
        clients.open(url_of(node), auth=let_in(), transports=transports)
        for _ in range(3)
    ]
    for tab in tabs:
        tab.emit(SUBSCRIBE, {"invoiceId": mine})  # as React mounts things: twice
        tab.ask(SUBSCRIBE, {"invoiceId": mine})
    tabs[2].ask(UNSUBSCRIBE, mine)
    tabs[2].ask(SUBSCRIBE, other)
    for invoice in (mine, other):
        pay(node, node.create(external_id=invoice))
    for tab, heard in zip(tabs, (mine, mine, other), strict=True):
        tab.event("payment:completed")
        tab.ask(UNSUBSCRIBE, heard)
        told = [(e["invoiceId"], e["data"]["seq"]) for e in tab.events()]
        assert {invoice for invoice, _ in told} == {heard}
        steps = [e["data"]["seq"] for e in tab.events("payment:status-update")]
        assert steps == sorted(set(steps))
        assert len(tab.events("payment:completed")) == 1
        tab.close()
    wait_until(lambda: not len(node.socketio), 10, "the sockets to be gone")
    wait_until(lambda: not node.sessions(), 10, "their sessions to be gone")
    assert len(node.live.creation_listeners) == 0
    assert len(node.live.saved_cards) == 0
    assert node.live.open == 0


def test_s4_5_a_tab_that_dies_without_a_word_leaves_nothing_behind(
    node: LiveNode, clients: NodeClients
) -> None:
    page = clients.open(
        url_of(node), auth=let_in(), transports=["websocket"], reconnection=False
    )
    node.create(external_id="dies")
    page.ask(SUBSCRIBE, "dies")
    assert node.sessions()
    page.cut()
    wait_until(lambda: not node.sessions(), 10, "its session to be gone")
    assert len(node.live.creation_listeners) == 0


def test_s4_5_ten_thousand_subscriptions_end_at_the_setting_that_the_answer_names(
    node: LiveNode, clients: NodeClients
) -> None:
    page = clients.open(url_of(node), auth=let_in(), transports=["websocket"])
    for number in range(5):
        assert "error" not in page.ask(SUBSCRIBE, f"one-of-many-{number}")
    error = page.ask(SUBSCRIBE, "one-too-many")["error"]
    assert error["code"] == "too_many"
    assert error["limit"] == "socketio_subscriptions"
    page.emit(SUBSCRIBE, "one-too-many")
    assert page.event("subscribe:error")["limit"] == "socketio_subscriptions"
    page.ask(UNSUBSCRIBE, "one-of-many-0")
    assert "error" not in page.ask(SUBSCRIBE, "one-of-many-5")
    for number in range(10_000):
        page.emit(SUBSCRIBE, f"flood-{number}")
    page.next("disconnect", 30)  # it says far more than any page does
    page.close()
    wait_until(lambda: not node.sessions(), 10, "its sessions to be gone")


def test_s4_5_a_later_payment_of_the_same_invoice_is_told_too(
    node: LiveNode, clients: NodeClients
) -> None:
    page = clients.open(url_of(node), auth=let_in(), transports=["websocket"])
    first = node.create(external_id="again")
    page.ask(SUBSCRIBE, "again")
    pay(node, first)
    page.event("payment:completed")
    second = node.create(external_id="again")
    pay(node, second)
    assert page.event("payment:completed")["data"]["address"] == second.address
    late = clients.open(url_of(node), auth=let_in(), transports=["websocket"])
    late.emit(SUBSCRIBE, {"invoiceId": "again", "since": 1, "paymentId": first.id})
    told = [late.event("payment:completed")["data"]["address"] for _ in range(2)]
    assert set(told) == {first.address, second.address}
    page.close()
    late.close()
