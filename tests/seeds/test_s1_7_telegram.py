"""S1.7: the shop is told by Telegram on detection and on confirmation.

Over real sockets, from the API call that makes the channel to what stands in the chat
of a Bot API server (`tests/tools/telegram_double.py`).
"""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools.node import VERSION, RunningNode, running_node
from tests.tools.paybell import serving
from tests.tools.receiver import hang, reply
from tests.tools.telegram_double import TOKEN, Message, Refusal, TelegramDouble
from tests.tools.wait import wait_until
from transport.outbound.senders import Senders
from transport.outbound.telegram import TelegramSender
from transport.outbound.telegram_pace import TelegramPace
from transport.outbound.webhook import WebhookSender

CHANNELS = "/v1/channels"
QUICK = dict.fromkeys(("chat", "group", "bot"), (1e6, 1e6))
AT_ONCE = [0] * 10


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    telegram = TelegramSender(VERSION, allow_private=True, pace=TelegramPace(QUICK))
    webhook = WebhookSender(VERSION, allow_private=True)
    with running_node(sender=Senders(webhook, {"telegram": telegram})) as started:
        yield started


@pytest.fixture
def telegram() -> Iterator[TelegramDouble]:
    with TelegramDouble() as double:
        yield double


@pytest.fixture(autouse=True)
def token_never_shown(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert TOKEN not in caplog.text
    assert TOKEN.partition(":")[2] not in caplog.text


@pytest.fixture
def clean(node: RunningNode) -> Iterator[None]:
    """Channels of one test get nothing of the next one's."""
    yield
    for channel in node.get(CHANNELS).json()["data"]:
        node.call("DELETE", f"{CHANNELS}/{channel['id']}")


pytestmark = pytest.mark.usefixtures("clean")


def make(
    node: RunningNode, telegram: TelegramDouble, chat: str, **fields: Any
) -> dict[str, Any]:
    settings = telegram.settings(chat, **fields.pop("settings", {}))
    body = {"kind": "telegram", "settings": settings, "schedule_s": AT_ONCE, **fields}
    answer = node.post(CHANNELS, body)
    assert answer.status_code == 201, answer.text
    assert TOKEN not in answer.text
    made: dict[str, Any] = answer.json()
    return made


def channel_now(node: RunningNode, channel: dict[str, Any]) -> dict[str, Any]:
    answer = node.get(f"{CHANNELS}/{channel['id']}")
    assert TOKEN not in answer.text
    now: dict[str, Any] = answer.json()
    return now


def outcomes(node: RunningNode, channel: dict[str, Any]) -> list[str]:
    """Of all attempts, the oldest first."""
    answer = node.get(f"{CHANNELS}/{channel['id']}/deliveries?limit=200")
    assert TOKEN not in answer.text
    return [entry["outcome"] for entry in reversed(answer.json()["data"])]


def paid(node: RunningNode, **fields: Any) -> dict[str, Any]:
    """A payment that was paid and confirmed."""
    payment = node.create(amount_sat=50_000, confirmations=1, **fields)
    node.chain.pay(payment["address"], 50_000)
    node.wait_for_status(payment["id"], "confirming")
    node.chain.mine(1)
    return node.wait_for_status(payment["id"], "confirmed")


def headlines(messages: list[Message]) -> list[str]:
    return [message.headline for message in messages]


def test_s1_7_telegram_tells_on_detection_and_on_confirmation(
    node: RunningNode, telegram: TelegramDouble
) -> None:
    make(node, telegram, "7", types=["payment.detected", "payment.confirmed"])
    payment = paid(node, external_id="order_*1*.", poll_interval_s=60)
    messages = telegram.wait_for("7", 2)
    assert headlines(messages) == ["Payment detected", "Payment confirmed"]
    txid = payment["receipts"][0]["txid"]
    assert messages[1].text.split("\n")[1:] == [
        "Order: order_*1*.",
        "Amount: 0.0005 BTC (50,000 sat)",
        "Confirmations: 1 of 1",
        f"Transaction: {txid}",
        f"Payment: {payment['id']}",
    ]
    assert messages[1].asked["link_preview_options"] == {"is_disabled": True}


def test_s1_7_fast_is_visible_in_the_text(
    node: RunningNode, telegram: TelegramDouble
) -> None:
    make(node, telegram, "7", types=["payment.detected"])
    paid(node, poll_interval_s=15)
    (message,) = telegram.wait_for("7", 1)
    assert message.headline == "⚡ Payment detected (fast)"
    assert "Fast: looked at every 15 s" in message.text.split("\n")


def test_what_a_telegram_channel_is_told_if_nobody_says(
    node: RunningNode, telegram: TelegramDouble
) -> None:
    channel = make(node, telegram, "@shop_chat", settings={"message_thread_id": None})
    paid(node)
    found = headlines(telegram.wait_for("@shop_chat", 2))
    assert found == ["Payment detected", "Payment confirmed"]
    assert "payment.reversed" in channel["types"]
    assert {"payment.created", "payment.confirming"}.isdisjoint(channel["types"])
    assert not any(name.startswith("alert.") for name in channel["types"])


def test_a_topic_of_a_forum_is_written_to(
    node: RunningNode, telegram: TelegramDouble
) -> None:
    telegram.threads["-1007"] = {5}
    channel = make(node, telegram, "-1007", settings={"message_thread_id": 5})
    assert node.post(f"{CHANNELS}/{channel['id']}/test").json()["delivered"] is True
    (message,) = telegram.wait_for("-1007", 1)
    assert (message.thread, message.text) == (5, "This is a test of Paybell")


def test_a_group_that_moved_is_kept_and_told_in_its_new_place(
    node: RunningNode, telegram: TelegramDouble
) -> None:
    telegram.migrated["-7"] = "-1001234567890"
    telegram.chats["-1001234567890"] = []
    channel = make(node, telegram, "-7")
    paid(node)
    found = headlines(telegram.wait_for("-1001234567890", 2))
    assert found == ["Payment detected", "Payment confirmed"]
    assert telegram.chats["-7"] == []
    now = channel_now(node, channel)
    assert now["settings"]["chat_id"] == "-1001234567890"
    assert now["enabled"] is True
    wait_until(
        lambda: outcomes(node, channel) == ["moved", "delivered", "delivered"],
        5,
        lambda: f"one move, {outcomes(node, channel)}",
    )


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (Refusal(403, "Forbidden: bot was blocked by the user"), "blocked by the user"),
        (Refusal(403, "Forbidden: bot was kicked from the group chat"), "kicked"),
        (Refusal(401, "Unauthorized"), "Telegram answered 401: Unauthorized"),
    ],
)
def test_a_channel_whose_bot_may_not_speak_rests_with_a_reason(
    node: RunningNode, telegram: TelegramDouble, refusal: Refusal, reason: str
) -> None:
    channel = make(node, telegram, "7")
    telegram.refusals["7"] = refusal
    payment = paid(node)
    wait_until(lambda: not channel_now(node, channel)["enabled"], 10, "it to rest")
    now = channel_now(node, channel)
    assert reason in now["disabled_reason"]
    assert outcomes(node, channel) == ["rested"]
    del telegram.refusals["7"]
    path = f"{CHANNELS}/{channel['id']}"
    assert node.call("PATCH", path, json={"enabled": True}).json()["enabled"] is True
    first = telegram.wait_for("7", 1)[0]
    assert first.headline == "Payment detected", "what it was owed is not lost"
    assert payment["id"] in first.text


