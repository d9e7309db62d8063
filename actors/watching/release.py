"""How a watcher lets its payment go: written down first, then told to the supervisor.

In the watcher's turn, but for the outcome, which comes in the journal's.
"""

import logging
from collections.abc import Callable
from typing import Any

from actors.messages import LetGo, Retired
from actors.node import Node
from engine.errors import Refused
from engine.payment.model import Payment, Terms
from engine.payment.observations import ReleasedByHand
from engine.payment.rules import follow
from engine.store.writes import Committed, Entry, Outcome, Release, Write

__all__ = ["let_go", "release"]

log = logging.getLogger("paybell.payment")

Ask = Callable[[Callable[[Any], None]], None]
"""What to ask the journal for; the reply gets the `Outcome`."""


def release(node: Node, terms: Terms, last_words: tuple[Entry, ...] = ()) -> Ask:
    """`last_words`: events that end the payment, in the same commit."""

    def ask(reply: Callable[[Any], None]) -> None:
        def written(outcome: Outcome) -> None:
            # Told even if the watcher died meanwhile: none must come after it.
            if isinstance(outcome, Committed):
                node.supervisor.tell_system(Retired(terms.id, terms.address))
            reply(outcome)

        node.append(Write(last_words, (Release(terms.id),)), written)

    return ask


def let_go(node: Node, payment: Payment, order: LetGo) -> Ask | None:
    """At once, by an operator's word (`ReleasedByHand`). None: it cannot be, which was
    answered. Else the answer comes with the commit."""
    try:
        decided = follow(
            payment,
            ReleasedByHand(order.by),
            node.clock.now(),
            rate_for=node.rate_for,
        )
    except Refused as refusal:
        order.reply(refusal)
        return None
    after, events = decided.payment, tuple(decided.events)
    ask = release(node, after.terms, (Entry(after, events),) if events else ())

    def ask_and_answer(reply: Callable[[Any], None]) -> None:
        def written(outcome: Outcome) -> None:
            is_done = isinstance(outcome, Committed)
            if is_done:
                log.warning("payment.released payment=%s address=%s status=%s",
                            after.id, after.terms.address, after.status)  # fmt: skip
            order.reply(after if is_done else outcome)
            reply(outcome)

        ask(written)

    return ask_and_answer
