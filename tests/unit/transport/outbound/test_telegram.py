"""The sender itself: what is checked, what is never told, and whose turn it is."""

import logging
from typing import Any

import msgspec
import pytest

from engine.delivery.attempt import AttemptOutcome
from engine.delivery.endpoint import Endpoint
from engine.delivery.telegram import API_URL, TelegramSettings
from tests.tools.receiver import Receiver, hang, hang_up, reply
from tests.tools.telegram_double import TOKEN, TelegramDouble
from transport.outbound.senders import Senders
from transport.outbound.telegram import MAX_TURN_S, TelegramSender

HANGS = hang()
BODY = b'{"type":"channel.test","timestamp":"2026-01-02T03:04:05Z","data":{}}'


def endpoint(url: str, timeout_s: float = 60, **changes: Any) -> Endpoint:
    fields: dict[str, Any] = {"bot_token": TOKEN, "chat_id": "7", "api_url": url}
    settings = TelegramSettings(**fields | changes)
    return Endpoint(kind="telegram", settings=settings, timeout_s=timeout_s)


def sender(**options: Any) -> TelegramSender:
    return TelegramSender("1", **{"allow_private": True, **options})


@pytest.mark.parametrize(
    ("url", "part"),
    [
        (API_URL, None),
        ("https://bot.shop.example/api", None),
        ("http://127.0.0.1:8081", "--allow-private-webhooks"),
        ("http://169.254.169.254", "link-local"),
        ("https://bot.shop.example:25", "smtp"),
        ("https://user:pass@bot.shop.example", "user name"),
    ],
)
def test_the_servers_url_passes_the_guard_of_webhooks(
    url: str, part: str | None
) -> None:
    settings = TelegramSettings(bot_token=TOKEN, chat_id="7", api_url=url)
    faults = list(TelegramSender("1").faults(settings))
    assert [fault.path for fault in faults] == ["/settings/api_url"] * bool(part)
    assert part is None or part in faults[0].message
    assert "pass@" not in "".join(fault.message for fault in faults)


@pytest.mark.parametrize(
    "answers", [[HANGS], [hang_up()], [reply(302)], [reply(500)], None]
)
def test_no_failure_of_the_line_tells_the_token(
    answers: list[Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Receiver(answers=answers or ()) as server:
        url = server.url("/behind/a/proxy/")
        if answers is None:
            server.stop()
        timeout_s = 1 if answers and answers[0] is HANGS else 60
        result = sender().send(endpoint(url, timeout_s), "evt_1", BODY, 0)
        calls = [received.target for received in server.requests]
    assert result.outcome is AttemptOutcome.RETRY
    assert TOKEN not in repr(result) + caplog.text
    if answers is not None:
        assert calls == [f"/behind/a/proxy/bot{TOKEN}/sendMessage"]


def test_an_address_that_must_not_be_called_is_not_called_at_sending_either() -> None:
    with TelegramDouble() as telegram:
        result = TelegramSender("1").send(endpoint(telegram.url), "evt_1", BODY, 0)
        assert result.outcome is AttemptOutcome.RETRY
        assert "refused_address" in str(result.error)
        assert telegram.calls == []


def test_a_delivery_waits_for_its_turn_and_not_for_ever() -> None:
    waits: list[float] = []
    with TelegramDouble() as telegram:
        telegram.chats["7"] = []
        sends = sender(sleep=waits.append)
        results = [sends.send(endpoint(telegram.url), "e", BODY, 0) for _ in range(9)]
    late = [r for r in results if r.outcome is AttemptOutcome.THROTTLED]
    assert len(telegram.chats["7"]) == 9 - len(late) == 1 + len(waits)
    assert 0 < max(waits) <= MAX_TURN_S
    assert late
    for result in late:
        assert result.status is None
        assert result.retry_after_s is not None
        assert result.retry_after_s > MAX_TURN_S


def test_each_kind_goes_to_its_own_sender_and_an_unknown_one_rests() -> None:
    telegram_sender = sender()
    senders = Senders(telegram_sender, {"telegram": telegram_sender})
    with TelegramDouble() as telegram:
        telegram.chats["7"] = []
        result = senders.send(endpoint(telegram.url), "evt_1", BODY, 0)
        assert result.outcome is AttemptOutcome.DELIVERED
    unknown = msgspec.structs.replace(endpoint(telegram.url), kind="pigeon")
    result = senders.send(unknown, "evt_1", BODY, 0)
    assert result.outcome is AttemptOutcome.RESTED
    assert "pigeon" in str(result.error)
