"""What a Bot API server's answer to `sendMessage` means for the delivery. Pure.

Every answer is JSON with `ok`; a failure has `error_code`, a `description` for people
and sometimes `parameters` (https://core.telegram.org/bots/api#making-requests and
#responseparameters). Texts are those of the server's source,
github.com/tdlib/telegram-bot-api. What is no such answer says nothing about the
message: it comes from something in between, and is tried again.
"""

import re
from typing import Any

import msgspec

from engine.delivery.attempt import AttemptOutcome, SendResult, classify

__all__ = ["judged"]

_OK = re.compile(rb'\s*\{\s*"ok"\s*:\s*true\b')
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_DESCRIPTION_CHARS = 200
_MAX_CHAT = 2**52

_OF_THE_CHAT = (
    "chat not found",
    "chat_id is empty",
    "chat_write_forbidden",
    "chat_restricted",
    "chat_admin_required",
    "channel_private",
    "group is deactivated",
    "peer_id_invalid",
    "message thread not found",
    "topic_closed",
    "topic_deleted",
    "topic is closed",
    "not enough rights",
    "have no rights",
    "need administrator rights",
    "user is deactivated",
)
"""400s that speak of the chat, not of this message: nothing can be told there."""

_OF_OUR_TEXT = ("can't parse entities", "message is too long", "message text is empty")
"""400s that this message will always get."""


def judged(
    status: int, body: bytes, latency_ms: float, *, token: str, chat: str, origin: str
) -> SendResult:
    """The answer with this HTTP status and (beginning of a) body.

    `token` appears in no text of the result, whatever the server sends back. `chat`: to
    whom it was sent; `origin`: of the server, for people.
    """
    told = _object(body)
    if told is None and status == 200 and _OK.match(body):
        told = {"ok": True}  # all but the end of what was sent comes back
    if told is None or not isinstance(told.get("ok"), bool):
        error = f"{origin} answered {status}, but not as a Bot API server does"
        outcome = classify(status if status >= 429 else None)
        return SendResult(outcome, None, error, None, latency_ms)
    if told["ok"]:
        return SendResult(AttemptOutcome.DELIVERED, status, None, None, latency_ms)
    code = told.get("error_code")
    code = code if isinstance(code, int) and 100 <= code <= 599 else status
    described = str(told.get("description") or "").replace(token, "…")
    described = _UNREADABLE.sub(" ", described)[:_DESCRIPTION_CHARS]
    error = f"Telegram answered {code}: {described}"
    given = told.get("parameters")
    parameters: dict[str, Any] = given if isinstance(given, dict) else {}
    moved_to = parameters.get("migrate_to_chat_id")
    if _is_chat(moved_to) and str(moved_to) != chat:
        return SendResult(
            AttemptOutcome.MOVED, code, error, None, latency_ms,
            {"chat_id": str(moved_to)},
        )  # fmt: skip
    wait_s = _seconds(parameters.get("retry_after"))
    outcome = _outcome(code, described.lower(), wait_s)
    return SendResult(outcome, code, error, wait_s, latency_ms)


def _outcome(code: int, described: str, wait_s: float | None) -> AttemptOutcome:
    if wait_s is not None:
        return AttemptOutcome.THROTTLED
    if code in {401, 403, 404, 421}:  # the token or the bot, and not this message
        return AttemptOutcome.RESTED
    if code == 400 and any(text in described for text in _OF_THE_CHAT):
        return AttemptOutcome.RESTED
    if code == 400 and any(text in described for text in _OF_OUR_TEXT):
        return AttemptOutcome.REFUSED
    outcome = classify(code)
    good = {AttemptOutcome.DELIVERED, AttemptOutcome.GONE}  # it said that it is not
    return AttemptOutcome.RETRY if outcome in good else outcome


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_chat(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return value != 0 and abs(value) < _MAX_CHAT


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e9 else None
