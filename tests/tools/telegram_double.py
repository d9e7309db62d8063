"""A Bot API server for tests, over real sockets: `sendMessage`, and how it is refused.

    with TelegramDouble() as telegram:
        telegram.chats["-100"] = []
        ...send to telegram.url with telegram.token...
        telegram.wait_for("-100", 2)

Built from https://core.telegram.org/bots/api and from the texts of the server's own
source (github.com/tdlib/telegram-bot-api, Client.cpp and ClientManager.cpp), not from
what Paybell expects. It reads MarkdownV2 by its own reader and counts UTF-16 units
after that, knows its chats, and sends back what Telegram sends: the HTTP status is the
`error_code`.
"""

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any, Self

from gevent import socket

from tests.tools.markdown_v2 import CannotParse, Entity, read_markdown_v2
from tests.tools.receiver import Answer, Received, Receiver, reply
from tests.tools.wait import wait_until

__all__ = ["Message", "Refusal", "TelegramDouble"]

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
MAX_UNITS = 4_096

_PATH = re.compile(r"/bot([^/]+)/([A-Za-z]+)")
_CLIENT_TOKEN = re.compile(r"[1-9][0-9]{0,16}:[^/]+")


@dataclass(frozen=True)
class Message:
    """One that stands in a chat."""

    chat: str
    text: str
    """As people see it."""

    entities: tuple[Entity, ...]
    thread: int | None
    asked: dict[str, Any]
    """The request's parameters."""

    at_s: float

    @property
    def headline(self) -> str:
        return self.text.partition("\n")[0]


class Refusal(Exception):
    """An answer with `ok: false`."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


@dataclass
class TelegramDouble:
    """See the module docstring. A context manager."""

    token: str = TOKEN
    chats: dict[str, list[Message]] = field(default_factory=dict)
    threads: dict[str, set[int]] = field(default_factory=dict)
    """Of a chat that is a forum, its topics."""

    migrated: dict[str, str] = field(default_factory=dict)
    """Groups that became supergroups."""

    refusals: dict[str, Refusal] = field(default_factory=dict)
    """By chat: the bot was blocked, was kicked, may not write."""

    script: list[Answer | Refusal] = field(default_factory=list)
    """What the next calls get, whatever they ask."""

    port: int = 0

    def __post_init__(self) -> None:
        self._http = Receiver(default=self._answer, port=self.port)

    def __enter__(self) -> Self:
        self._http.start()
        self.port = self._http.port
        return self

    def __exit__(self, *_: object) -> None:
        self._http.stop()

    @property
    def url(self) -> str:
        """For `api_url`."""
        return self._http.url("").rstrip("/")

    @property
    def calls(self) -> list[Received]:
        return self._http.requests

    def settings(self, chat: str, **more: Any) -> dict[str, Any]:
        """Of a channel to this chat, which is there from now on."""
        self.chats.setdefault(chat, [])
        return {
            "bot_token": self.token, "chat_id": chat, "api_url": self.url, **more,
        }  # fmt: skip

    def wait_for(self, chat: str, count: int, timeout_s: float = 10.0) -> list[Message]:
        """What stands in the chat, once there is so much."""
        wait_until(
            lambda: len(self.chats[chat]) >= count,
            timeout_s,
            lambda: f"{count} messages; there are {self.chats[chat]}",
        )
        return self.chats[chat]

    def _answer(
        self, sock: socket.socket, received: Received, receiver: Receiver
    ) -> None:
        try:
            if self.script:
                planned = self.script.pop(0)
                if isinstance(planned, Refusal):
                    raise planned
                planned(sock, received, receiver)
                return
            status, told = 200, {"ok": True, "result": self._send_message(received)}
        except Refusal as refusal:
            status = refusal.code
            told = {
                "ok": False,
                "error_code": refusal.code,
                "description": refusal.description,
            }
            if refusal.parameters:
                told["parameters"] = refusal.parameters
        headers = [("Content-Type", "application/json")]
        reply(status, headers, json.dumps(told).encode())(sock, received, receiver)

    def _send_message(self, received: Received) -> dict[str, Any]:
        match = _PATH.fullmatch(received.target)
        if match is None:
            raise Refusal(404, "Not Found")
        if not _CLIENT_TOKEN.fullmatch(match[1]) or len(match[1]) > 80:
            raise Refusal(401, "Unauthorized: invalid token specified")
        if match[1] != self.token:
            raise Refusal(401, "Unauthorized")
        if match[2].lower() != "sendmessage":
            raise Refusal(404, "Not Found: method not found")
        asked = json.loads(received.body)
        assert received.headers["content-type"] == "application/json"
        chat = str(asked.get("chat_id", ""))
        if chat in self.migrated:
            raise Refusal(
                400, "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=int(self.migrated[chat]),
            )  # fmt: skip
        if chat in self.refusals:
            raise self.refusals[chat]
        if chat not in self.chats:
            raise Refusal(400, "Bad Request: chat not found")
        thread = asked.get("message_thread_id")
        if thread is not None and thread not in self.threads.get(chat, ()):
            raise Refusal(400, "Bad Request: message thread not found")
        return self._post(chat, thread, asked)

    def _post(
        self, chat: str, thread: int | None, asked: dict[str, Any]
    ) -> dict[str, Any]:
        text, entities = str(asked.get("text", "")), list[Entity]()
        if asked.get("parse_mode") == "MarkdownV2":
            try:
                text, entities = read_markdown_v2(text)
            except CannotParse as error:
                raise Refusal(400, f"Bad Request: {error}") from error
        units = len(text.encode("utf-16-le")) // 2
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if units > MAX_UNITS:
            raise Refusal(400, "Bad Request: message is too long")
        now, posted = time.monotonic(), self.chats[chat]
        posted.append(Message(chat, text, tuple(entities), thread, asked, now))
        shown = [
            {"type": e.kind, "offset": e.offset, "length": e.length} for e in entities
        ]
        return {
            "message_id": len(posted),
            "date": int(time.time()),
            "chat": {"id": chat, "type": "private"},
            "text": text,
            "entities": shown,
        }
