"""Server-Sent Events of one address, over real sockets and a whole node."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.tools.livenode import INSIDER, LiveNode, live_node
from tests.tools.sseclient import SseClient, SseEvent
from tests.tools.wait import wait_until


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("sse")) as running:
        yield running


def id_of(node: LiveNode, seq: int) -> str:
    return f"{node.gateway.epochs().present}-{seq}"


def balance(node: LiveNode, address: str, query: str = "", **headers: str) -> SseClient:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return node.stream(f"/events/balance/{address}{query}", **INSIDER, **names)


def story(stream: SseClient, last: str = "payment.confirmed") -> list[SseEvent]:
    received = []
    for event in stream.events():
        received.append(event)
        if event.kind == last:
            break
    return received


def test_a_stream_begins_with_its_retry_time_and_a_comment_and_the_state(
    node: LiveNode,
) -> None:
    payment = node.create()
    stream = balance(node, payment.address)
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["cache-control"] == "no-store"
    assert stream.headers["x-accel-buffering"] == "no"
    state = stream.next()
    assert (stream.retry, stream.comments) == ("2000", ["ok"])
    assert (state.kind, state.id) == ("state", id_of(node, 1))
    assert (state.data["type"], state.data["status"]) == ("state", "pending")
    source = stream.next()
    assert (source.kind, source.id) == ("source", None)
    stream.close()


def test_a_stranger_is_told_what_is_on_the_list_and_who_has_the_secret_all(
    node: LiveNode,
) -> None:
    payment = node.create(external_id="canary-order", metadata={"canary": "meta"})
    path = f"/events/balance/{payment.address}?since=0"
    stranger = node.stream(path)
    insider = node.stream(f"{path}&token={node.vault.client_secret(payment.id)}")
    told, whole = [stranger.next()], [insider.next()]
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    told += story(stranger)
    whole += story(insider)
    assert [e.id for e in told] == [e.id for e in whole]
    assert [e.kind for e in told] == [e.kind for e in whole]
    assert all(one.data["external_id"] == "canary-order" for one in whole[1:])
    for name in ("canary", payment.id, "external_id", "metadata", "merchant"):
        assert name not in json.dumps([one.data for one in told])
    assert told[-1].data["received_sat"] == 1_000
    stranger.close()
    insider.close()


def test_a_wrong_key_is_refused(node: LiveNode) -> None:
    path = f"/events/balance/{node.create().address}"
    refused = node.stream(path, Authorization="Bearer pbk_wrong")
    assert refused.status == 401
    refused.close()


def test_events_have_their_seq_as_id_and_their_type_as_name(node: LiveNode) -> None:
    payment = node.create()
    stream = balance(node, payment.address)
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    received = story(stream)
    assert [event.id for event in received] == [
        id_of(node, n) for n in range(2, 2 + len(received))
    ]
    for event in received:
        assert event.kind == event.data["type"]
        assert event.id == id_of(node, event.data["seq"])
    assert received[-1].data["status"] == "confirmed"
    stream.close()


def test_a_reader_that_comes_back_gets_exactly_what_it_missed(node: LiveNode) -> None:
    payment = node.create(confirmations_required=3)
    first = balance(node, payment.address)
    node.chain.pay(payment.address, 1_000)
    story(first, "payment.detected")
    first.close()
    node.chain.mine(3)
    node.wait_for(payment.id, "confirmed")
    assert first.last_id == id_of(node, 2)
    back = balance(node, payment.address, Last_Event_ID=first.last_id)
    state = back.next()
    # Without an id: were the connection lost now, nothing would be skipped.
    assert (state.kind, state.id) == ("state", None)
    assert state.data["status"] == "confirmed"
    missed = story(back)
    assert [event.id for event in missed] == [
        id_of(node, seq) for seq, _ in node.seqs(payment.id) if seq > 2
    ]
    back.close()


def test_since_in_the_url_does_for_who_cannot_send_headers(node: LiveNode) -> None:
    payment = node.create()
    stream = balance(node, payment.address, "?since=0")
    assert stream.next().id is None
    assert story(stream, "payment.created")[0].id == id_of(node, 1)
    stream.close()


def test_the_header_is_newer_than_the_url_that_the_page_began_with(
    node: LiveNode,
) -> None:
    payment = node.create()
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    node.wait_for(payment.id, "confirmed")
    stream = balance(node, payment.address, "?since=0", Last_Event_ID="2")
    assert story(stream)[0].id == id_of(node, 3)
    stream.close()


def test_an_id_of_the_future_is_told_as_a_problem_and_the_state_resets_it(
    node: LiveNode,
) -> None:
    payment = node.create()
    stream = balance(node, payment.address, Last_Event_ID="99")
    problem = stream.next()
    assert (problem.kind, problem.data["code"]) == ("problem", "since_in_future")
    assert stream.next().id == id_of(node, 1)
    stream.close()


def test_an_id_of_another_epoch_is_told_as_a_problem_and_the_state_begins_anew(
    node: LiveNode,
) -> None:
    payment = node.create()
    stream = balance(node, payment.address, Last_Event_ID="zzzzzzzz-1")
    problem = stream.next()
    assert (problem.kind, problem.data["code"]) == ("problem", "begins_anew")
    state = stream.next()
    assert (state.kind, state.id) == ("state", id_of(node, 1))
    assert state.data["epoch"] == node.gateway.epochs().present
    stream.close()


@pytest.mark.parametrize("text", ["x", "-1", "1.0", "9" * 19, "²", "a-1"])
def test_an_id_that_is_no_number_is_422(node: LiveNode, text: str) -> None:
    payment = node.create()
    if text.isascii():
        refused = balance(node, payment.address, Last_Event_ID=text)
        assert refused.status == 422
        refused.close()
    refused = balance(node, payment.address, f"?since={quote(text)}")
    assert refused.status == 422
    assert b"since" in refused.body
    refused.close()


def test_an_unknown_address_is_a_404_problem(node: LiveNode) -> None:
    refused = balance(node, "bcrt1qnobodyknowsthis")
    assert refused.status == 404
    assert refused.headers["content-type"] == "application/problem+json"
    refused.close()


def test_a_head_request_gets_the_headers_and_no_stream(node: LiveNode) -> None:
    payment = node.create()
    answer = node.ask(f"/events/balance/{payment.address}", method="HEAD")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body == b""


def test_only_pages_of_allowed_origins_may_read_it(tmp_path: Path) -> None:
    with live_node(tmp_path, origins=("https://shop.example",)) as node:
        payment = node.create()
        shop = balance(node, payment.address, Origin="https://shop.example")
        assert shop.headers["access-control-allow-origin"] == "https://shop.example"
        assert shop.headers["vary"] == "Origin"
        other = balance(node, payment.address, Origin="https://evil.example")
        assert "access-control-allow-origin" not in other.headers
        shop.close()
        other.close()
        asked = node.ask(
            f"/events/balance/{payment.address}",
            method="OPTIONS",
            headers={"Origin": "https://shop.example"},
        )
        assert asked.status == 204
        assert asked.headers["access-control-allow-headers"] == "Last-Event-ID"


def test_silence_is_filled_and_a_reader_that_has_gone_is_noticed(
    tmp_path: Path,
) -> None:
    with live_node(tmp_path, stream={"keep_alive_s": 0.05}) as node:
        payment = node.create()
        stream = balance(node, payment.address)
        stream.wait_for_comment("keep-alive")
        assert node.node.sessions.now == 1
        stream.close()
        wait_until(lambda: not node.node.sessions.now, 30, "the session to end")


def test_a_reader_that_has_gone_is_noticed_before_there_is_anything_to_say(
    node: LiveNode,
) -> None:
    wait_until(lambda: not node.node.sessions.now, 30, "earlier readers to be gone")
    payment = node.create()
    for _ in range(300):  # more than one address may have at once
        stream = balance(node, payment.address)
        assert stream.status == 200
        assert stream.next().kind == "state"
        stream.close()
    wait_until(lambda: not node.node.sessions.now, 30, "the sessions to end")


def test_a_reader_that_says_something_meanwhile_is_told_on(node: LiveNode) -> None:
    payment = node.create(confirmations_required=1)
    stream = balance(node, payment.address)
    assert stream.next().kind == "state"
    stream.say(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    node.chain.pay(payment.address, 1_000)
    assert next(stream.events()).kind == "payment.detected"
    stream.close()


def test_many_readers_are_told_the_same_bytes(node: LiveNode) -> None:
    payment = node.create()
    streams = [balance(node, payment.address, "?since=0") for _ in range(5)]
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    stories = [story(stream) for stream in streams]
    assert all(received == stories[0] for received in stories)
    for stream in streams:
        stream.close()


def test_who_falls_behind_gets_what_is_queued_and_then_the_end(
    tmp_path: Path,
) -> None:
    with live_node(tmp_path, stream={"queue_messages": 10}) as node:
        payment = node.create(amount_sat=20_000, confirmations_required=1)
        stream = balance(node, payment.address, Last_Event_ID="0")
        assert stream.next().kind == "state"
        # More events in one go than the queue holds.
        node.chain.pay_many([(payment.address, 600)] * 40)
        node.chain.mine(1)
        node.wait_for(payment.id, "confirmed")
        everything = [seq for seq, _ in node.seqs(payment.id)]
        rest = [e for e in stream.rest() if e.kind.startswith("payment.")]
        got = [e.data["seq"] for e in rest]
        assert [e.id for e in rest] == [id_of(node, seq) for seq in got]
        stream.close()
        assert 0 < len(got) < len(everything)
        assert got == everything[: len(got)]
        # What is behind it by now is told at the pace of its reading.
        stream = balance(node, payment.address, Last_Event_ID=id_of(node, got[-1]))
        events = stream.events()
        while got != everything:
            got.append(next(events).data["seq"])
            assert got == everything[: len(got)]
        stream.close()


def test_a_server_that_stops_ends_its_streams(tmp_path: Path) -> None:
    with live_node(tmp_path) as node:
        payment = node.create()
        stream = balance(node, payment.address)
        assert stream.next().kind == "state"
        node.server.stop(2)
        assert all(event.kind == "source" for event in stream.rest())
        wait_until(lambda: not node.node.sessions.now, 30, "the session to end")