def test_a_wrong_token_is_seen_by_a_test_and_mended_by_a_change(
    node: RunningNode, telegram: TelegramDouble
) -> None:
    wrong = {"bot_token": "1:" + "x" * 35}
    channel = make(node, telegram, "7", settings=wrong)
    path = f"{CHANNELS}/{channel['id']}"
    tried = node.post(f"{path}/test")
    assert tried.json()["delivered"] is False
    assert tried.json()["error"] == "Telegram answered 401: Unauthorized"
    assert "xxxx" not in tried.text
    changed = node.call("PATCH", path, json={"settings": {"bot_token": TOKEN}})
    assert changed.status_code == 200
    assert TOKEN not in changed.text
    assert changed.json()["settings"] == channel["settings"]
    assert node.post(f"{path}/test").json()["delivered"] is True


def test_what_telegram_is_too_busy_for_comes_later_and_once(
    node: RunningNode, telegram: TelegramDouble
) -> None:
    telegram.script = [Refusal(429, "Too Many Requests: retry after 1", retry_after=1)]
    channel = make(node, telegram, "7")
    paid(node)
    found = telegram.wait_for("7", 2)
    assert headlines(found) == ["Payment detected", "Payment confirmed"]
    first, second = telegram.calls[:2]
    assert second.at_s - first.at_s >= 1, "it said when"
    wait_until(
        lambda: outcomes(node, channel) == ["throttled", "delivered", "delivered"],
        5,
        lambda: f"three attempts, {outcomes(node, channel)}",
    )


