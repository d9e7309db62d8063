"""`/ws/balance/<address>` over real sockets, with a whole node behind it."""

import json
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.integration.live_events import QUICK, next_event, pay_and_confirm, story
from tests.tools.livenode import LiveNode, live_node
from tests.tools.wait import wait_until
from tests.tools.wsclient import TEXT, Closed, WsClient, frame
from transport.live.allow_list import event_for_strangers
from transport.live.encoding import Frames
from transport.live.routes import LiveRoutes
from transport.server.refusal import Refusal


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("live"), limits=QUICK) as running:
        yield running


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


def test_a_stranger_is_told_what_is_on_the_list_and_who_has_the_secret_all(
    node: LiveNode,
) -> None:
    payment = node.create(external_id="canary-order", metadata={"canary": "meta"})
    secret = node.vault.client_secret(payment.id)
    stranger = node.watch(payment.address, "?since=0", stranger=True)
    insider = node.watch(payment.address, f"?since=0&token={secret}", stranger=True)
    state, whole = stranger.recv_json(), insider.recv_json()
    assert whole["id"] == payment.id
    assert (whole["external_id"], whole["metadata"]) == (
        "canary-order",
        {"canary": "meta"},
    )
    pay_and_confirm(node, payment.address)
    told = [state, *story(stranger)]
    stored = [e.wire for e in node.gateway.history(payment.id, 0, 100)]
    assert story(insider) == [json.loads(wire) for wire in stored]
    assert told[1:] == [json.loads(event_for_strangers(wire)) for wire in stored]
    assert told[-1]["status"] == "confirmed"
    for name in ("canary", payment.id, "external_id", "metadata", "merchant"):
        assert name not in json.dumps(told)
    stranger.sock.close()
    # And goes on from where it was, by seq and epoch.
    since = f"?since={state['epoch']}-{told[-2]['seq']}"
    again = node.watch(payment.address, since, stranger=True)
    assert story(again) == told[-1:]
    for client in (again, insider):
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
    "address", ["bcrt1qnobodyknowsthis", "", "%01", "a" * 500, "..%2f..", "é"]
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
        # More than a minute's at once: some are allowed again by now.
        client.send_raw(frame(TEXT, b"too many") * 20)
        assert client.expect_close() == 1008
        client.sock.close()


def test_a_ping_there_gets_a_pong(node: LiveNode) -> None:
    client = node.watch(node.create().address)
    client.send_text('{"type":"ping"}')
    while (said := client.recv_json())["type"] in {"state", "source"}:
        pass
    assert said == {"type": "pong"}
    client.close()


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
    routes = LiveRoutes(node.gateway, node.vault, Frames("simulate"), max_sockets=100)
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
    limits = {**QUICK, "ws_ping_s": 0.1, "ws_pong_timeout_s": 10.0}
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
    wait_until(lambda: node.node.sessions.now == 0, 30, "and their sessions")
    clients = [node.watch(payment.address) for _ in range(10)]
    for client in clients:
        client.recv_json()
    for client in clients:
        client.sock.close()
    wait_until(lambda: node.node.sessions.now == 0, 30, "the sessions to end")


def test_who_falls_behind_is_closed_with_1013_and_comes_back_for_the_rest(
    tmp_path: Path,
) -> None:
    # It is read only later, and may be slow at that.
    limits = {"ws_close_timeout_s": 60, "ws_fail_timeout_s": 60}
    live = {"queue_messages": 8}
    with live_node(tmp_path, live=live, limits=limits, send_buffer=4_096) as node:
        payment = node.create(amount_sat=20_000, confirmations_required=1)
        client = node.watch(payment.address, "?since=0", receive_buffer=4_096)
        # More events than the kernel and the queue hold for one who does not read,
        # in however many commits they come.
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
