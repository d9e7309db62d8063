"""A double of Bitcoin Core: its RPC over a real socket, with Core's own semantics.

    with CoreDouble() as node:
        paid = node.add(payment_tx([(script, 5_000)]))
        node.mine()
        node.chain.rewind(100)      # as after an unclean stop: headers stay known
        Bitcoind(node.url).status()

It is written from Core's sources and documentation, not from what our adapter expects:
rpc/blockchain.cpp, rpc/mempool.cpp, rpc/rawtransaction.cpp, rpc/server.cpp,
rpc/request.cpp, httprpc.cpp, httpserver.cpp, validation.cpp, node/blockstorage.cpp and
the release notes from 0.21 on. Where versions differ, `version` decides. Nothing
happens by itself: a test says when the node warms up, reads its mempool back, connects
the next block. What is not Core's: blocks have no proof of work, transactions no
signatures.

`blocks` makes bytes, `chainstate` is validation's block index and active chain, `pool`
the mempool, `methods` the calls, `wire` HTTP, `node` the process. Whoever wants to hear
what ZMQ would tell puts an `Observer` into `node.observers`.
"""

from tests.tools.core_double.blocks import CoreBlock, make_block, payment_tx, txid_of
from tests.tools.core_double.node import CoreDouble, Observer

__all__ = [
    "CoreBlock",
    "CoreDouble",
    "Observer",
    "make_block",
    "payment_tx",
    "txid_of",
]