def test_telegram_html_instead_of_json_is_tried_again(
    node: RunningNode, telegram: TelegramDouble
) -> None:
    html = [("Content-Type", "text/html")]
    page = b"<html><title>Log in to the WLAN</title></html>"
    telegram.script = [reply(200, html, page), reply(400, html, page), reply(502)]
    channel = make(node, telegram, "7")
    paid(node)
    found = telegram.wait_for("7", 2)
    assert headlines(found) == ["Payment detected", "Payment confirmed"]
    tried = outcomes(node, channel)[:4]
    assert tried == ["retry", "retry", "throttled", "delivered"]


def test_a_text_that_telegram_will_never_take_holds_nothing_back(
    node: RunningNode, telegram: TelegramDouble
) -> None:
    telegram.script = [Refusal(400, "Bad Request: message is too long")]
    channel = make(node, telegram, "7")
    payment = paid(node)
    (message,) = telegram.wait_for("7", 1)
    assert message.headline == "Payment confirmed"
    assert "Not told before: events 2 of this payment" in message.text
    wait_until(
        lambda: outcomes(node, channel) == ["refused", "delivered"],
        5,
        lambda: f"both attempts, {outcomes(node, channel)}",
    )
    path = f"/v1/payments/{payment['id']}/redeliver"
    assert node.post(path, {"channel_id": channel["id"]}).json()["requeued"] == 2
    telegram.wait_for("7", 3)


def test_a_chat_is_written_to_no_faster_than_telegram_takes(tmp_path: Path) -> None:
    """A message a second. When the first was sent is not known to the millisecond, but
    that it was after this test began is."""
    with (
        TelegramDouble() as telegram,
        serving(tmp_path, "--allow-private-webhooks") as node,
    ):
        settings = telegram.settings("7")
        made = node.post(
            CHANNELS, kind="telegram", settings=settings, types=["payment.created"]
        )
        assert made.status_code == 201, made.text
        began_at = time.monotonic()
        for _ in range(3):
            node.create(amount_sat=1_000)
        told = telegram.wait_for("7", 3)
        assert told[2].at_s - began_at >= 2
        assert told[1].at_s - began_at >= 1
        assert len(telegram.calls) == 3, "none of them twice"


def test_telegram_tells_a_person_of_an_alert_and_that_it_is_over(
    tmp_path: Path,
) -> None:
    at_once = ("--alert-after-s", "0", "--alert-every-s", "0")
    with (
        TelegramDouble() as telegram,
        serving(tmp_path, "--allow-private-webhooks", *at_once) as node,
    ):
        settings = telegram.settings("7")
        made = node.post(
            CHANNELS, kind="telegram", settings=settings, types=["alert.*"]
        )
        assert made.status_code == 201, made.text
        node.post("/dev/down", seconds=300, status=500)
        node.create(address=node.post("/dev/address").json()["address"])

        def told(start: str) -> bool:
            return any(m.headline.startswith(start) for m in telegram.chats["7"])

        wait_until(lambda: told("Alert: source.failing"), 30, "the alert")
        node.post("/dev/down", seconds=0)
        wait_until(lambda: told("Over: source.failing"), 30, "its end")
        assert not told("Payment"), "it did not ask for payments"
        assert TOKEN not in node.err


