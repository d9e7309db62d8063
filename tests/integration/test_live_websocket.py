"""The WebSocket edges over real sockets, with a whole node behind them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from tests.tools.livenode import LiveNode, live_node
from tests.tools.wait import wait_until
from tests.tools.wsclient import TEXT, Closed, WsClient, connect
from transport.live.encoding import Frames
from transport.live.routes import LiveRoutes
from transport.server.refusal import Refusal

QUICK = {"ws_close_timeout_s": 0.5, "ws_fail_timeout_s": 0.5}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("live"), limits=QUICK) as running:
        yield running


def next_event(client: WsClient) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = client.recv_json()
        if message["type"].startswith("payment."):
            return message


def until_type(client: WsClient, kind: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = client.recv_json()
        if message["type"] == kind:
            return message


def story(client: WsClient, last: str = "payment.confirmed") -> list[dict[str, Any]]:
    """Events up to the first of a type."""
    received = [next_event(client)]
    while received[-1]["type"] != last:
        received.append(next_event(client))
    return received


def pay_and_confirm(node: LiveNode, address: str, amount_sat: int = 1_000) -> str:
    txid = node.chain.pay(address, amount_sat)
    node.chain.mine(2)
    return txid


# -- /ws/balance/<address> -----------------------------------------------------------


def test_the_state_comes_first_and_then_the_source_and_then_events(
    node: LiveNode,
) -> None:
    payment = node.create(external_id="order-7")
    client = node.watch(payment.address)
    state = client.recv_json()
    assert (state["type"], state["status"]) == ("state", "pending")
    assert (state["id"], state["seq"]) == (payment.id, 1)
    assert "client_secret" not in state
    source = client.recv_json()
    assert (source["type"], source["name"]) == ("source", "devchain")
    assert source["live"] is True
    pay_and_confirm(node, payment.address)
    received = story(client)
    assert [event["seq"] for event in received] == list(range(2, 2 + len(received)))
    assert received[-1]["status"] == "confirmed"
    assert received[-1]["received_sat"] == 1_000
    client.close()


def test_the_events_on_the_socket_are_the_bytes_that_the_journal_holds(
    node: LiveNode,
) -> None:
    payment = node.create()
    client = node.watch(payment.address, "?since=0")
    pay_and_confirm(node, payment.address)
    received = story(client)
    stored = node.gateway.history(payment.id, 0, 100)
    assert received == [json.loads(event.wire) for event in stored]
    client.close()


def test_the_page_of_the_seed_sees_confirmed(node: LiveNode) -> None:
    payment = node.create()
    client = node.watch(payment.address)
    pay_and_confirm(node, payment.address)
    # Its onmessage: data.status === "confirmed", whatever else the message is.
    while client.recv_json().get("status") != "confirmed":
        pass
    client.close()
    late = node.watch(payment.address)
    assert late.recv_json()["status"] == "confirmed"
    late.close()


def test_all_clients_of_an_address_are_told_the_same_story(node: LiveNode) -> None:
    payment = node.create()
    clients = [node.watch(payment.address, "?since=0") for _ in range(5)]
    pay_and_confirm(node, payment.address)
    stories = [story(client) for client in clients]
    assert all(received == stories[0] for received in stories)
    for client in clients:
        client.close()


def test_a_client_that_comes_back_gets_exactly_what_it_missed(node: LiveNode) -> None:
    payment = node.create(confirmations_required=3)
    first = node.watch(payment.address, "?since=0")
    node.chain.pay(payment.address, 1_000)
    seen = story(first, "payment.detected")
    first.sock.close()  # no manners
    node.chain.mine(3)
    node.wait_for(payment.id, "confirmed")
    second = node.watch(payment.address, f"?since={seen[-1]['seq']}")
    state = second.recv_json()
    assert (state["type"], state["status"]) == ("state", "confirmed")
    missed = story(second)
    assert [event["seq"] for event in seen + missed] == [
        seq for seq, _ in node.seqs(payment.id)
    ]
    second.close()


def test_since_in_the_future_is_told_and_then_the_state_follows(
    node: LiveNode,
) -> None:
    payment = node.create()
    client = node.watch(payment.address, "?since=99")
    error = client.recv_json()
    assert (error["type"], error["code"]) == ("error", "since_in_future")
    assert client.recv_json()["type"] == "state"
    client.close()


@pytest.mark.parametrize("since", ["-1", "x", "1.5", "", "9" * 30, "1&since=2"])
def test_a_since_that_is_no_number_is_refused_before_the_handshake(
    node: LiveNode, since: str
) -> None:
    payment = node.create()
    client = node.watch(payment.address, f"?since={since}")
    if since == "":
        assert client.accepted  # an empty value is none
    else:
        assert client.status == 422
        assert "since" in client.problem["detail"]
    client.sock.close()


@pytest.mark.parametrize(
    "address", ["bcrt1qnobodyknowsthis", "", "%00", "a" * 500, "..%2f..", "é"]
)
def test_an_unknown_address_is_a_404_before_the_handshake(
    node: LiveNode, address: str
) -> None:
    client = node.watch(address.replace("é", "%C3%A9"))
    assert client.status == 404
    assert client.headers["content-type"] == "application/problem+json"
    client.sock.close()


def test_a_bech32_address_in_capitals_is_the_same_address(node: LiveNode) -> None:
    payment = node.create()
    client = node.watch(payment.address.upper())
    assert client.recv_json()["id"] == payment.id
    client.close()


def test_what_a_client_says_there_is_ignored_until_it_is_too_much(
    tmp_path: Path,
) -> None:
    with live_node(tmp_path, live={"messages_per_min": 5}, limits=QUICK) as node:
        payment = node.create()
        client = node.watch(payment.address)
        for _ in range(5):
            client.send_text("hello?")
        node.chain.pay(payment.address, 1_000)
        assert next_event(client)["type"] == "payment.detected"
        client.send_text("one too many")
        assert client.expect_close() == 1008
        client.sock.close()


def test_a_message_over_16_kib_is_1009(node: LiveNode) -> None:
    client = node.watch(node.create().address)
    client.send_text("x" * 16_385)
    assert client.expect_close() == 1009
    client.sock.close()


def test_a_page_of_a_foreign_origin_may_not_connect(node: LiveNode) -> None:
    client = node.watch(node.create().address, origin="https://evil.example")
    assert client.status == 403
    client.sock.close()


def test_when_there_are_too_many_sockets_the_next_is_503(tmp_path: Path) -> None:
    with live_node(tmp_path, live={"max_sockets": 1}) as node:
        payment = node.create()
        first = node.watch(payment.address)
        assert first.recv_json()["type"] == "state"
        second = node.watch(payment.address)
        assert second.status == 503
        assert second.headers["retry-after"] == "5"
        first.close()
        wait_until(lambda: node.live.open == 0, 30, "the first to be gone")
        third = node.watch(payment.address)
        assert third.accepted
        third.close()


def test_sockets_leave_some_of_all_connections_to_others(node: LiveNode) -> None:
    routes = LiveRoutes(node.gateway, node.vault, Frames(), max_sockets=100)
    routes.keep_below(8)
    routes.open = 7
    payment = node.create()
    path = {"PATH_INFO": f"/ws/balance/{payment.address}", "QUERY_STRING": ""}
    answer = routes(path)
    assert isinstance(answer, Refusal)
    assert answer.status == 503


def test_a_client_that_answers_no_ping_is_closed_and_forgotten(
    tmp_path: Path,
) -> None:
    limits = {**QUICK, "ws_ping_s": 0.1, "ws_pong_timeout_s": 0.2}
    with live_node(tmp_path, limits=limits) as node:
        payment = node.create()
        alive = node.watch(payment.address)
        alive_reader = gevent.spawn(alive.expect_close)
        silent = node.watch(payment.address)
        silent.auto_pong = False
        assert silent.expect_close() == 1011
        silent.sock.close()
        wait_until(lambda: node.node.sessions.now == 1, 30, "one session to be left")
        assert not alive_reader.ready()
        alive.sock.close()
        alive_reader.kill()


def test_nothing_stays_of_clients_that_have_gone(node: LiveNode) -> None:
    payment = node.create()
    wait_until(lambda: node.live.open == 0, 30, "earlier clients to be gone")
    before = node.node.sessions.now
    clients = [node.watch(payment.address) for _ in range(10)]
    for client in clients:
        client.recv_json()
    for client in clients:
        client.sock.close()
    wait_until(lambda: node.node.sessions.now == before, 30, "the sessions to end")


def test_who_falls_behind_is_closed_with_1013_and_comes_back_for_the_rest(
    tmp_path: Path,
) -> None:
    with live_node(tmp_path, live={"queue_messages": 8}, limits=QUICK) as node:
        payment = node.create(amount_sat=20_000, confirmations_required=1)
        client = node.watch(payment.address, "?since=0", receive_buffer=4_096)
        # More events in one go than the kernel and the queue hold for one who does
        # not read.
        node.chain.pay_many([(payment.address, 600)] * 400)
        node.chain.mine(1)
        node.wait_for(payment.id, "confirmed")
        everything = [seq for seq, _ in node.seqs(payment.id)]
        assert len(everything) > 400
        got: list[int] = []
        assert _read_seqs(client, got, everything) == 1013
        assert 0 < len(got) < len(everything)
        # What is behind it by now is told at the pace of its reading.
        client = node.watch(payment.address, f"?since={got[-1]}")
        assert _read_seqs(client, got, everything) is None
        client.close()


def _read_seqs(client: WsClient, got: list[int], wanted: list[int]) -> int | None:
    """Read on until all was told, or the close code. No gap, nothing twice."""
    while got != wanted:
        try:
            message = client.recv_json()
        except Closed as end:
            client.sock.close()
            return end.code
        if message["type"].startswith("payment."):
            got.append(message["seq"])
            assert got == wanted[: len(got)]
    return None


def test_a_server_that_stops_says_1001(tmp_path: Path) -> None:
    with live_node(tmp_path) as node:
        client = node.watch(node.create().address)
        client.recv_json()
        stopping = gevent.spawn(node.server.stop, 30)
        assert client.expect_close() == 1001
        client.sock.close()
        stopping.get(timeout=30)


# -- /ws -----------------------------------------------------------------------------


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
    before = node.node.sessions.now
    client = node.talk()
    for number in range(5):
        identify(client, f"waiting-{number}")
    client.sock.close()
    wait_until(lambda: node.node.sessions.now == before, 30, "the sessions to end")


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
    for _ in range(110):
        client.send_json({"type": "ping"})
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
