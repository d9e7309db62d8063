"""What the node asks of a chain source, and how that depends on the addresses watched.

The same few blocks, each with the same payments in it, are mined on a real node (bcoin)
and read through the source actor and the Bitcoin Core adapter, at 10, at 1,000 and at
100,000 watched addresses. Beside that the Esplora adapter, which must ask for each.
"""

from __future__ import annotations

import gevent

from actors.messages import Nudge
from actors.root import FeedConfig
from bench.measure import folder, fresh, wait_for
from bench.node import BenchNode, bench_node, terms
from bench.report import Section, compare
from engine.payment.model import Terms
from tests.node.bcoin import BcoinNode
from tests.tools.serving import serving
from transport.chain.bitcoind import Bitcoind
from transport.chain.esplora import Esplora
from transport.devchain.chain import DevChain
from transport.devchain.http_api import devchain_routes

__all__ = ["run"]

BLOCKS = 5
WATCHED = (10, 1_000, 100_000)
BY_ADDRESS = (10, 100)
ONLY_WHEN_NUDGED_S = 3_600.0


def run() -> Section:
    by_block = [fresh("upstream:by_block", count) for count in WATCHED]
    by_address = [fresh("upstream:by_address", count) for count in BY_ADDRESS]
    rows = [
        compare(
            f"requests per block, {count:,} addresses",
            ours,
            "",
            f"asking address by address, {BY_ADDRESS[-1]}",
            by_address[-1],
            f"as with {WATCHED[0]}",
        )
        for count, ours in zip(WATCHED, by_block, strict=True)
    ]
    rows.append(
        compare(
            f"requests per block, {BY_ADDRESS[0]} addresses",
            by_block[0],
            "",
            f"asking address by address, {BY_ADDRESS[0]}",
            by_address[0],
        )
    )
    return Section(
        "upstream",
        "Requests to a chain source",
        f"{BLOCKS} times a payment to a watched address is sent and mined on a real"
        " node (bcoin), each seen in the mempool and in its block through the source"
        " actor and the Bitcoin Core adapter; counted are the adapter's requests for"
        " each of the blocks. The peer is the Esplora adapter on the dev chain's"
        " explorer, where every watched address is looked at once in the mempool and"
        " once in the block.",
        rows,
    )


def by_block(count: int) -> list[int]:
    with BcoinNode() as bitcoin, folder() as path:
        wallet = bitcoin.fund(BLOCKS + 2)
        feed = Bitcoind(bitcoin.url)
        source = FeedConfig("bitcoind", feed, by_block=True, every_s=ONLY_WHEN_NUDGED_S)
        with bench_node(path, [source]) as bench:
            wanted = [terms(number, bench.clock.now()) for number in range(count)]
            bench.create(wanted)
            _settle(feed)
            _look(bench)
            wait_for(lambda: bench.answered, "the first look")
            _settle(feed)
            each = []
            for number in range(BLOCKS):
                before = feed.requests
                payment = wanted[number]
                wallet.pay(payment.address, 1_000)
                _look(bench)
                _until(bench, payment.id, seq=2)
                bitcoin.generate(1)
                _look(bench)
                _until(bench, payment.id, seq=3)
                _settle(feed)
                each.append(feed.requests - before)
            return each


def by_address(count: int) -> list[int]:
    chain = DevChain()
    with serving(devchain_routes(chain)) as server, folder() as path:
        feed = Esplora(f"http://127.0.0.1:{server.port}/dev/esplora", "regtest")
        source = FeedConfig("esplora", feed, by_block=False, every_s=ONLY_WHEN_NUDGED_S)
        with bench_node(path, [source]) as bench:
            wanted = [terms(number, bench.clock.now()) for number in range(count)]
            bench.create(wanted)
            _settle(feed)
            _look(bench)
            wait_for(lambda: bench.answered, "the first look")
            _settle(feed)
            each = []
            for number in range(BLOCKS):
                before = feed.requests
                payment = wanted[number]
                chain.pay(payment.address, 1_000)
                _look_at_each(bench, wanted)
                _until(bench, payment.id, seq=2)
                chain.mine()
                _look_at_each(bench, wanted)
                _until(bench, payment.id, seq=3)
                _settle(feed)
                each.append(feed.requests - before)
            return each


def _look(bench: BenchNode) -> None:
    """As after a push of the source: look now."""
    bench.node.source.tell(Nudge())


def _look_at_each(bench: BenchNode, wanted: list[Terms]) -> None:
    gevent.sleep(0.002)  # so that no answer of before counts
    asked_at = bench.clock.now()
    for payment in wanted:
        bench.gateway.poll(payment.address)

    def seen() -> bool:
        actors = [ref.actor for ref in bench.node.watchers.values()]
        return all((getattr(a, "seen_at", 0) or 0) >= asked_at for a in actors)

    wait_for(seen, "an answer for every address")


def _until(bench: BenchNode, payment_id: str, seq: int) -> None:
    def reached() -> bool:
        payment = bench.gateway.payment(payment_id)
        return payment is not None and payment.seq >= seq

    wait_for(reached, f"event {seq} of {payment_id}")


def _settle(feed: Bitcoind | Esplora) -> None:
    """Until no round is under way: no request for a tenth of a second."""
    asked = -1
    while asked != feed.requests:
        asked = feed.requests
        gevent.sleep(0.1)
