"""What is known of an address at the moment when a payment to it is created."""

from collections.abc import Sequence
from contextlib import suppress

from actors.node import Node
from engine.bitcoin.address import parse_address
from engine.chain.feed import ChainView
from engine.errors import SourceError
from engine.payment.model import Terms
from engine.payment.old_outputs import as_of
from engine.runtime.yielding import yielding_every

__all__ = ["as_of_now"]


def as_of_now(node: Node, agreed: Sequence[Terms]) -> tuple[Terms, ...]:
    """The terms with the best tip, and with what has paid their addresses before.

    Asked of memory alone, of one moment for each. Nothing is asked of a source that is
    read address by address: who creates a payment waits for the answer.
    """
    return tuple(_as_of_now(node, terms) for terms in yielding_every(agreed))


def _as_of_now(node: Node, terms: Terms) -> Terms:
    if not terms.has_chain:
        return terms  # no chain, no past
    report = node.source_report.now
    # In a chain that ends with this process no height tells what is old.
    lasts = report.best is not None and not report.is_made_anew
    tip = report.best.tip if lasts and report.best is not None else None
    past: ChainView | None = None
    if report.look is not None:
        with suppress(SourceError):  # it has just begun to read anew
            past = report.look(parse_address(terms.address, terms.network).script)
    return as_of(terms, tip, past)
