"""Looks at one address where refunds are to arrive, and shows what is there."""

from collections.abc import Callable

from actors.messages import Poll, PollNow, Seen, Unwatch, Watch
from actors.node import Node
from engine.bitcoin.address import parse_address
from engine.chain.feed import ChainView
from engine.runtime.actor import Actor
from engine.runtime.clock import TimersDue
from engine.runtime.ref import Ref

__all__ = ["RefundWatch", "watch_of"]

LOOK_S = 60.0
"""Between looks at a source that is asked address by address."""


def watch_of(node: Node, address: str, merchant: str, ref: Ref) -> Watch:
    """What the source is told of such an address: by its watch, and at a start before
    that, so that no block is read without it."""
    script = parse_address(address, node.settings.network).script
    return Watch(script, address, ref, (), merchant)


class RefundWatch(Actor):
    """One per address; it decides nothing."""

    __slots__ = ("_address", "_merchant", "_node", "_poll", "_script", "_show")

    mailbox_limit = 20

    def __init__(
        self,
        node: Node,
        address: str,
        merchant: str,
        show: Callable[[str, ChainView], object],
    ) -> None:
        self._node = node
        self._address = address
        self._merchant = merchant
        self._script = parse_address(address, node.settings.network).script
        self._show = show
        self._poll: int | None = None

    def on_start(self) -> None:
        watch = watch_of(self._node, self._address, self._merchant, self.ref)
        self._node.source.tell_system(watch)
        self._look_later()

    def on_receive(self, message: object) -> None:
        match message:
            case Seen(view, _):
                self._show(self._address, view)
            case PollNow():
                self._look()
            case TimersDue(number) if number == self._poll:
                self._look()
                self._look_later()

    def on_stop(self) -> None:
        self._node.source.tell_system(Unwatch(self._script, self.ref))

    def _look(self) -> None:
        now_s = self._node.clock.monotonic()
        self._node.source.tell(Poll(self._script, (), now_s))

    def _look_later(self) -> None:
        self._poll = self._node.clock.call_later_coalesced(LOOK_S, self.ref)
