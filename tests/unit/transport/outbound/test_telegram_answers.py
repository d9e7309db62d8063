"""What a Bot API server's answers mean, and that none of them tells the token."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.refusal import is_refusal
from transport.outbound.telegram_answers import judged

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
O = AttemptOutcome  # noqa: E741


def answer(status: int, body: bytes) -> SendResult:
    return judged(
        status, body, 1.0, token=TOKEN, chat="-5", origin="https://api.telegram.org"
    )


def refused(code: int, description: str, **parameters: Any) -> SendResult:
    told: dict[str, Any] = {
        "ok": False, "error_code": code, "description": description,
    }  # fmt: skip
    if parameters:
        told["parameters"] = parameters
    return answer(code, json.dumps(told).encode())


@pytest.mark.parametrize(
    ("code", "description", "outcome"),
    [
        (401, "Unauthorized", O.RESTED),
        (401, "Unauthorized: invalid token specified", O.RESTED),
        (404, "Not Found", O.RESTED),
        (421, "Misdirected Request: unallowed token specified", O.RESTED),
        (403, "Forbidden: bot was blocked by the user", O.RESTED),
        (403, "Forbidden: bot was kicked from the group chat", O.RESTED),
        (403, "Forbidden: user is deactivated", O.RESTED),
        (403, "Forbidden: bot can't initiate conversation with a user", O.RESTED),
        (400, "Bad Request: chat not found", O.RESTED),
        (400, "Bad Request: message thread not found", O.RESTED),
        (400, "Bad Request: TOPIC_CLOSED", O.RESTED),
        (400, "Bad Request: not enough rights to send text messages to the chat",
         O.RESTED),
        (400, "Bad Request: can't parse entities: Character '.'", O.REFUSED),
        (400, "Bad Request: message is too long", O.REFUSED),
        (400, "Bad Request: something nobody has heard of", O.RETRY),
        (429, "Too Many Requests: retry after 7", O.THROTTLED),
        (500, "Internal Server Error", O.RETRY),
        (502, "Bad Gateway", O.THROTTLED),
        (410, "Gone", O.RETRY),
        (200, "ok is what counts", O.RETRY),
    ],
)  # fmt: skip
def test_a_refusal_means(code: int, description: str, outcome: O) -> None:
    result = refused(code, description)
    assert result.outcome is outcome
    assert result.status == code
    assert result.error == f"Telegram answered {code}: {description}"


@pytest.mark.parametrize("code", [5, 99, 600, 10**30, -403, "401", None, 4.5, [401]])
def test_a_code_that_is_none_leaves_the_status_to_count(code: Any) -> None:
    body = json.dumps({"ok": False, "error_code": code, "description": "x"}).encode()
    result = answer(403, body)
    assert (result.status, result.outcome) == (403, O.RESTED)


@pytest.mark.parametrize("code", [100, 401, 599])
def test_a_code_counts_more_than_the_status(code: int) -> None:
    body = json.dumps({"ok": False, "error_code": code, "description": "x"}).encode()
    assert answer(500, body).status == code


def test_retry_after_says_how_long() -> None:
    for code in (400, 403, 429):
        result = refused(code, "slow", retry_after=7)
        assert (result.outcome, result.retry_after_s) == (O.THROTTLED, 7)
    for nonsense in (-1, 0, "7", None, True, 1e300):
        result = refused(429, "slow", retry_after=nonsense)
        assert (result.outcome, result.retry_after_s) == (O.THROTTLED, None)


def test_a_group_that_became_a_supergroup_says_where_it_is() -> None:
    result = refused(400, "group chat was upgraded", migrate_to_chat_id=-1001234567890)
    assert result.outcome is O.MOVED
    assert result.settings == {"chat_id": "-1001234567890"}


@pytest.mark.parametrize("to", [-5, 0, 2**60, "-7", True, None, 1.5])
def test_a_chat_moves_to_no_nonsense_and_not_to_itself(to: Any) -> None:
    result = refused(400, "Bad Request: moved", migrate_to_chat_id=to)
    assert (result.outcome, result.settings) == (O.RETRY, None)


def test_a_message_that_is_shown_back_is_delivered_however_long_it_is() -> None:
    whole = json.dumps({"ok": True, "result": {"text": "é" * 4_000}}).encode()
    assert answer(200, whole).outcome is O.DELIVERED
    assert answer(200, whole[:4_096]).outcome is O.DELIVERED


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html><body>Welcome to the hotel's WLAN</body></html>", b"null", b"[]",
        b"{}", b'{"ok":1}', b'{"ok":"true"}', b"\xff\xfe", b'{"ok":fal', b"[" * 3_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 502])
def test_what_is_no_answer_of_a_bot_api_server_is_tried_again(
    status: int, body: bytes
) -> None:
    result = answer(status, body)
    assert result.outcome is (O.THROTTLED if status in {429, 502} else O.RETRY)
    assert not is_refusal(result), "it said nothing about the message"
    assert "not as a Bot API server" in str(result.error)


@given(st.integers(100, 599), st.binary(max_size=300))
def test_any_bytes_are_a_result(status: int, body: bytes) -> None:
    assert answer(status, body).outcome in O


@given(st.integers(300, 599), st.text(max_size=50), st.text(max_size=50))
def test_a_server_that_sends_the_token_back_does_not_get_it_into_a_log(
    code: int, before: str, after: str
) -> None:
    result = refused(code, f"{before}{TOKEN}{after}")
    assert TOKEN not in repr(result)
    assert all(ord(char) >= 32 for char in str(result.error))
