"""Alerts over real sockets, from a node that runs as an operator runs it."""

import json
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from tests.tools.paybell import Paybell, serving
from tests.tools.receiver import Received, Receiver, reply

AT_ONCE = ("--alert-after-s", "0", "--alert-every-s", "0", "--allow-private-webhooks")

LONG_S = 300
"""A source fails until that was told: how soon it is noticed depends on the machine."""


def told(request: Received) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request.body)
    return body


def listen(node: Paybell, phone: Receiver, **fields: Any) -> dict[str, Any]:
    made = node.post("/v1/channels", url=phone.url("/alerts"), **fields)
    assert made.status_code == 201, made.text
    channel: dict[str, Any] = made.json()
    return channel


def kinds(phone: Receiver, type_: str, *wanted: str) -> None:
    """Wait until all of these have been told."""
    found: set[str] = set()
    for number in range(1, 50):
        phone.wait_for(number, timeout_s=30)
        bodies = [told(request) for request in phone.requests]
        found = {b["data"]["kind"] for b in bodies if b["type"] == type_}
        if found.issuperset(wanted):
            return
    raise AssertionError(f"{wanted} are not among {found}")


def test_alerts_a_source_that_fails_is_told_and_its_end_signed_as_any_webhook(
    tmp_path: Path,
) -> None:
    with Receiver() as phone, serving(tmp_path, *AT_ONCE) as node:
        channel = listen(node, phone, types=["alert.*"])
        node.post("/dev/down", seconds=LONG_S, status=500)
        node.create(address=node.post("/dev/address").json()["address"])
        kinds(phone, "alert.raised", "source.failing", "sources.none_current")
        node.post("/dev/down", seconds=0)
        kinds(phone, "alert.resolved", "source.failing", "sources.none_current")
        deliveries = node.get(f"/v1/channels/{channel['id']}/deliveries").json()
    for request in phone.requests:
        said = Webhook(channel["secret"]).verify(request.body, request.headers)
        assert said["data"]["id"] == request.headers["webhook-id"]
        assert "payment_id" not in said["data"]
    assert {entry["outcome"] for entry in deliveries["data"]} == {"delivered"}


def test_alerts_a_channel_that_names_none_is_told_none_of_them(tmp_path: Path) -> None:
    with Receiver() as shop, Receiver() as phone, serving(tmp_path, *AT_ONCE) as node:
        listen(node, shop)
        listen(node, phone, types=["alert.raised"])
        node.post("/dev/down", seconds=LONG_S, status=500)
        kinds(phone, "alert.raised", "source.failing")
        node.post("/dev/down", seconds=0)
        node.create(amount_sat=1_000)
        shop.wait_for(1, timeout_s=30)
    assert {told(request)["type"] for request in shop.requests} == {"payment.created"}


def test_alerts_an_endpoint_that_is_gone_is_told_to_who_is_left(tmp_path: Path) -> None:
    with (
        Receiver(default=reply(410)) as gone,
        Receiver() as phone,
        serving(tmp_path, *AT_ONCE) as node,
    ):
        dead = listen(node, gone)
        listen(node, phone, types=["alert.*"])
        node.create(amount_sat=1_000)
        kinds(phone, "alert.raised", "channel.disabled")
        standing = node.get("/v1/alerts").json()["data"]
    raised = [one for one in standing if one["kind"] == "channel.disabled"]
    assert [one["subject"] for one in raised] == [dead["id"]]


def test_heartbeat_somebody_outside_hears_that_the_node_works_until_it_does_not(
    tmp_path: Path,
) -> None:
    with Receiver() as watch:
        env = {"PAYBELL_HEARTBEAT_URL": watch.url("/ping/a-secret-of-ours")}
        with serving(tmp_path, "--heartbeat-s", "5", env=env) as node:
            beat = watch.wait_for(1, timeout_s=60)[0]
            assert node.stop() == 0
            log = node.err
    assert (beat.method, beat.target) == ("POST", "/ping/a-secret-of-ours")
    assert "a-secret-of-ours" not in log
