"""`/ws` over real sockets: identities and subscriptions, with a whole node behind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.merchants.record import Merchant
from tests.integration.live_events import QUICK, next_event, pay_and_confirm, story
from tests.tools.livenode import LiveNode, live_node
from tests.tools.wait import wait_until
from tests.tools.wsclient import TEXT, WsClient, connect, frame


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("live"), limits=QUICK) as running:
        without_secret(running, "default", "shop-a", "shop-b")
        yield running


def without_secret(node: LiveNode, *merchants: str) -> None:
    """These have it as in the seed: whoever names an order number is told."""
    for name in merchants:
        open_one = Merchant(name=name, version=1, identify_without_secret=True)
        node.gateway.save_merchant(open_one)


def until_type(client: WsClient, kind: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = client.recv_json()
        if message["type"] == kind:
            return message


def identify(client: WsClient, external_id: str, **more: Any) -> dict[str, Any]:
    client.send_json({"type": "identify", "externalId": external_id, **more})
    answer: dict[str, Any] = until_type(client, "identified")
    return answer


def test_the_flow_of_the_seed_from_identify_to_paid(node: LiveNode) -> None:
    payment = node.create(external_id="payment-1729684496123-x7k2mq9")
    client = connect("127.0.0.1", node.server.port, "/ws")
    hello = client.recv_json()
    assert set(hello) == {"type", "message", "timestamp"}
    assert hello["type"] == "connected"
    assert identify(client, "payment-1729684496123-x7k2mq9").keys() == {
        "type",
        "externalId",
        "timestamp",
    }
    txid = pay_and_confirm(node, payment.address)
    paid = client.recv_json()
    assert paid.pop("timestamp").endswith("Z")
    assert paid == {
        "type": "payment",
        "status": "paid",
        "paymentHash": txid,
        "amountSat": 1_000,
        "externalId": "payment-1729684496123-x7k2mq9",
        "message": "Payment received successfully!",
    }
    client.close()


def test_identify_wants_the_secret_of_the_payment(tmp_path: Path) -> None:
    with live_node(tmp_path, limits=QUICK) as node:
        payment = node.create(external_id="guessed-7")
        client = node.talk()
        for order in ("guessed-7", "guessed-8"):
            client.send_json({"type": "identify", "externalId": order})
            assert client.recv_json()["code"] == "not_allowed"
        secret = node.vault.client_secret(payment.id)
        identify(client, "guessed-7", token=secret)
        pay_and_confirm(node, payment.address)
        paid = client.recv_json()
        assert (paid["type"], paid["status"]) == ("payment", "paid")
        assert (paid["externalId"], paid["amountSat"]) == ("guessed-7", 1_000)
        client.close()


def test_a_page_that_identifies_before_the_payment_exists_is_told_too(
    node: LiveNode,
) -> None:
    early = node.talk()
    identify(early, "natural-order")
    other = node.talk()
    identify(other, "another")
    payment = node.create(external_id="natural-order")
    pay_and_confirm(node, payment.address)
    assert early.recv_json()["status"] == "paid"
    other.send_json({"type": "ping"})
    assert other.recv_json()["type"] == "pong"  # and nothing before it
    early.close()
    other.close()


def test_s3_4_all_clients_that_identify_with_one_order_are_told(
    node: LiveNode,
) -> None:
    """Two tabs at once; whoever leaves takes nothing from the one that stays."""
    payment = node.create(external_id="two-tabs")
    first, second, gone = node.talk(), node.talk(), node.talk()
    for tab in (first, second, gone):
        assert identify(tab, "two-tabs")["type"] == "identified"
    gone.close()
    pay_and_confirm(node, payment.address)
    for tab in (first, second):
        told = tab.recv_json()
        assert (told["type"], told["status"]) == ("payment", "paid")
        assert (told["externalId"], told["amountSat"]) == ("two-tabs", 1_000)
        tab.send_json({"type": "ping"})
        assert tab.recv_json()["type"] == "pong", "told once"
        tab.close()


def test_paid_is_told_once_and_again_to_who_identifies_later(node: LiveNode) -> None:
    payment = node.create(external_id="once")
    client = node.talk()
    identify(client, "once")
    pay_and_confirm(node, payment.address)
    assert client.recv_json()["status"] == "paid"
    node.chain.mine(3)
    client.send_json({"type": "ping"})
    assert client.recv_json()["type"] == "pong"
    late = node.talk()
    identify(late, "once")
    assert late.recv_json()["status"] == "paid"
    identify(client, "once")
    assert client.recv_json()["status"] == "paid"
    client.close()
    late.close()


def test_an_older_paid_payment_does_not_answer_for_a_newer_one(
    node: LiveNode,
) -> None:
    old = node.create(external_id="again")
    pay_and_confirm(node, old.address)
    node.wait_for(old.id, "confirmed")
    node.create(external_id="again")
    client = node.talk()
    identify(client, "again")
    client.send_json({"type": "ping"})
    assert client.recv_json()["type"] == "pong"
    client.close()


def test_a_merchant_narrows_the_identity_to_its_own_payments(node: LiveNode) -> None:
    client = node.talk()
    identify(client, "shared-7", merchant="shop-a")
    foreign = node.create(external_id="shared-7", merchant="shop-b")
    own = node.create(external_id="shared-7", merchant="shop-a", amount_sat=2_000)
    pay_and_confirm(node, foreign.address)
    node.wait_for(foreign.id, "confirmed")
    pay_and_confirm(node, own.address, 2_000)
    assert client.recv_json()["amountSat"] == 2_000
    client.close()


def test_a_reorganisation_takes_back_what_was_paid_and_says_so(
    tmp_path: Path,
) -> None:
    with live_node(tmp_path) as node:
        without_secret(node, "default")
        payment = node.create(external_id="undone")
        client = node.talk()
        identify(client, "undone")
        txid = pay_and_confirm(node, payment.address)
        assert client.recv_json()["status"] == "paid"
        node.chain.reorg(2, drop=[txid])
        assert client.recv_json()["status"] == "reversed"
        pay_and_confirm(node, payment.address)
        assert client.recv_json()["status"] == "paid"
        client.close()


def test_identities_leave_nothing_behind(node: LiveNode) -> None:
    wait_until(lambda: node.live.open == 0, 30, "earlier clients to be gone")
    wait_until(lambda: node.node.sessions.now == 0, 30, "and their sessions")
    client = node.talk()
    for number in range(5):
        identify(client, f"waiting-{number}")
    client.sock.close()
    wait_until(lambda: node.node.sessions.now == 0, 30, "the sessions to end")


def subscribe(
    node: LiveNode, client: WsClient, payment_id: str, **more: Any
) -> dict[str, Any]:
    token = node.vault.client_secret(payment_id)
    client.send_json(
        {"type": "subscribe", "payment_id": payment_id, "token": token, **more}
    )
    answer: dict[str, Any] = until_type(client, "subscribed")
    return answer


def test_a_subscription_gives_the_state_and_then_events(node: LiveNode) -> None:
    payment = node.create()
    client = node.talk()
    answer = subscribe(node, client, payment.id)
    assert answer["payment_id"] == answer["state"]["id"] == payment.id
    assert answer["state"]["status"] == "pending"
    pay_and_confirm(node, payment.address)
    received = story(client)
    assert [event["seq"] for event in received] == list(range(2, 2 + len(received)))
    client.close()


def test_two_subscriptions_on_one_socket_are_resumed_each_by_its_own_since(
    node: LiveNode,
) -> None:
    one, two = node.create(), node.create()
    client = node.talk()
    subscribe(node, client, one.id, since=0)
    assert next_event(client)["payment_id"] == one.id
    subscribe(node, client, two.id, since=1)
    pay_and_confirm(node, two.address)
    received = story(client)
    assert {event["payment_id"] for event in received} == {two.id}
    assert received[0]["seq"] == 2
    client.close()


def test_the_sources_are_told_of_once_for_all_subscriptions(node: LiveNode) -> None:
    client = node.talk()
    subscribe(node, client, node.create().id)
    assert client.recv_json()["type"] == "source"
    subscribe(node, client, node.create().id)
    client.send_json({"type": "ping"})
    assert client.recv_json()["type"] == "pong"
    client.close()


def test_after_unsubscribing_nothing_more_comes(node: LiveNode) -> None:
    payment = node.create()
    client = node.talk()
    subscribe(node, client, payment.id)
    client.send_json({"type": "unsubscribe", "payment_id": payment.id})
    assert until_type(client, "unsubscribed")["payment_id"] == payment.id
    pay_and_confirm(node, payment.address)
    node.wait_for(payment.id, "confirmed")
    client.send_json({"type": "ping"})
    assert client.recv_json()["type"] == "pong"
    # And one may come back to it, for what was missed.
    subscribe(node, client, payment.id, since=1)
    assert story(client)[0]["seq"] == 2
    client.close()


@pytest.mark.parametrize("token", [None, "", "cs_wrong", "é", "\ud83d\ude00"])
def test_without_its_client_secret_nobody_follows_a_payment(
    node: LiveNode, token: str | None
) -> None:
    payment = node.create()
    client = node.talk()
    wanted = {"type": "subscribe", "payment_id": payment.id}
    client.send_json(wanted if token is None else {**wanted, "token": token})
    error = client.recv_json()
    assert error["type"] == "error"
    assert error["code"] == ("bad_message" if token == "" else "not_allowed")
    client.close()


def test_the_secret_of_one_payment_opens_no_other(node: LiveNode) -> None:
    mine, other = node.create(), node.create()
    client = node.talk()
    token = node.vault.client_secret(mine.id)
    client.send_json({"type": "subscribe", "payment_id": other.id, "token": token})
    error = client.recv_json()
    assert (error["code"], error["payment_id"]) == ("not_allowed", other.id)
    client.close()


def test_an_unknown_payment_with_a_good_token_is_told_so(node: LiveNode) -> None:
    client = node.talk()
    token = node.vault.client_secret("pay_none")
    client.send_json({"type": "subscribe", "payment_id": "pay_none", "token": token})
    error = client.recv_json()
    assert (error["code"], error["payment_id"]) == ("unknown_payment", "pay_none")
    client.close()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("{", "bad_json"),
        ("", "bad_json"),
        ("[" * 10_000, "bad_message"),
        ('{"a":' * 3_000, "bad_json"),
        ('"identify"', "bad_message"),
        ("[]", "bad_message"),
        ("{}", "bad_message"),
        ('{"type":7}', "bad_message"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":"identify"}', "bad_message"),
        ('{"type":"identify","externalId":""}', "bad_message"),
        ('{"type":"identify","externalId":7}', "bad_message"),
        ('{"type":"identify","externalId":"' + "x" * 300 + '"}', "bad_message"),
        ('{"type":"identify","externalId":"\\ud800"}', "bad_json"),
        ('{"type":"subscribe","payment_id":"p","since":-1}', "bad_message"),
        ('{"type":"subscribe","payment_id":"p","since":1.5}', "bad_message"),
        ('{"type":"subscribe","payment_id":"p","since":1e400}', "bad_message"),
    ],
)
def test_a_message_that_is_none_is_an_error_and_the_socket_lives(
    node: LiveNode, said: str, code: str
) -> None:
    client = node.talk()
    client.send_frame(TEXT, said.encode())
    error = client.recv_json()
    assert (error["type"], error["code"]) == ("error", code)
    assert error["message"]
    client.send_json({"type": "ping"})
    assert client.recv_json()["type"] == "pong"
    client.close()


def test_binary_messages_are_refused_in_words(node: LiveNode) -> None:
    client = node.talk()
    client.send_binary(b'{"type":"ping"}')
    assert client.recv_json()["code"] == "bad_message"
    client.close()


def test_one_socket_holds_64_identities_and_subscriptions(node: LiveNode) -> None:
    client = node.talk()
    for number in range(64):
        identify(client, f"one-of-many-{number}")
    client.send_json({"type": "identify", "externalId": "one-too-many"})
    assert client.recv_json()["code"] == "too_many"
    client.close()


def test_over_100_messages_at_once_the_socket_is_closed_with_1008(
    node: LiveNode,
) -> None:
    client = node.talk()
    # At once, and as many as are not allowed again within minutes.
    client.send_raw(frame(TEXT, b'{"type": "ping"}') * 500)
    assert client.expect_close() == 1008
    client.sock.close()


def test_new_payments_are_heard_of_again_after_their_session_was_lost(
    node: LiveNode,
) -> None:
    client = node.talk()
    identify(client, "after-the-loss")
    (lost,) = wait_until(
        lambda: [ref for ref in node.sessions() if "creations" in ref.name],
        5,
        "somebody to wait for new payments",
    )
    lost.stop()
    wait_until(lambda: lost.is_stopped, 30, "the session to end")
    payment = node.create(external_id="after-the-loss")
    pay_and_confirm(node, payment.address)
    assert client.recv_json()["status"] == "paid"
    client.close()
