"""How a watcher lets its payment go: written down first, then told to the supervisor.

In the watcher's turn, but for the outcome, which comes in the journal's.
"""

from collections.abc import Callable
from typing import Any

from actors.messages import Retired
from actors.node import Node
from engine.payment.model import Terms
from engine.store.writes import Committed, Outcome, Release, Write

__all__ = ["release"]


def release(node: Node, terms: Terms) -> Callable[[Callable[[Any], None]], None]:
    """What to ask the journal for; the reply gets the `Outcome`."""

    def ask(reply: Callable[[Any], None]) -> None:
        def written(outcome: Outcome) -> None:
            # Told even if the watcher died meanwhile: none must come after it.
            if isinstance(outcome, Committed):
                node.supervisor.tell_system(Retired(terms.id, terms.address))
            reply(outcome)

        node.append(Write(rows=(Release(terms.id),)), written)

    return ask
