"""What a round of the forwarder wants, carried out; its answer comes later.

The store is asked, the journal writes, and a payment is told by its own watcher. No
actor; in the forwarder's turns.
"""

import logging
from collections.abc import Callable
from typing import Any

from actors.messages import Command
from actors.money.steps import AskStore, Commit, TellPayment, TellRefund, Want
from actors.node import Node
from engine.errors import Refused
from engine.payment.model import Payment
from engine.payment.observations import Forward, PaidOtherwise, RefundPaid
from engine.payment.rules import follow
from engine.store.writes import Committed, Conflict, Entry, MoveRefund, Write

__all__ = ["carry_out"]

log = logging.getLogger("paybell.forward")

Reply = Callable[[Any], None]


def carry_out(node: Node, wanted: Want, reply: Reply) -> None:
    """`reply` gets the answer, or an exception as a value."""
    match wanted:
        case AskStore(question):
            node.read(question, reply)
        case Commit(rows):
            if not rows:
                reply(True)
                return
            node.append(Write(rows=rows), lambda o: reply(_done(o)))
        case TellPayment(payment_id, part):
            _tell(node, payment_id, Forward(part), reply)
        case TellRefund(payment_id, told, row):
            _tell(node, payment_id, told, reply, row)


def _tell(
    node: Node,
    payment_id: str,
    word: Forward | RefundPaid | PaidOtherwise,
    reply: Reply,
    beside: MoveRefund | None = None,
) -> None:
    """By its own watcher; if that has been let go, or lies down, by our own hand: a
    watcher that comes up reads what was written."""
    watcher = node.watchers.get(payment_id)
    if watcher is not None and watcher.is_alive:
        command = Command(word, lambda answer: reply(_heard(answer)), beside)
        if not watcher.tell(command):
            reply(Refused(f"the watcher of {payment_id} has too much to do"))
        return
    now = node.clock.now()

    def on_payment(found: Any) -> None:
        if not isinstance(found, Payment):
            reply(found if isinstance(found, Exception) else True)
            return
        decided = follow(found, word, now)
        rows = () if beside is None else (beside,)
        if not decided.events and not rows:
            reply(True)
            return
        entries: tuple[Entry, ...] = ()
        if decided.events:
            entries = (Entry(decided.payment, tuple(decided.events)),)
        node.append(Write(entries, rows), lambda o: reply(_heard(o)))

    node.read(lambda s: s.payment(payment_id), on_payment)


def _done(outcome: Any) -> Any:
    if isinstance(outcome, Committed | Conflict):
        if isinstance(outcome, Conflict):
            log.warning("forward.conflict_of_writes what=%s detail=%s", outcome.what,
                        outcome.detail)  # fmt: skip
        return isinstance(outcome, Committed)
    return Refused(f"the journal cannot write: {outcome}")


def _heard(answer: Any) -> Any:
    """A payment, or a commit, is a word that was heard."""
    if isinstance(answer, Payment | Committed):
        return True
    return Refused(f"a payment was not told: {answer}")
