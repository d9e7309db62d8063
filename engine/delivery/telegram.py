"""What a channel to a Telegram chat is configured with. Values only.

Facts of the Bot API (https://core.telegram.org/bots/api): a token is the bot's number,
a colon and letters, at most 80 characters (the server's ClientManager); a chat is a
number, negative for groups, of at most 52 bits, or the @name of a channel or a public
group; a topic of a forum is its `message_thread_id`. Other servers than Telegram's own
can be run: `api_url`.
"""

from typing import Annotated

from msgspec import Meta

from engine.delivery.kind_settings import ChannelSettings

__all__ = ["API_URL", "TelegramSettings"]

API_URL = "https://api.telegram.org"


class TelegramSettings(ChannelSettings, frozen=True, kw_only=True):
    """See the module docstring."""

    bot_token: Annotated[
        str,
        Meta(
            max_length=80,
            pattern=r"^[1-9][0-9]{0,16}:[A-Za-z0-9_-]{20,64}$(?!\n)",
            description="the bot's token as BotFather gave it, like 110201543:AAH…",
        ),
    ]
    chat_id: Annotated[
        str,
        Meta(
            pattern=r"^(-?[1-9][0-9]{0,15}|@[A-Za-z][A-Za-z0-9_]{3,31})$(?!\n)",
            description="a text with the number of a chat, like 123456789 or"
            " -1001234567890, or the @name of a public channel or group",
        ),
    ]
    message_thread_id: Annotated[
        Annotated[int, Meta(ge=1, le=2**53 - 1)] | None,
        Meta(description="the number of a topic in a forum, or null for none"),
    ] = None
    api_url: Annotated[
        str,
        Meta(
            max_length=200,
            pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^?#\s]+$(?!\n)",
            description="the http or https URL of a Bot API server without query; it"
            " must not lead to a private or special-purpose address",
        ),
    ] = API_URL

    def __repr__(self) -> str:
        return "TelegramSettings()"
