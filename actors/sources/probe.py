"""How is your source? One cheap question, of a source that is not read now.

Asked by the workers, in their own greenlets.
"""

from actors.node import Node
from actors.sources.messages import Probed
from engine.chain.feed import AddressFeed, BlockFeed, SourceStatus
from engine.errors import SourceError

__all__ = ["probe"]


def probe(node: Node, number: int, feed: BlockFeed | AddressFeed) -> Probed:
    asked_at = node.clock.now()
    status: SourceStatus | None = None
    error: SourceError | None = None
    try:
        status = feed.status()
    except SourceError as failure:
        error = failure
    return Probed(number, status, error, feed.requests, asked_at)
