"""How fast a bot may speak: whose turn it is, in one chat and in all. No I/O.

Telegram's FAQ (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits): about one
message a second in a chat, no more than 20 a minute in a group, about 30 a second in
all. Who keeps to it meets no 429. One `TelegramPace` for all channels of a node:
several may speak through one bot. Clock-free: times are given. Called from many
greenlets, and never waits.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from engine.policy.token_bucket import TokenBucket

__all__ = ["LIMITS", "TelegramPace"]

Limits = Mapping[str, tuple[float, float]]

LIMITS: Final[Limits] = {
    "chat": (1.0, 1),
    "group": (17 / 60, 3),  # with the three at once, 20 in any minute
    "bot": (25.0, 5),  # likewise 30 in any second
}
"""Messages a second, and at once."""

MAX_KEPT = 10_000
"""Chats and bots that are remembered; after so many others one begins anew."""


class TelegramPace:
    """See the module docstring."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._kept: OrderedDict[bytes, TokenBucket] = OrderedDict()

    def turn(self, token: str, chat: str, now_s: float, most_s: float) -> float:
        """Seconds until this bot may send to this chat: that turn is taken.

        If it is longer than `most_s`, no turn is taken.
        """
        keys = ["bot", "chat"]
        if not chat.lstrip("-").isdigit() or chat.startswith("-"):
            keys.append("group")  # or a channel
        found = {
            _key(token, "" if kind == "bot" else chat, kind): kind for kind in keys
        }
        buckets = {key: self._of(key, kind).at(now_s) for key, kind in found.items()}
        wait_s = max(bucket.wait_s(1) for bucket in buckets.values())
        if wait_s > most_s:
            return wait_s
        for key, bucket in buckets.items():
            self._kept[key] = bucket.spend(1)
            self._kept.move_to_end(key)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return wait_s

    def _of(self, key: bytes, kind: str) -> TokenBucket:
        return self._kept.get(key) or TokenBucket.full(*self._limits[kind])


def _key(token: str, chat: str, kind: str) -> bytes:
    """No token is kept."""
    return hashlib.sha256(f"{kind} {token} {chat}".encode()).digest()
