"""A channel as its notifier goes by it: as the database has it, then as its endpoint
has asked for it to be (moved, or no more at all).
"""

from engine.delivery.attempt import SendResult
from engine.delivery.channel import Channel, after_attempt, channel_row
from engine.store.writes import Row

__all__ = ["ChannelInUse"]


class ChannelInUse:
    """See the module docstring."""

    __slots__ = ("_states", "channel")

    def __init__(self, channel: Channel, stored: bytes) -> None:
        """`stored`: the channel, as the database has it."""
        self.channel = channel
        self._states: tuple[bytes, ...] = (stored,)  # ours to replace

    def attempted(self, result: SendResult) -> bool:
        """Whether an attempt has changed it."""
        changed = after_attempt(self.channel, result)
        if changed is None or not self.channel.enabled:
            return False
        self.channel = changed
        self._states = (*self._states, channel_row(changed).state)
        return True

    def rows(self) -> tuple[Row, ...]:
        """To be written with what the attempt came to; nothing if it is as it was.
        Unless somebody changed or removed it meanwhile: then that stands."""
        if len(self._states) == 1:
            return ()
        return (channel_row(self.channel, self._states),)
