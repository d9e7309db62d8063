"""Why a webhook did not arrive, as the API tells it: over a real socket."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.tools.node import RunningNode, running_node
from tests.tools.receiver import Receiver, reply
from tests.tools.wait import wait_until

TOKEN = "a-token-that-the-shop-expects"


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def channel(node: RunningNode, url: str, **more: Any) -> dict[str, Any]:
    asked = {"url": url, "types": ["payment.created"], "schedule_s": [0], **more}
    made = node.post("/v1/channels", asked)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def deliveries(node: RunningNode, payment: dict[str, Any], query: str = "") -> Any:
    return node.get(f"/v1/payments/{payment['id']}/deliveries{query}").json()


def once(node: RunningNode, payment: dict[str, Any], state: str) -> dict[str, Any]:
    """Its one delivery, when it is in this state."""

    def found() -> dict[str, Any] | None:
        data = deliveries(node, payment)["data"]
        is_so = len(data) == 1 and data[0]["state"] == state
        return data[0] if is_so else None

    delivery = wait_until(found, 10, f"the delivery to be {state}")
    assert delivery is not None
    return delivery


def test_each_attempt_tells_what_was_asked_and_what_was_answered(
    node: RunningNode,
) -> None:
    said = f"no such table: orders (you sent Bearer {TOKEN})".encode()
    with Receiver(answers=[reply(500, body=said), reply(200, body=b"ok")]) as shop:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        made = channel(node, shop.url("/hook"), merchant="ann", headers=headers)
        payment = node.create(amount_sat=1_000, merchant="ann")
        dead = once(node, payment, "dead")
        (attempt,) = dead["log"]
        assert (attempt["status"], attempt["outcome"]) == (500, "retry")
        assert attempt["answer"] == "no such table: orders (you sent ***)"
        assert dead["next_attempt_at"] is None
        received = shop.wait_for(1, timeout_s=5)[0]
        request = dead["request"]
        assert request["url"] == shop.url("/hook")
        assert request["body"].encode() == received.body
        assert request["body_is_whole"]
        assert request["headers"]["webhook-id"] == received.headers["webhook-id"]
        assert request["headers"]["Authorization"] == "***"
        assert TOKEN not in str(dead)

        owed = node.get(f"/v1/channels/{made['id']}/backlog").json()
        assert (owed["pending"], owed["dead"]) == (0, 1)
        assert owed["data"][0]["event_id"] == dead["event_id"]

        again = {"channel_id": made["id"], "event_id": dead["event_id"]}
        path = f"/v1/payments/{payment['id']}/redeliver"
        assert node.post(path, again).json() == {"requeued": 1}
        told = once(node, payment, "delivered")
        assert [a["answer"] for a in told["log"]] == ["ok", attempt["answer"]]
        log = node.get(f"/v1/channels/{made['id']}/deliveries").json()["data"]
        assert [a["answer"] for a in log] == ["ok", attempt["answer"]]


def test_pages_go_on_where_the_last_ended_and_hold_ones_own_only(
    node: RunningNode,
) -> None:
    with Receiver() as shop:
        for _ in range(3):
            channel(node, shop.url("/"), merchant="bob", types=[])
        operators = channel(node, shop.url("/"), types=[])
        payment = node.create(amount_sat=1_000, merchant="bob")
        node.post(f"/v1/payments/{payment['id']}/cancel", {})
        whole = deliveries(node, payment)["data"]
        seqs = [(d["seq"], d["channel_id"]) for d in whole]
        assert len(seqs) == 8
        assert seqs == sorted(seqs)
        paged: list[tuple[int, str]] = []
        cursor = None
        for _ in range(3):
            query = "" if cursor is None else f"&cursor={cursor}"
            page = deliveries(node, payment, f"?limit=3{query}")
            paged += [(d["seq"], d["channel_id"]) for d in page["data"]]
            cursor = page["next_cursor"]
        assert paged == seqs
        assert cursor is None
        bobs = {"Authorization": f"Bearer {node.add_key('bob')}"}
        path = f"/v1/payments/{payment['id']}/deliveries"
        mine = node.get(path, **bobs).json()["data"]
        assert operators["id"] not in {d["channel_id"] for d in mine}
        assert len(mine) == 6
        anns = {"Authorization": f"Bearer {node.add_key('ann')}"}
        assert node.get(path, **anns).status_code == 404
        backlog = f"/v1/channels/{operators['id']}/backlog"
        assert node.get(backlog, **bobs).status_code == 404


def test_a_cursor_that_is_none_is_told(node: RunningNode) -> None:
    payment = node.create(amount_sat=1_000)
    path = f"/v1/payments/{payment['id']}/deliveries?cursor=xx"
    assert node.get(path).status_code == 422
