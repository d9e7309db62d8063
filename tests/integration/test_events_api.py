"""`GET /v1/events`: pages, the long poll and the stream, over a whole node."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest

from engine.store.writes import ApiKey
from tests.tools.livenode import KEY, LiveNode, live_node
from tests.tools.sseclient import SseClient
from tests.tools.wait import wait_until
from transport.http.auth import KeyLimits, hash_key
from transport.live.sinks import StreamQueue

BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("events")) as running:
        yield running


def last(node: LiveNode) -> int:
    return node.gateway.health().last_offset


def cursor(node: LiveNode, offset: int) -> str:
    return f"{node.gateway.epochs().present}-{offset}"


def offset_of(node: LiveNode, text: str | None) -> int:
    """Of a cursor of this node's epoch."""
    assert text is not None
    epoch, _, number = text.partition("-")
    assert epoch == node.gateway.epochs().present
    return int(number)


def page(node: LiveNode, query: str = "") -> dict[str, Any]:
    answer = node.api_get(f"/v1/events{query}")
    assert answer.status == 200, answer.body
    read: dict[str, Any] = answer.json
    return read


def shop_key(node: LiveNode, merchant: str) -> dict[str, str]:
    key = f"pbk_{merchant}".ljust(40, "x")
    row = ApiKey(f"key_{merchant}", merchant, merchant, hash_key(key), 1, ("read",))
    node.gateway.save_key(row)
    headers = {"Authorization": f"Bearer {key}"}
    wait_until(
        lambda: node.ask("/v1/events", headers=headers).status == 200,
        5,
        "the new key to be known",
    )
    return headers


def stream(node: LiveNode, **headers: str) -> SseClient:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return node.stream("/v1/events", **{**BEARER, **names})


def test_reading_page_by_page_gives_every_event_once_and_in_order(
    node: LiveNode,
) -> None:
    for _ in range(5):
        node.create()
    offsets, after = [], "0"
    while True:
        read = page(node, f"?after={after}&limit=2")
        assert len(read["data"]) <= 2
        offsets += [event["offset"] for event in read["data"]]
        assert read["next"] == cursor(node, offsets[-1])
        if read["next"] == after:
            break
        after = read["next"]
    assert offsets == list(range(1, last(node) + 1))


def test_events_are_the_same_object_as_on_every_channel(node: LiveNode) -> None:
    payment = node.create(external_id="same")
    event = page(node, f"?after={last(node) - 1}")["data"][0]
    client = node.watch(payment.address, "?since=0")
    client.recv_json()
    client.recv_json()
    assert client.recv_json() == event
    client.close()


def test_a_long_poll_ends_the_moment_something_happens(node: LiveNode) -> None:
    after = last(node)
    asked = gevent.spawn(page, node, f"?after={after}&wait_s=60")
    wait_until(
        lambda: any("long-poll" in ref.name for ref in node.sessions()),
        5,
        "the poll to wait",
    )
    payment = node.create()
    read = asked.get(timeout=50)  # before its time
    assert [event["payment_id"] for event in read["data"]] == [payment.id]
    assert read["next"] == cursor(node, after + 1)


def test_a_long_poll_with_nothing_to_tell_ends_empty_at_its_time(
    node: LiveNode,
) -> None:
    after = last(node)
    asked = gevent.spawn(page, node, f"?after={after}&wait_s=0.5")
    wait_until(
        lambda: any("long-poll" in ref.name for ref in node.sessions()),
        5,
        "the poll to wait",
    )
    at = cursor(node, after)
    assert asked.get(timeout=60) == {"data": [], "next": at, "next_cursor": at}
    wait_until(
        lambda: not any("long-poll" in ref.name for ref in node.sessions()),
        5,
        "the poll's session to end",
    )


def test_a_long_poll_does_not_hold_a_server_that_stops(tmp_path: Path) -> None:
    with live_node(tmp_path) as node:
        asked = gevent.spawn(page, node, "?wait_s=60")
        wait_until(lambda: node.node.sessions.now, 5, "the poll to wait")
        node.server.stop(600)  # it ends the poll, not the time
        at = cursor(node, 0)
        assert asked.get(timeout=50) == {"data": [], "next": at, "next_cursor": at}


@pytest.mark.parametrize(
    "query",
    [
        "?after=-1",
        "?after=x",
        "?after=1.5",
        "?after=short-1",
        "?after=999999",
        "?limit=0",
        "?limit=1001",
        "?wait_s=61",
        "?wait_s=-1",
        "?wait_s=nan",
        "?wait_s=x",
        "?after=1&after=2",
        "?unknown=1",
    ],
)
def test_what_cannot_be_asked_is_422_and_named(node: LiveNode, query: str) -> None:
    answer = node.api_get(f"/v1/events{query}")
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    name = query[1:].partition("=")[0]
    assert name in answer.json["errors"][0]["path"]


