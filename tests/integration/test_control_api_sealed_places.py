"""What a channel keeps sealed is not sent to a place that its owner did not mean."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.delivery.kinds import KINDS
from tests.tools.node import VERSION, RunningNode, running_node
from transport.outbound.senders import Senders
from transport.outbound.telegram import TelegramSender
from transport.outbound.webhook import WebhookSender

CHANNELS = "/v1/channels"
TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
EVIL = "https://evil.example"


@pytest.fixture
def node() -> Iterator[RunningNode]:
    telegram = TelegramSender(VERSION, allow_private=True)
    webhook = WebhookSender(VERSION, allow_private=True)
    with running_node(sender=Senders(webhook, {"telegram": telegram})) as running:
        yield running


def make(node: RunningNode, **fields: Any) -> str:
    made = node.post(CHANNELS, fields)
    assert made.status_code == 201, made.text
    return f"{CHANNELS}/{made.json()['id']}"


def refused(node: RunningNode, place: str, asked: dict[str, Any]) -> list[str]:
    """The fields that are named; nothing is changed."""
    before = node.get(place).json()
    answer = node.call("PATCH", place, json=asked)
    assert answer.status_code == 422, answer.text
    assert node.get(place).json() == before
    assert EVIL in answer.text
    return [error["path"] for error in answer.json()["errors"]]


def allowed(node: RunningNode, place: str, asked: dict[str, Any]) -> None:
    answer = node.call("PATCH", place, json=asked)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("evil", [EVIL, f"{EVIL}:8443/", "http://evil.example"])
def test_a_bots_token_goes_to_no_other_server(node: RunningNode, evil: str) -> None:
    settings = {"bot_token": TOKEN, "chat_id": "7"}
    place = make(node, kind="telegram", settings=settings)
    asked = {"settings": {"api_url": evil}}
    answer = node.call("PATCH", place, json=asked)
    assert answer.status_code == 422, answer.text
    assert [e["path"] for e in answer.json()["errors"]] == ["/settings/bot_token"]
    api_url = node.get(place).json()["settings"]["api_url"]
    assert api_url == "https://api.telegram.org"
    same = "https://API.telegram.org:443/own"
    allowed(node, place, {"settings": {"api_url": same, "chat_id": "8"}})
    allowed(node, place, {"settings": {"api_url": evil, "bot_token": TOKEN}})
    back = node.call("PATCH", place, json={"settings": {"api_url": None}})
    assert back.status_code == 422, "the usual server is another one, too"


def test_a_webhooks_headers_go_to_no_other_server(node: RunningNode) -> None:
    basic = {"username": "shop", "password": "hunter2"}
    headers = {"X-Key": "hunter2"}
    url = "https://shop.example/a"
    place = make(node, url=url, headers=headers, basic_auth=basic)
    assert refused(node, place, {"url": EVIL}) == ["/headers", "/basic_auth"]
    asked: dict[str, Any] = {"url": EVIL, "basic_auth": None}
    assert refused(node, place, asked) == ["/headers"]
    allowed(node, place, {"url": "https://shop.example/b"})
    assert node.get(place).json()["header_names"] == ["X-Key", "Authorization"]
    allowed(node, place, {"url": EVIL, "headers": {}})
    assert node.get(place).json()["header_names"] == []
    allowed(node, place, {"url": url, "basic_auth": basic})
    assert refused(node, place, {"url": EVIL}) == ["/basic_auth"]
    allowed(node, place, {"url": EVIL, "basic_auth": basic})


def test_each_kind_with_secrets_says_where_they_are_sent() -> None:
    for kind in KINDS.values():
        names = set(kind.settings.__struct_fields__)
        assert kind.sealed <= names
        assert kind.place in names if kind.sealed else not kind.place
