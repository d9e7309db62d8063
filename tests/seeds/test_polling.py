"""What a page is told that gets neither WebSocket nor event stream, over a socket."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.merchants.record import Merchant
from tests.seeds.socketio_node import good_token, take_tokens
from tests.tools.livenode import INSIDER, Answer, LiveNode, live_node
from tests.tools.site_token import SECRET
from tests.tools.wait import wait_until
from transport.live import polling

SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    folder: Path = tmp_path_factory.mktemp("polling")
    with live_node(folder, origins=(SHOP,)) as running:
        yield running


def poll(node: LiveNode, path: str, **headers: str) -> Answer:
    return node.ask(f"/poll/{path}", headers=headers)


def told(answer: Answer) -> list[Any]:
    assert answer.status == 200, answer.body
    return list(answer.json["messages"])


def payments(messages: list[Any]) -> list[Any]:
    """All but how fresh the chain is: that may change between two questions."""
    return [one for one in messages if one["type"] != "source"]


def test_the_answer_is_what_a_websocket_begins_with(node: LiveNode) -> None:
    payment = node.create()
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    node.wait_for(payment.id, "confirmed")
    story = node.seqs(payment.id)
    for query in ("?since=0", "?since=1", ""):
        with closing(node.watch(payment.address, query, stranger=True)) as socket:
            answer = told(poll(node, f"balance/{payment.address}{query}"))
            heard = [socket.recv_json() for _ in answer]
        assert [m["type"] for m in answer] == [m["type"] for m in heard]
        assert payments(answer) == payments(heard)
        events = [m["seq"] for m in answer if m["type"].startswith("payment.")]
        after = int(query[-1]) if query else len(story)
        assert events == [seq for seq, _ in story if seq > after]


def test_a_long_story_comes_in_parts(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "MAX_EVENTS", 4)
    payment = node.create()
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    node.wait_for(payment.id, "confirmed")
    seqs: list[int] = []
    for _ in range(10):
        since = seqs[-1] if seqs else 0
        answer = told(poll(node, f"balance/{payment.address}?since={since}"))
        assert len(answer) <= 4
        seqs += [m["seq"] for m in answer[2:]]
        if seqs[-1] == answer[0]["seq"]:
            break
    assert seqs == [seq for seq, _ in node.seqs(payment.id)]


def test_by_its_id_a_payment_is_for_who_has_its_secret_or_a_key(
    node: LiveNode,
) -> None:
    payment = node.create(external_id="by-id")
    path = f"payment/{payment.id}"
    secret = node.vault.client_secret(payment.id)
    for answer in (
        poll(node, f"{path}?token={secret}"),
        poll(node, path, **INSIDER),
    ):
        assert told(answer)[0]["external_id"] == "by-id"
    other = node.vault.client_secret("pay_other")
    refusals = [
        poll(node, path),
        poll(node, f"{path}?token={other}"),
        poll(node, f"payment/pay_none?token={secret}"),
    ]
    assert {a.status for a in refusals} == {403}
    assert len({a.json["detail"] for a in refusals}) == 1


def test_by_its_id_a_payment_is_streamed_for_who_has_its_secret(
    node: LiveNode,
) -> None:
    payment = node.create(external_id="streamed")
    secret = node.vault.client_secret(payment.id)
    path = f"/events/payment/{payment.id}?token={secret}&since=0"
    with closing(node.stream(path)) as stream:
        assert stream.next().data["external_id"] == "streamed"
        assert [stream.next().kind, stream.next().kind] == ["source", "payment.created"]
    assert node.stream(f"/events/payment/{payment.id}").status == 403
    wait_until(lambda: not node.sessions(), 5, "the session to end")


def test_an_order_is_asked_after_as_identify_does(node: LiveNode) -> None:
    payment = node.create(external_id="order/1 ü", merchant="cafe")
    secret = node.vault.client_secret(payment.id)
    path = "order?external_id=order%2F1%20%C3%BC"
    assert poll(node, path).status == 403
    (identified,) = told(poll(node, f"{path}&token={secret}"))
    assert identified["type"] == "identified"
    assert identified["paymentId"] == payment.id
    node.gateway.save_merchant(
        Merchant(name="cafe", version=1, identify_without_secret=True)
    )
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    node.wait_for(payment.id, "confirmed")
    identified, paid = told(poll(node, f"{path}&merchant=cafe"))
    assert "paymentId" not in identified
    socket = node.talk()
    socket.send_json(
        {"type": "identify", "externalId": "order/1 ü", "merchant": "cafe"}
    )
    assert socket.recv_json()["type"] == "identified"
    over_socket = socket.recv_json()
    assert {**paid, "timestamp": 0} == {**over_socket, "timestamp": 0}
    unknown = told(poll(node, "order?external_id=none&merchant=cafe"))
    assert [m["type"] for m in unknown] == ["identified"]
    socket.close()


def test_on_ws_who_has_the_secret_is_told_the_payments_id(node: LiveNode) -> None:
    payment = node.create(external_id="order-2")
    socket = node.talk()
    token = node.vault.client_secret(payment.id)
    socket.send_json({"type": "identify", "externalId": "order-2", "token": token})
    assert socket.recv_json()["paymentId"] == payment.id
    socket.close()


def test_a_page_may_read_why_its_origin_is_refused_and_nothing_else(
    node: LiveNode,
) -> None:
    payment = node.create()
    path = f"balance/{payment.address}"
    stranger = "https://elsewhere.example"
    refused = poll(node, path, Origin=stranger)
    assert (refused.status, refused.json["code"]) == (403, "origin_not_allowed")
    assert "allowed_origins" in refused.json["detail"]
    assert refused.headers["access-control-allow-origin"] == stranger
    assert payment.address.encode() not in refused.body
    allowed = poll(node, path, Origin=SHOP)
    assert allowed.headers["access-control-allow-origin"] == SHOP
    assert allowed.headers["vary"] == "Origin"
    assert told(allowed)[0]["type"] == "state"
    missing = poll(node, "balance/none", Origin=SHOP)
    assert missing.json["code"] == "payment_not_found"
    assert missing.headers["access-control-allow-origin"] == SHOP


def test_no_session_is_left_behind(node: LiveNode) -> None:
    payment = node.create()
    for _ in range(5):
        poll(node, f"balance/{payment.address}")
    wait_until(lambda: not node.sessions(), 5, "all sessions to end")


def test_s3_7_a_token_of_the_shops_site_opens_its_own_orders_and_payments(
    node: LiveNode,
) -> None:
    for merchant, secret in (("rose", SECRET), ("lily", SECRET[::-1])):
        take_tokens(node, merchant, secret)
    payment = node.create(external_id="rose-1", merchant="rose")
    node.create(external_id="rose-1", merchant="lily")
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    node.wait_for(payment.id, "confirmed")
    good = good_token()
    identified, paid = told(poll(node, f"order?external_id=rose-1&token={good}"))
    assert "paymentId" not in identified
    assert (paid["status"], paid["externalId"]) == ("paid", "rose-1")
    state = told(poll(node, f"payment/{payment.id}?token={good}"))[0]
    assert (state["type"], state["status"]) == ("state", "confirmed")
    for token in (good[:-4] + "AAAA", "a.b.c"):
        for path in ("order?external_id=rose-1&", f"payment/{payment.id}?"):
            refused = poll(node, f"{path}token={token}")
            assert refused.status == 403
            assert token.encode() not in refused.body
    other = poll(node, f"order?external_id=rose-1&merchant=lily&token={good}")
    assert other.status == 403
