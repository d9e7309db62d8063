"""A node for a bench, put together as run.py does, without the server.

Its chain is whatever source the bench gives; by default the dev chain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import gevent

from actors.edge.gateway import ActorGateway
from actors.node import Node, Settings
from actors.root import FeedConfig, build_tree
from actors.watching.address import AddressActor
from bench.measure import wait_for
from engine.bitcoin.address import script_to_address
from engine.lightning.account import Account
from engine.lightning.node import LightningNode
from engine.payment.model import Terms
from engine.runtime.clock import GeventClock
from engine.runtime.dispatcher import GeventDispatcher
from engine.secrets.vault import Vault
from engine.store.sqlite.store import SqliteStore
from transport.devchain.chain import DevChain
from transport.outbound.webhook import WebhookSender

__all__ = ["BenchNode", "bench_node", "terms"]


class BenchNode:
    """Its parts, as a bench wants to reach them."""

    def __init__(
        self,
        path: Path,
        feeds: list[FeedConfig],
        lightning: Sequence[tuple[Account, LightningNode]] = (),
    ) -> None:
        self.clock = GeventClock()
        self.dispatcher = GeventDispatcher(pool_size=4_096)
        self.node = Node(
            self.clock,
            self.dispatcher,
            Random(1),
            Settings(),
            yield_to_hub=lambda: gevent.sleep(0),
        )
        self.store = SqliteStore(str(path / "node.db"))
        self.vault = Vault(os.urandom(32))
        self.root = build_tree(
            self.node,
            writer=self.store.writer,
            reader=self.store.inner_reader,
            client_reader=self.store.reader,
            feeds=feeds,
            vault=self.vault,
            sender=WebhookSender("bench", allow_private=True),
            give_up=print,
            lightning=lightning,
        )
        self.gateway = ActorGateway(
            self.node, self.store.reader, orders=self.store.inner_reader
        )

    def start(self) -> None:
        """Until every payment of the database has its watcher."""
        self.clock.start()
        self.dispatcher.start()
        self.root.start()
        wait_for(lambda: self.node.health.booted, "the node to be ready")

    def stop(self) -> None:
        self.root.stop()
        wait_for(lambda: not self.node.journal.is_alive, "the journal to end")
        self.dispatcher.stop(0.2)
        self.clock.stop()
        self.store.close()

    @property
    def answered(self) -> bool:
        """Whether a source has answered every watcher's first poll."""
        return all(
            isinstance(ref.actor, AddressActor) and ref.actor.seen_at is not None
            for ref in self.node.watchers.values()
        )

    def create(self, wanted: Sequence[Terms], batch: int = 1_000) -> None:
        """Committed and watched, as by POST /v1/payments/batch."""
        for first in range(0, len(wanted), batch):
            self.gateway.create(wanted[first : first + batch])


@contextmanager
def bench_node(
    path: Path,
    feeds: list[FeedConfig] | None = None,
    lightning: Sequence[tuple[Account, LightningNode]] = (),
) -> Iterator[BenchNode]:
    """`feeds`: the dev chain, looked at every second, if not given."""
    chain = FeedConfig("devchain", DevChain(), by_block=True)
    node = BenchNode(path, [chain] if feeds is None else feeds, lightning)
    node.start()
    try:
        yield node
    finally:
        node.stop()


def terms(number: int, now: int) -> Terms:
    """An ordinary payment at an address of its own."""
    script = b"\0\x14" + number.to_bytes(20, "big")
    address = script_to_address(script, "regtest")
    assert address is not None
    return Terms(
        id=f"pay_{number:022d}",
        network="regtest",
        address=address,
        amount_sat=1_000,
        confirmations_required=2,
        created_at=now,
        expires_at=now + 3_600_000,
        monitor_until=now + 90_000_000,
        external_id=f"order-{number}",
    )
