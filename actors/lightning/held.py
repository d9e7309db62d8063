"""The connection that is held for an upstream: one try after the other.

No actor: it lives in the turns of an upstream's actor. Each try has a worker of its
own, as one that hangs cannot be used again, and a number: what an earlier try still
says is heard no more.
"""

from typing import Final

from actors.lightning.messages import Hold
from actors.lightning.workers import HoldingWorker, StreamListener
from actors.node import Node
from engine.lightning.account import Account
from engine.lightning.node import LightningNode
from engine.runtime.ref import ActorScope, Ref

__all__ = ["Holder"]

OPENING_S: Final = 30.0
"""From the try to the first word: the second net, as adapters have deadlines."""

SLACK: Final = 1.5
"""Whoever holds the connection gives it up after `silence_s`, with a better reason."""


class Holder:
    """See the module docstring."""

    __slots__ = (
        "_account",
        "_heard_s",
        "_lightning",
        "_listener",
        "_node",
        "_number",
        "_opened",
        "_ref",
        "_upstream",
    )

    def __init__(
        self, node: Node, account: Account, lightning: LightningNode, upstream: Ref
    ) -> None:
        self._node = node
        self._account = account
        self._lightning = lightning
        self._upstream = upstream
        self._number = 0
        self._ref: Ref | None = None
        self._listener: StreamListener | None = None
        self._heard_s = 0.0
        self._opened = False

    @property
    def is_trying(self) -> bool:
        """A worker holds a connection, or tries to."""
        return self._ref is not None

    def is_current(self, number: int) -> bool:
        return self._ref is not None and number == self._number

    def is_worker(self, ref: Ref) -> bool:
        return ref is self._ref

    def start(self) -> None:
        assert self._ref is None, "one at a time"
        self._number += 1
        number = self._number
        scope = ActorScope(
            dispatcher=self._node.dispatcher,
            factory=lambda _name: HoldingWorker(self._lightning, self._upstream),
            parent=self._upstream,
            blocking=True,
            waits_outside=True,
        )
        name = f"upstream.{self._account.name}.held.{number}"
        self._ref = ref = Ref(scope, name)
        self._heard_s = self._node.clock.monotonic()
        self._opened = False
        silence_s = float(self._account.silence_s)
        self._listener = listener = StreamListener(self._upstream, number, silence_s)
        ref.start()
        ref.tell(Hold(number, listener, lambda: number != self._number))

    def heard(self, *, opened: bool = False) -> None:
        """It said something."""
        self._heard_s = self._node.clock.monotonic()
        self._opened = self._opened or opened

    def took_missed(self) -> bool:
        """Whether more was pushed than could be taken, since this was asked last."""
        listener = self._listener
        if listener is None or not listener.missed:
            return False
        listener.missed = False
        return True

    def silence(self) -> str:
        """Why it counts as dead; empty: it does not."""
        if self._ref is None:
            return ""
        quiet_s = self._node.clock.monotonic() - self._heard_s
        most_s = self._account.silence_s * SLACK if self._opened else OPENING_S
        if quiet_s <= most_s:
            return ""
        return f"{self._account.name} gave no sign of life for {quiet_s:.0f} s"

    def drop(self) -> None:
        """Hear of it no more; its worker ends soon."""
        self._number += 1
        ref, self._ref, self._listener = self._ref, None, None
        if ref is not None and ref.is_alive:
            ref.stop()
