"""The kinds of channel there are: one table, a row each. Values only.

A kind is what its channels are configured with, how many attempts they make at one
time, and what they are told if nobody says otherwise. Order per payment, retries, dead
letters, the log of attempts and `POST …/test` are the same for all.

To add a kind:

1. a file in this folder with its settings, a `ChannelSettings`; each field's type says
   its bounds and completes "must be …", as in `transport/http/input_values.py`;
2. a row in `KINDS`. `sealed` names the fields that are secrets: they are sealed at rest
   and never shown. `place` names the field that says where those are sent: who changes
   its origin gives the others anew;
3. a file in `transport/outbound/` with its `ChannelSender`, and a line for it in
   `transport/outbound/senders.py`.

Stored settings are read for ever: a field may be added (with a default) and none goes,
and bounds never become narrower.
"""

import msgspec

from engine.delivery.email import EMAIL, EmailSettings
from engine.delivery.kind_settings import ChannelSettings
from engine.delivery.redis_settings import RedisSettings
from engine.delivery.selection import FOR_PEOPLE
from engine.delivery.telegram import TelegramSettings

__all__ = ["CONCURRENCY", "KINDS", "TELEGRAM", "WEBHOOK", "Kind", "kind_named"]

WEBHOOK = "webhook"
TELEGRAM = "telegram"

CONCURRENCY = 16
"""Deliveries to one endpoint that may be under way at one time."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of channel."""

    name: str
    settings: type[ChannelSettings] = ChannelSettings  # what a channel is made with
    sealed: frozenset[str] = frozenset()  # of these fields, the secret ones
    place: str = ""  # the field with the URL that the secret ones are sent to
    default_types: tuple[str, ...] = ()  # if none are given; empty: of payments, all
    workers: int = CONCURRENCY  # attempts of one channel under way at one time
    wants_payment: bool = False  # its sender needs more than the event has
    in_order: bool = False  # all events in one order, by a `StreamSender`
    counter: str = ""  # group of its counters, one for each outcome of an attempt

    def __post_init__(self) -> None:
        if not self.counter:
            msgspec.structs.force_setattr(self, "counter", f"{self.name}_attempts")


_ALL = (
    Kind(name=WEBHOOK, counter=WEBHOOK),
    Kind(
        name=TELEGRAM,
        settings=TelegramSettings,
        sealed=frozenset({"bot_token"}),
        place="api_url",
        default_types=FOR_PEOPLE,
        workers=1,  # of one chat Telegram takes about one message a second
        wants_payment=True,  # for how often it is looked at
    ),
    Kind(
        name="redis",
        settings=RedisSettings,
        sealed=frozenset({"url"}),
        place="url",
        in_order=True,
    ),
    Kind(
        name=EMAIL,
        settings=EmailSettings,
        sealed=frozenset({"smtp"}),
        place="smtp",
        default_types=FOR_PEOPLE,
        workers=4,  # a mail server takes few connections of one client
        wants_payment=True,  # whether it is watched fast
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}


def kind_named(name: str) -> Kind:
    """Of a kind that this version does not know (a newer one made the channel) nothing
    can be sent; that is its sender's answer to give."""
    return KINDS.get(name) or Kind(name=name)
