"""Channels over the API: secrets told once, URLs checked, deliveries shown."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook

from engine.merchants.record import Limits
from engine.payment.events import VERSION
from tests.tools.node import RunningNode, running_node
from tests.tools.ports import free_ports
from tests.tools.receiver import Receiver, reply
from tests.tools.wait import wait_until
from transport.outbound.webhook import new_secret

CHANNELS = "/v1/channels"


@pytest.fixture
def node() -> Iterator[RunningNode]:
    with running_node() as running:
        yield running


def make(node: RunningNode, url: str, **fields: Any) -> dict[str, Any]:
    response = node.post(CHANNELS, {"url": url, **fields})
    assert response.status_code == 201, response.text
    assert response.headers["Location"] == f"{CHANNELS}/{response.json()['id']}"
    made: dict[str, Any] = response.json()
    return made


def deliveries(node: RunningNode, channel: dict[str, Any], query: str = "") -> Any:
    return node.get(f"{CHANNELS}/{channel['id']}/deliveries{query}").json()


def test_a_channel_is_told_with_its_own_secret(node: RunningNode) -> None:
    with Receiver() as shop:
        channel = make(node, shop.url("/hook"), types=["payment.created"])
        payment = node.create(amount_sat=1_000)
        (received,) = shop.wait_for(1, timeout_s=5)
    told = Webhook(channel["secret"]).verify(received.body, received.headers)
    assert told["type"] == "payment.created"
    assert told["data"]["payment_id"] == payment["id"]
    log = wait_until(lambda: deliveries(node, channel)["data"], 5, "the attempt")
    assert log[0]["event_id"] == received.headers["webhook-id"] == told["data"]["id"]
    assert log[0]["event_id"] == f"evt_{node.gateway.epochs().present}_1"
    assert (log[0]["status"], log[0]["outcome"]) == (200, "delivered")


def test_the_secret_is_told_once_and_sealed_at_rest(node: RunningNode) -> None:
    given = new_secret()
    channel = make(node, "https://shop.example/hook?token=x", secret=given)
    assert channel.pop("secret") == given
    assert node.get(f"{CHANNELS}/{channel['id']}").json() == channel
    assert node.get(CHANNELS).json()["data"] == [channel]
    stored = node.gateway.channels()[0]
    assert given not in stored.secret
    assert node.database.stat().st_size


def test_a_channel_has_sensible_defaults(node: RunningNode) -> None:
    channel = make(node, "https://shop.example/hook")
    assert channel["types"] == []
    assert (channel["enabled"], channel["merchant"]) == (True, "*")
    assert channel["timeout_s"] == 15
    assert channel["schedule_s"] == [
        0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400,
    ]  # fmt: skip


def test_a_rotated_secret_signs_beside_the_old_one(node: RunningNode) -> None:
    with Receiver() as shop:
        channel = make(node, shop.url("/hook"))
        path = f"{CHANNELS}/{channel['id']}"
        response = node.call("PATCH", path, json={"rotate_secret": True})
        rotated = response.json()
        assert rotated["secret"] != channel["secret"]
        assert rotated["old_secret_until"] > rotated["created_at"]
        assert node.post(f"{path}/test").json()["delivered"] is True
        (received,) = shop.wait_for(1, timeout_s=5)
    for secret in (channel["secret"], rotated["secret"]):
        Webhook(secret).verify(received.body, received.headers)
    assert len(received.headers["webhook-signature"].split()) == 2


def test_a_test_event_is_sent_now_and_its_answer_told(node: RunningNode) -> None:
    with Receiver(answers=[reply(204), reply(500)]) as shop:
        channel = make(node, shop.url("/hook"))
        good = node.post(f"{CHANNELS}/{channel['id']}/test").json()
        bad = node.post(f"{CHANNELS}/{channel['id']}/test", {}).json()
        first, _ = shop.wait_for(2, timeout_s=5)
    assert (good["delivered"], good["status"], good["error"]) == (True, 204, None)
    assert good["latency_ms"] >= 0
    assert (bad["delivered"], bad["status"]) == (False, 500)
    assert "answered 500" in bad["error"]
    assert first.headers["webhook-id"].startswith("evt_test_")
    assert json.loads(first.body)["type"] == "channel.test"
    assert deliveries(node, channel)["data"] == [], "a test is no delivery"


def test_a_test_of_a_dead_endpoint_is_an_answer_and_no_error(node: RunningNode) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}/hook"
    channel = make(node, url)
    result = node.post(f"{CHANNELS}/{channel['id']}/test")
    assert result.status_code == 200
    assert result.json()["delivered"] is False
    assert result.json()["status"] is None
    assert result.json()["error"]


def test_a_channel_is_changed_field_by_field(node: RunningNode) -> None:
    channel = make(node, "https://shop.example/a", description="first")
    del channel["secret"]
    path = f"{CHANNELS}/{channel['id']}"
    changes = {
        "url": "https://shop.example/b",
        "types": ["payment.confirmed", "payment.confirmed"],
        "timeout_s": 2.5,
        "schedule_s": [0, 1],
        "enabled": False,
    }
    changed = node.call("PATCH", path, json=changes).json()
    assert changed == {
        **channel,
        **changes,
        "types": ["payment.confirmed"],
        "disabled_reason": "disabled over the API",
    }
    enabled = node.call("PATCH", path, json={"enabled": True}).json()
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    assert node.call("PATCH", path, json={}).json() == enabled


def test_a_removed_channel_is_gone(node: RunningNode) -> None:
    path = f"{CHANNELS}/{make(node, 'https://shop.example/a')['id']}"
    removed = node.call("DELETE", path)
    assert (removed.status_code, removed.content) == (204, b"")
    for method, more in (
        ("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test"),
    ):  # fmt: skip
        assert node.call(method, path + more).status_code == 404
    assert node.call("PATCH", path, json={}).status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1:8080/",
        "https://user:hunter2@shop.example/",
        "ftp://shop.example/",
        "https://shop.example/#part",
        "shop.example",
        "https://shop.example:0/",
        "https://shop.example:25/",
        "http://shop.example:6379/SET/a",
        "https://" + "a" * 2_050,
        "https://shop.example/a b",
        "",
    ],
)
def test_urls_that_must_not_be_called_are_refused(url: str) -> None:
    with running_node(web={"allow_private_webhooks": False}) as node:
        channel = make(node, "https://shop.example/hook")
        for response in (
            node.post(CHANNELS, {"url": url}),
            node.call("PATCH", f"{CHANNELS}/{channel['id']}", json={"url": url}),
        ):
            assert response.status_code == 422
            assert [e["path"] for e in response.json()["errors"]] == ["/url"]
            assert "hunter2" not in response.text
        assert len(node.gateway.channels()) == 1


def test_a_refused_port_is_allowed_by_name() -> None:
    with running_node(web={"allow_webhook_ports": frozenset({6379})}) as node:
        make(node, "https://shop.example:6379/")
        refused = node.post(CHANNELS, {"url": "https://shop.example:25/"})
    assert refused.status_code == 422
    assert "--allow-webhook-ports 25" in refused.json()["errors"][0]["message"]


@pytest.mark.parametrize("secret", ["hunter2", "whsec_short", "whsec_" + "!" * 40])
def test_a_secret_that_is_none_is_refused_and_not_repeated(
    node: RunningNode, secret: str
) -> None:
    response = node.post(CHANNELS, {"url": "https://shop.example/", "secret": secret})
    assert response.status_code == 422
    assert [e["path"] for e in response.json()["errors"]] == ["/secret"]
    assert secret not in response.text


def test_each_merchant_has_an_end_to_its_channels_and_none_takes_anothers() -> None:
    with running_node() as node:
        mine, most = {"merchant": "mine"}, Limits().channels
        node.call("PUT", "/v1/merchants/mine", json={"limits": {"channels": 2}})
        for _ in range(2):
            make(node, "https://shop.example/", **mine)
        response = node.post(CHANNELS, {"url": "https://shop.example/", **mine})
        assert response.status_code == 409
        assert "2 channels" in response.json()["detail"]
        assert response.json()["limit"] == "channels_per_merchant"
        for _ in range(most):
            make(node, "https://shop.example/", merchant="another")
        response = node.post(
            CHANNELS, {"url": "https://shop.example/", "merchant": "another"}
        )
        assert f"{most} channels" in response.json()["detail"]
        make(node, "https://node.example/")


def test_a_merchants_key_sees_and_changes_its_own_channels_only(
    node: RunningNode,
) -> None:
    everybodys = make(node, "https://node.example/")
    key = {"Authorization": f"Bearer {node.add_key('mine')}"}
    mine = node.post(CHANNELS, {"url": "https://mine.example/"}, **key).json()
    assert mine["merchant"] == "mine"
    assert [c["id"] for c in node.get(CHANNELS, **key).json()["data"]] == [mine["id"]]
    path = f"{CHANNELS}/{everybodys['id']}"
    for method in ("GET", "DELETE"):
        assert node.call(method, path, headers=key).status_code == 404
    assert node.call("PATCH", path, json={}, headers=key).status_code == 404
    assert node.post(f"{path}/test", **key).status_code == 404
    other = {"url": "https://mine.example/", "merchant": "theirs"}
    assert node.post(CHANNELS, other, **key).status_code == 403


def test_deliveries_are_listed_newest_first_in_pages(node: RunningNode) -> None:
    with Receiver() as shop:
        channel = make(node, shop.url("/hook"))
        for _ in range(5):
            node.create()
        shop.wait_for(5, timeout_s=5)
        wait_until(
            lambda: len(deliveries(node, channel)["data"]) == 5, 5, "five attempts"
        )
    seen: list[int] = []
    page = deliveries(node, channel, "?limit=2")
    while True:
        seen += [attempt["id"] for attempt in page["data"]]
        if page["next_cursor"] is None:
            break
        page = deliveries(node, channel, f"?limit=2&cursor={page['next_cursor']}")
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5


def test_a_channel_keeps_the_version_of_events_that_it_was_made_with(
    node: RunningNode,
) -> None:
    """Whatever is changed of it later, and whatever new channels are made with."""
    made = make(node, "https://shop.example/hook")
    assert made["event_version"] == VERSION
    (kept,) = [c for c in node.gateway.channels() if c.id == made["id"]]
    node.gateway.save_channel(replace(kept, event_version=VERSION + 6))
    place = f"/v1/channels/{made['id']}"
    for change in ({"url": "https://shop.example/new"}, {"rotate_secret": True}):
        changed = node.call("PATCH", place, json=change).json()
        assert changed["event_version"] == VERSION + 6
    assert make(node, "https://shop.example/two")["event_version"] == VERSION


def test_channels_are_listed_in_pages_when_asked_for(node: RunningNode) -> None:
    made = [
        make(node, "https://shop.example/", merchant=name)["id"]
        for name in ("ann", "bob", "ann", "cid", "ann")
    ]
    whole = node.get(CHANNELS).json()
    assert whole["next_cursor"] is None, "as ever: all of them"
    assert sorted(c["id"] for c in whole["data"]) == sorted(made)

    def pages(limit: int, **headers: str) -> list[list[str]]:
        found, cursor = [], ""
        while True:
            page = node.get(f"{CHANNELS}?limit={limit}{cursor}", **headers).json()
            found.append([channel["id"] for channel in page["data"]])
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    in_order = [channel["id"] for channel in whole["data"]]
    assert pages(2) == [in_order[:2], in_order[2:4], in_order[4:]]
    assert pages(5) == [in_order]
    anns = [c["id"] for c in whole["data"] if c["merchant"] == "ann"]
    key = f"Bearer {node.add_key('ann')}"
    assert pages(2, Authorization=key) == [anns[:2], anns[2:]]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=!", "cursor=YQ", "page=2"]
)
def test_a_page_that_cannot_be_is_refused(node: RunningNode, query: str) -> None:
    assert node.get(f"{CHANNELS}?{query}").status_code == 422


def test_a_payment_and_a_time_range_are_delivered_again(node: RunningNode) -> None:
    with Receiver() as shop:
        channel = make(node, shop.url("/hook"))
        made = node.create()
        first = shop.wait_for(1, timeout_s=5)[0]
        wait_until(lambda: deliveries(node, channel)["data"], 5, "the attempt")
        path = f"/v1/payments/{made['id']}/redeliver"
        assert node.post(path).json() == {"requeued": 1}
        again = shop.wait_for(2, timeout_s=5)[1]
        assert again.headers["webhook-id"] == first.headers["webhook-id"]
        for other in ("evt_99", "evt_1", "evt_zzzzzzzz_1"):
            assert node.post(path, {"event_id": other}).json() == {"requeued": 0}
        assert node.post(path, {"channel_id": "ch_none"}).json() == {"requeued": 0}
        assert node.post(path, {"event_id": "7"}).status_code == 422
        wait_until(
            lambda: len(deliveries(node, channel)["data"]) == 2, 5, "the second one"
        )
        body = {"since": made["created_at"], "channel_id": channel["id"]}
        assert node.post("/v1/redeliver", body).json() == {"requeued": 1}
        shop.wait_for(3, timeout_s=5)
        wait_until(
            lambda: len(deliveries(node, channel)["data"]) == 3, 5, "the third one"
        )
        this = {"event_id": first.headers["webhook-id"]}
        assert node.post(path, this).json() == {"requeued": 1}
        shop.wait_for(4, timeout_s=5)
    dead = {**body, "dead_only": True}
    assert node.post("/v1/redeliver", dead).json() == {"requeued": 0}
    late = {"since": "2100-01-01T00:00:00Z"}
    assert node.post("/v1/redeliver", late).json() == {"requeued": 0}
    empty = {**late, "until": "2099-01-01T00:00:00+01:00"}
    assert node.post("/v1/redeliver", empty).status_code == 422
    assert node.post("/v1/redeliver", {}).status_code == 422
    key = {"Authorization": f"Bearer {node.add_key('mine')}"}
    assert node.post("/v1/redeliver", body, **key).json() == {"requeued": 0}
