"""Telegram messages: one attempt each, by the Bot API's `sendMessage`.

The message says in words what a webhook would say in fields (`event_words`), in
MarkdownV2. It goes over the same guarded connection as a webhook. The bot's token
stands in the path of the URL, as the Bot API wants it: nothing of that URL but its host
appears in a result, an error or a log.

Telegram knows no idempotency: if the answer is lost on the way, or the node dies before
it has written it down, the message is sent again and stands in the chat twice.

Blocks the greenlet of that one delivery, for `timeout_s` and a turn (`telegram_pace`).
"""

import ssl
import time
from collections.abc import Callable, Container, Iterator
from typing import Any

import gevent
import msgspec

from engine.delivery.attempt import AttemptOutcome, SendResult, classify
from engine.delivery.endpoint import Endpoint
from engine.delivery.kind_settings import ChannelSettings
from engine.delivery.telegram import TelegramSettings
from engine.payment.model import Payment
from transport.bodies.problem_body import FieldError
from transport.outbound import pinned
from transport.outbound.event_words import EventWords, told_of
from transport.outbound.guard import origin_of
from transport.outbound.lookups import Lookups
from transport.outbound.markdown_v2 import Piece, Style, rendered
from transport.outbound.telegram_answers import judged
from transport.outbound.telegram_pace import TelegramPace
from transport.outbound.url_fault import url_fault

__all__ = ["TelegramSender", "message"]

MAX_TURN_S = 5.0
"""So long a delivery waits for its turn; who would wait longer comes again."""

MAX_VALUE_CHARS = 500
"""Of one fact: a message with the longest order number and reason is still short."""


class _Body(msgspec.Struct):
    """What a webhook would be sent: the envelope of `engine/delivery/channel.py`."""

    type: str
    data: dict[str, Any]
    skipped: tuple[int, ...] = ()


class TelegramSender:
    """Implements `KindSender`. Holds no state of any channel but the pace of chats."""

    def __init__(
        self,
        version: str,
        *,
        allow_private: bool = False,
        allow_ports: Container[int] = (),
        lookups: Lookups | None = None,
        tls: ssl.SSLContext | None = None,
        pace: TelegramPace | None = None,
        sleep: Callable[[float], object] = gevent.sleep,
    ) -> None:
        self._user_agent = f"Paybell/{version}"
        self._allow_private = allow_private
        self._allow_ports = allow_ports
        self._lookups = lookups or Lookups()
        self._tls = tls  # None: the usual authorities
        self._pace = pace or TelegramPace()
        self._sleep = sleep

    def faults(self, settings: ChannelSettings) -> Iterator[FieldError]:
        assert isinstance(settings, TelegramSettings)
        fault = url_fault(settings.api_url, self._allow_private, self._allow_ports)
        if fault is not None:
            yield FieldError("/settings/api_url", fault)

    def send(
        self,
        endpoint: Endpoint,
        msg_id: str,
        body: bytes,
        now_s: float,
        payment: Payment | None = None,
    ) -> SendResult:
        """One attempt. Whatever the server does, a result."""
        del msg_id, now_s  # Telegram has no place for them
        settings = endpoint.settings
        assert isinstance(settings, TelegramSettings)
        told = msgspec.json.decode(body, type=_Body)
        text = message(told_of(told.type, told.data, payment, told.skipped))
        wait_s = self._pace.turn(
            settings.bot_token, settings.chat_id, time.monotonic(), MAX_TURN_S
        )
        if wait_s > MAX_TURN_S:
            error = f"too many messages to this chat; the next in {wait_s:.0f} s"
            return SendResult(AttemptOutcome.THROTTLED, None, error, wait_s, 0.0)
        if wait_s:
            self._sleep(wait_s)
        return self._post(endpoint, settings, text)

    def _post(
        self, endpoint: Endpoint, settings: TelegramSettings, text: str
    ) -> SendResult:
        asked: dict[str, Any] = {
            "chat_id": _chat(settings.chat_id),
            "text": text,
            "parse_mode": "MarkdownV2",
            "link_preview_options": {"is_disabled": True},
        }
        if settings.message_thread_id is not None:
            asked["message_thread_id"] = settings.message_thread_id
        base = settings.api_url.rstrip("/")
        started = time.perf_counter()
        try:
            reply = pinned.post(
                f"{base}/bot{settings.bot_token}/sendMessage",
                {"User-Agent": self._user_agent, "Content-Type": "application/json"},
                msgspec.json.encode(asked),
                endpoint.timeout_s,
                self._allow_private,
                self._lookups,
                self._tls,
                allow_ports=self._allow_ports,
                owner=endpoint.owner,
            )
        except pinned.DeliveryError as e:
            latency_ms = (time.perf_counter() - started) * 1000
            error = f"{e.kind}: {e.detail}"
            return SendResult(classify(None), None, error, None, latency_ms)
        return judged(
            reply.status,
            reply.body_head,
            reply.latency_ms,
            token=settings.bot_token,
            chat=settings.chat_id,
            origin=origin_of(base),
        )


def message(told: EventWords) -> str:
    """As it is sent, in MarkdownV2."""
    head = f"⚡ {told.headline} (fast)" if told.is_fast else told.headline
    pieces = [Piece(_short(head), Style.BOLD)]
    for fact in told.facts:
        pieces.append(Piece(f"\n{fact.name}: "))
        style = Style.CODE if fact.is_code else Style.PLAIN
        pieces.append(Piece(_short(fact.value), style))
    return rendered(pieces)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}…"


def _chat(chat_id: str) -> int | str:
    return chat_id if chat_id.startswith("@") else int(chat_id)
