"""`PATCH /v1/payments/<id>` over a real socket: what changes, and who is told."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.store.sqlite.replay import differences
from tests.tools.node import RunningNode, running_node
from tests.tools.receiver import Receiver
from tests.tools.wsclient import connect


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def patch(
    node: RunningNode,
    payment_id: str,
    wanted: object,
    kind: str = "application/merge-patch+json",
    **headers: str,
) -> Any:
    return node.call(
        "PATCH",
        f"/v1/payments/{payment_id}",
        data=json.dumps(wanted),
        headers={"Content-Type": kind, **headers},
    )


def events(node: RunningNode, payment_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.get(f"/v1/payments/{payment_id}/events").json()[
        "data"
    ]
    return found


def soon(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


def test_what_is_named_changes_and_the_rest_stays(node: RunningNode) -> None:
    made = node.create(external_id="A-1", metadata={"a": 1, "b": "x"})
    later, now = soon(hours=2), {}
    for kind in ("application/merge-patch+json", "application/json"):
        wanted = {
            "external_id": "A-2",
            "metadata": {"a": None, "c": True},
            "description": "Two coffees ☕",
            "expires_at": later,
        }
        answer = patch(node, made["id"], wanted, kind)
        assert answer.status_code == 200, answer.text
        now = answer.json()
        assert now["external_id"] == "A-2"
        assert now["metadata"] == {"b": "x", "c": True}
        assert now["description"] == "Two coffees ☕"
        assert now["amount_sat"] == made["amount_sat"]
        assert now["seq"] == 2, "what changes nothing is no event"
        assert answer.headers["ETag"] == '"2"'
    at = datetime.fromisoformat(now["expires_at"])
    assert abs(at - datetime.fromisoformat(later)) < timedelta(seconds=1)
    told = events(node, made["id"])[-1]
    assert told["type"] == "payment.updated"
    assert told["external_id"] == "A-2"
    assert told["data"]["changed"]["external_id"] == {"old": "A-1", "new": "A-2"}
    assert told["data"]["changed"]["metadata"] == {"old": {"a": 1}, "new": {"c": True}}


def test_it_is_found_by_its_new_number_and_no_more_by_the_old_one(
    node: RunningNode,
) -> None:
    made = node.create(external_id="B-1")
    client = connect("127.0.0.1", int(node.url.rpartition(":")[2]), "/ws")
    client.send_json(
        {"type": "subscribe", "payment_id": made["id"], "token": made["client_secret"]}
    )
    while client.recv_json()["type"] != "subscribed":
        pass  # it is greeted first
    assert patch(node, made["id"], {"external_id": "B-2"}).status_code == 200
    while (event := client.recv_json())["type"] != "payment.updated":
        pass
    assert event["data"]["changed"] == {"external_id": {"old": "B-1", "new": "B-2"}}
    client.close()
    for query in ("external_id", "search"):
        new = node.get(f"/v1/payments?{query}=B-2").json()["data"]
        assert [payment["id"] for payment in new] == [made["id"]]
        assert node.get(f"/v1/payments?{query}=B-1").json()["data"] == []


def test_only_who_has_read_it_as_it_is_changes_it_if_he_says_so(
    node: RunningNode,
) -> None:
    made = node.create()
    tag = node.get(f"/v1/payments/{made['id']}").headers["ETag"]
    assert patch(node, made["id"], {"description": "1"}, **{"If-Match": tag}).ok
    late = patch(node, made["id"], {"description": "2"}, **{"If-Match": tag})
    assert late.status_code == 412
    assert late.json()["code"] == "payment_changed"
    assert node.payment(made["id"])["description"] == "1"
    for fits in ('"2"', '"1", "2"', "*"):
        answer = patch(node, made["id"], {"description": "1"}, **{"If-Match": fits})
        assert answer.status_code == 200, fits
    for none in ("2", 'W/"2"', '"x"', ""):
        answer = patch(node, made["id"], {"description": "1"}, **{"If-Match": none})
        assert answer.status_code == 412, none


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({"amount_sat": 5}, "/amount_sat"),
        ({"metadata": {"a": {"b": 1}}}, "/metadata"),
        ({"metadata": {"x" * 41: 1}}, "/metadata"),
        ({"metadata": {f"f{n}": n for n in range(51)}}, "/metadata"),
        ({"external_id": ""}, "/external_id"),
        ({"external_id": "a\nb"}, "/external_id"),
        ({"description": "x" * 129}, "/description"),
        ({"description": "right \u202e to left"}, "/description"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "/expires_at"),
        ({"expires_at": None}, "/expires_at"),
        ({"expires_in_s": 0}, "/expires_in_s"),
        ({"expires_in_s": 5, "expires_at": "2030-01-01T00:00:00Z"}, "/expires_at"),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_names_the_place(
    node: RunningNode, wanted: dict[str, Any], path: str
) -> None:
    made = node.create()
    answer = patch(node, made["id"], wanted)
    assert answer.status_code == 422, answer.text
    assert [one["path"] for one in answer.json()["errors"]] == [path]
    assert node.payment(made["id"])["seq"] == 1
    assert patch(node, made["id"], [], "text/plain").status_code == 415


def test_a_payment_that_is_over_keeps_its_deadline_and_can_be_written_on(
    node: RunningNode,
) -> None:
    made = node.create()
    node.post(f"/v1/payments/{made['id']}/cancel")
    refused = patch(node, made["id"], {"expires_in_s": 60})
    assert refused.status_code == 409
    assert refused.json()["code"] == "wrong_payment_state"
    assert patch(node, made["id"], {"metadata": {"note": "x"}}).status_code == 200


def test_a_shorter_time_ends_sooner(node: RunningNode) -> None:
    made = node.create(expires_in_s=3_600)
    assert patch(node, made["id"], {"expires_in_s": 1}).status_code == 200
    assert node.wait_for_status(made["id"], "expired")["seq"] == 3


def test_a_shops_webhook_is_told_in_order(node: RunningNode) -> None:
    with Receiver() as shop:
        hook = {"url": shop.url("/hook"), "merchant": "hooked"}
        node.post("/v1/channels", hook)
        made = node.create(merchant="hooked")
        patch(node, made["id"], {"metadata": {"a": 1}})
        node.post(f"/v1/payments/{made['id']}/cancel")
        got = [json.loads(one.body) for one in shop.wait_for(3, 20)]
    assert [one["type"] for one in got] == [
        "payment.created",
        "payment.updated",
        "payment.cancelled",
    ]


def test_description_is_shown_and_turns_no_text_round(node: RunningNode) -> None:
    made = node.create(description="Zwei Kaffee <b>")
    assert made["description"] == "Zwei Kaffee <b>"
    answer = node.post("/v1/payments", {"amount_sat": 5, "description": "a\u202eb"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "nothing",
    [
        {"amount_sat": 0},
        {"amount": "0", "currency": "EUR"},
        {"amount": "0.00", "currency": "EUR"},
        {"amount_minor": 0, "currency": "EUR"},
        {"method": "lightning", "amount_sat": 0},
        {"method": "external", "gateway": "g", "amount": "0", "currency": "EUR"},
    ],
)
def test_nobody_is_asked_for_nothing(
    node: RunningNode, nothing: dict[str, Any]
) -> None:
    assert node.post("/v1/payments", nothing).status_code == 422
    batch = node.post("/v1/payments/batch", {"payments": [nothing]})
    assert "id" not in batch.json()["data"][0], batch.text


def test_what_was_changed_is_the_fold_of_its_events(node: RunningNode) -> None:
    with closing(sqlite3.connect(f"file:{node.database}?mode=ro", uri=True)) as sql:
        assert [one for _, one in differences(sql) if one is not None] == []