def test_s1_7_after_kill_9_in_mid_telling_the_chat_has_all_in_order(
    tmp_path: Path,
) -> None:
    """The server had not answered when the node died: it is told again, then on."""
    with TelegramDouble() as telegram:
        telegram.script = [hang()]
        with serving(tmp_path, "--allow-private-webhooks") as node:
            settings = telegram.settings("7")
            body: dict[str, Any] = {"kind": "telegram", "settings": settings}
            types = ["payment.detected", "payment.confirmed"]
            assert node.post(CHANNELS, **body, types=types).status_code == 201
            payment = node.create(amount_sat=50_000)
            paying = node.post(
                "/dev/pay", address=payment["address"], amount_sat=50_000
            )
            assert paying.status_code == 200, paying.text
            wait_until(lambda: telegram.calls, 20, "the message on detection")
            node.kill()
            first_log = node.err
        assert telegram.chats["7"] == []
        with serving(tmp_path, "--allow-private-webhooks") as node:
            confirmed = node.post(f"/v1/payments/{payment['id']}/confirm")
            assert confirmed.status_code == 200, confirmed.text
            found = telegram.wait_for("7", 2, timeout_s=20)
            assert headlines(found) == ["Payment detected", "Payment confirmed by hand"]
            assert TOKEN not in first_log + node.err
        files = [file for file in tmp_path.iterdir() if file.is_file()]
        assert files
        for file in files:
            assert TOKEN.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"bot_token": "123"}, "/settings/bot_token"),
        ({"bot_token": TOKEN + "/../getMe"}, "/settings/bot_token"),
        ({"bot_token": TOKEN + "\n"}, "/settings/bot_token"),
        ({"chat_id": "everybody"}, "/settings/chat_id"),
        ({"chat_id": 7}, "/settings/chat_id"),
        ({"message_thread_id": 0}, "/settings/message_thread_id"),
        ({"api_url": "http://169.254.169.254"}, "/settings/api_url"),
        ({"api_url": "https://api.telegram.org?x=1"}, "/settings/api_url"),
        ({"api_url": "http://127.0.0.1:6379"}, "/settings/api_url"),
        ({"parse_mode": "HTML"}, "/settings/parse_mode"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_their_place(
    node: RunningNode, telegram: TelegramDouble, settings: dict[str, Any], path: str
) -> None:
    given = telegram.settings("7") | settings
    refused = node.post(CHANNELS, {"kind": "telegram", "settings": given})
    assert refused.status_code == 422, refused.text
    assert [error["path"] for error in refused.json()["errors"]] == [path]
    assert TOKEN not in refused.text


def test_a_kind_that_is_not_there_is_refused_with_those_that_are(
    node: RunningNode, telegram: TelegramDouble
) -> None:
    refused = node.post(CHANNELS, {"kind": "pigeon"})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["path"] == "/kind"
    assert "webhook" in error["message"]
    assert "telegram" in error["message"]
    for body, path in (
        ({"kind": "telegram", "url": "https://shop.example"}, "/url"),
        ({"url": "https://shop.example", "settings": {"a": 1}}, "/settings"),
        ({"kind": "webhook"}, "/url"),
        ({"kind": "telegram"}, "/settings/bot_token"),
    ):
        refused = node.post(CHANNELS, body)
        assert refused.status_code == 422, body
        assert path in [e["path"] for e in refused.json()["errors"]]
    channel = make(node, telegram, "7")
    changes = {"rotate_secret": True}
    path = f"{CHANNELS}/{channel['id']}"
    assert node.call("PATCH", path, json=changes).status_code == 422
    assert node.call("PATCH", path, json={"kind": "webhook"}).status_code == 422