def test_without_a_key_nobody_reads_events(node: LiveNode) -> None:
    assert node.ask("/v1/events").status == 401
    wrong = {"Authorization": "Bearer pbk_wrong"}
    assert node.ask("/v1/events", headers=wrong).status == 401
    accept = {"Accept": "text/event-stream"}
    assert node.ask("/v1/events", headers=accept).status == 401


def test_a_shop_reads_its_own_events_only(node: LiveNode) -> None:
    headers = shop_key(node, "florist")
    before = last(node)
    node.create(merchant="baker")
    mine = node.create(merchant="florist")
    node.create(merchant="baker")
    answer = node.ask(f"/v1/events?after={before}", headers=headers)
    assert [event["payment_id"] for event in answer.json["data"]] == [mine.id]
    assert answer.json["next"] == cursor(node, before + 2)
    own = node.stream("/v1/events", **headers)
    assert next(own.events()).data["payment_id"] == mine.id
    node.create(merchant="baker")
    later = node.create(merchant="florist")
    assert next(own.events()).data["payment_id"] == later.id
    own.close()


def test_the_stream_tells_the_past_and_goes_on_with_the_present(
    node: LiveNode,
) -> None:
    reader = stream(node)
    assert reader.headers["content-type"] == "text/event-stream; charset=utf-8"
    past = last(node)
    ids = [offset_of(node, next(reader.events()).id) for _ in range(past)]
    assert ids == list(range(1, past + 1))
    for _ in range(3):
        node.create()
        event = next(reader.events())
        ids.append(offset_of(node, event.id))
        assert event.data["offset"] == ids[-1]
    assert ids == list(range(1, past + 4))
    reader.close()


def test_the_stream_resumes_after_its_last_event_id(node: LiveNode) -> None:
    node.create()
    after = last(node)
    reader = stream(node, Last_Event_ID=str(after - 1))
    first = next(reader.events()).id
    assert first == cursor(node, after)
    node.create()
    assert next(reader.events()).id == cursor(node, after + 1)
    reader.close()
    again = stream(node, Last_Event_ID=first)
    assert next(again.events()).id == cursor(node, after + 1)
    again.close()
    refused = stream(node, Last_Event_ID=cursor(node, after + 1_000))
    assert refused.status == 422
    refused.close()


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_cursor_of_another_epoch_is_410_and_names_the_one_to_go_on_from(
    node: LiveNode, accept: str
) -> None:
    headers = {**BEARER, "Accept": accept}
    answer = node.ask("/v1/events?after=zzzzzzzz-3", headers=headers)
    assert (answer.status, answer.json["code"]) == (410, "cursor_gone")
    assert answer.json["cursor"] == cursor(node, 0)
    assert answer.json["type"] == "/docs/errors#cursor_gone"


def test_a_reader_that_cannot_keep_up_still_gets_everything(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues: list[StreamQueue] = []

    def small_queue() -> StreamQueue:
        queues.append(StreamQueue(max_messages=3))
        return queues[-1]

    monkeypatch.setattr("transport.live.journal_stream.StreamQueue", small_queue)
    begun = last(node)
    reader = stream(node, Last_Event_ID=str(begun))
    wait_until(lambda: queues, 5, "the stream to have caught up")
    payment = node.create(amount_sat=20_000)
    # Many events in one commit, more than the queue holds.
    node.chain.pay_many([(payment.address, 600)] * 40)
    wait_until(lambda: last(node) > begun + 40, 10, "all to be seen")
    told = last(node) - begun
    ids = [offset_of(node, next(reader.events()).id) for _ in range(told)]
    assert ids == list(range(begun + 1, begun + 1 + len(ids)))
    assert queues[0].full
    reader.close()


def test_a_stream_ends_when_its_key_is_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.http.auth.CACHE_S", 0.05)
    with live_node(tmp_path, stream={"keep_alive_s": 0.1}) as node:
        reader = node.stream("/v1/events", **shop_key(node, "closing"))
        reader.wait_for_comment("keep-alive")
        node.gateway.revoke_key("key_closing")
        assert reader.rest() == []
        wait_until(lambda: not node.node.sessions.now, 5, "the session to end")


def test_a_stream_ends_with_its_key_also_where_wrong_keys_come_from_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks with wrong keys gets a 429 after a while, and so does a revoked key."""
    monkeypatch.setattr("transport.http.auth.CACHE_S", 0.05)
    limits = partial(KeyLimits, failure_rate_per_s=0.001)
    monkeypatch.setattr("transport.http.auth.KeyLimits", limits)
    with live_node(tmp_path, stream={"keep_alive_s": 0.1}) as node:
        reader = node.stream("/v1/events", **shop_key(node, "closing"))
        reader.wait_for_comment("keep-alive")
        wrong = {"Authorization": "Bearer pbk_wrong"}
        while node.ask("/v1/events", headers=wrong).status != 429:
            pass
        node.gateway.revoke_key("key_closing")
        assert reader.rest() == []
