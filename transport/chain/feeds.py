"""A chain source from its configuration. Used by the node and by the doctor."""

from engine.chain.feed import AddressFeed, BlockFeed
from engine.config import Config, SourceConfig
from transport.chain.bitcoind import Bitcoind
from transport.chain.esplora import Esplora

__all__ = ["make_feed"]


def make_feed(source: SourceConfig, config: Config) -> BlockFeed | AddressFeed:
    """Raises ValueError for a URL that is none, without quoting it."""
    match source.kind:
        case "bitcoind":
            return Bitcoind(
                source.url,
                source.shown_as,
                network=config.network,
                deadline_s=config.rpc_timeout_s,
            )
        case "esplora":
            return Esplora(source.url, config.network, source.shown_as)
        case "devchain":
            # Only where it is asked for: a node on a real chain has none of it.
            from transport.devchain.chain import DevChain

            return DevChain()
    raise ValueError(f"no such source: {source.kind}")
