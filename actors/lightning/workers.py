"""The two blocking workers of an upstream: one asks, the other holds the connection.

Neither decides anything: answers and errors go to the upstream's actor as messages. A
worker that asks does one thing at a time; the actor sends it the next when it is done,
so nothing queues up here. One that holds a connection lives as long as that one.
"""

import logging

from actors.lightning.messages import (
    AskBalance,
    BalanceTold,
    Hold,
    LookedUp,
    LookUp,
    PageRead,
    ReadPage,
    StreamEnded,
    StreamPaid,
    StreamWord,
)
from actors.node import Node
from engine.errors import LightningError, NodeGarbage, NodeRefused
from engine.lightning.node import (
    Balance,
    InvoiceSeen,
    InvoiceStatus,
    LightningNode,
    PaidPage,
    SignOfLife,
)
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref

__all__ = ["AskingWorker", "HoldingWorker", "StreamListener", "asking"]

log = logging.getLogger("paybell.lightning")

MAX_PAGE = 1_000
"""An adapter asks for pages of a hundred or so."""


class AskingWorker(Actor):
    """Asks the node, and tells `upstream` what it answered."""

    __slots__ = ("_lightning", "_name", "_node", "_upstream")

    blocking = True
    turn_timeout_s = 180.0  # the second net: an adapter has deadlines of its own

    def __init__(
        self, node: Node, name: str, lightning: LightningNode, upstream: Ref
    ) -> None:
        self._node = node
        self._name = name
        self._lightning = lightning
        self._upstream = upstream

    def on_receive(self, message: object) -> None:
        match message:
            case ReadPage():
                page = self._page(message.cursor)
                self._upstream.tell_system(PageRead(message, page))
            case LookUp():
                self._upstream.tell_system(self._look_up(message))
            case AskBalance():
                self._upstream.tell_system(BalanceTold(message, self._balance()))

    def _page(self, cursor: str) -> PaidPage | LightningError:
        self._node.counters.add("lightning.requests")
        try:
            page = self._lightning.paid_since(cursor)
            _check(page, cursor, self._name)
        except LightningError as error:
            return error
        return page

    def _look_up(self, asked: LookUp) -> LookedUp:
        seen: list[tuple[InvoiceSeen, int]] = []
        dropped: list[tuple[str, LightningError]] = []
        for payment_hash in asked.hashes:
            asked_at = self._node.clock.now()
            self._node.counters.add("lightning.requests")
            try:
                found = self._lightning.lookup(payment_hash)
                if found.payment_hash != payment_hash:
                    text = f"{self._name} answered with another invoice than was asked"
                    raise NodeGarbage(text)
            except NodeGarbage as error:  # of this one; others may be well
                dropped.append((payment_hash, error))
            except NodeRefused as error:
                if error.why == "key":
                    return LookedUp(asked, tuple(seen), tuple(dropped), error)
                dropped.append((payment_hash, error))
            except LightningError as error:
                return LookedUp(asked, tuple(seen), tuple(dropped), error)
            else:
                seen.append((found, asked_at))
        return LookedUp(asked, tuple(seen), tuple(dropped))

    def _balance(self) -> Balance | LightningError:
        self._node.counters.add("lightning.requests")
        try:
            return self._lightning.balance()
        except LightningError as error:
            return error


def _check(page: PaidPage, cursor: str, name: str) -> None:
    """Raises `NodeGarbage` for a page that leads nowhere, or says what is not asked."""
    if len(page.paid) > MAX_PAGE:
        raise NodeGarbage(f"{name} showed {len(page.paid)} payments in one page")
    if page.more and page.cursor == cursor:
        raise NodeGarbage(f"{name} has more to show and shows the same again")
    if any(one.status is not InvoiceStatus.PAID for one in page.paid):
        raise NodeGarbage(f"{name} showed an unpaid invoice among those that were paid")


def asking(node: Node, name: str, lightning: LightningNode, upstream: Ref) -> Ref:
    """A worker that asks, started."""
    scope = ActorScope(
        dispatcher=node.dispatcher,
        factory=lambda _name: AskingWorker(node, name, lightning, upstream),
        parent=upstream,
        blocking=True,
        turn_timeout_s=AskingWorker.turn_timeout_s,
        waits_outside=True,
    )
    worker = Ref(scope, f"upstream.{name}.asks")
    worker.start()
    return worker


class HoldingWorker(Actor):
    """Holds one connection, and ends with it."""

    __slots__ = ("_lightning", "_upstream")

    blocking = True

    def __init__(self, lightning: LightningNode, upstream: Ref) -> None:
        self._lightning = lightning
        self._upstream = upstream

    def on_receive(self, message: object) -> None:
        if not isinstance(message, Hold):
            return
        ended: LightningError | None = None
        try:
            self._lightning.stream(message.listener, message.ended)
        except LightningError as error:
            ended = error
        self._upstream.tell_system(StreamEnded(message.number, ended))
        self.stop()


class StreamListener:
    """What a held connection tells, as messages. Implements `NodeListener`."""

    __slots__ = ("_number", "_silence_s", "_upstream", "missed")

    def __init__(self, upstream: Ref, number: int, silence_s: float) -> None:
        self.missed = False  # more came than the mailbox takes: it must be read
        self._upstream = upstream
        self._number = number
        self._silence_s = silence_s

    @property
    def silence_s(self) -> float:
        return self._silence_s

    def word(self, heard: SignOfLife) -> None:
        self._upstream.tell_system(StreamWord(self._number, heard))

    def paid(self, invoice: InvoiceSeen) -> None:
        if not self._upstream.tell(StreamPaid(self._number, invoice)):
            self.missed = True
