"""A chain source from its configuration. Used by the node and by the doctor."""

from engine.chain.feed import AddressFeed, BlockFeed
from engine.chain.source_url import ZMQ_OFF, parse_source_url
from engine.config import Config, SourceConfig
from transport.chain.bitcoind import Bitcoind
from transport.chain.esplora import Esplora

__all__ = ["make_feed"]


def make_feed(source: SourceConfig, config: Config) -> BlockFeed | AddressFeed:
    """Raises ValueError for a URL that is none, without quoting it."""
    match source.kind:
        case "bitcoind":
            url = parse_source_url(source.kind, source.url)
            node = Bitcoind(
                url,
                source.shown_as,
                network=config.network,
                deadline_s=config.rpc_timeout_s,
            )
            if url.zmq != (ZMQ_OFF,):
                # Loaded where it is used, as the dev chain is.
                from transport.chain.zmq_push import ZmqPush

                node.push = ZmqPush(node, url.host, url.zmq)
            return node
        case "esplora":
            return Esplora(source.url, config.network, source.shown_as)
        case "devchain":
            # Only where it is asked for: a node on a real chain has none of it.
            from transport.devchain.chain import DevChain

            return DevChain()
    raise ValueError(f"no such source: {source.kind}")
