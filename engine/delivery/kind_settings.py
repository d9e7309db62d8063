"""Base of what a channel of one kind is configured with. Values only."""

import msgspec

__all__ = ["ChannelSettings"]


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook has none: its fields are the channel's own. `repr` shows no secret."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
