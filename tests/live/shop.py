"""Eight writers at once: payments that are made, paid, replaced, buried, and reorged.

For tests that look at what clients are told meanwhile. `payments` grows; those in
`over` ended before, and nobody watches them any more. Nine greenlets, until `stop`.
"""

from random import Random

import gevent
from gevent.event import Event

from engine.payment.model import Terms
from tests.tools.livenode import LiveNode
from tests.tools.wait import PATIENCE, wait_until

__all__ = ["WRITERS", "Shop", "bury", "long_story"]

WRITERS = 8
PAYMENTS_EACH = 4
PAUSE_S = 0.12  # of a writer between two acts, at most
BLOCK_S = 0.2  # between two blocks, at most


class Shop:
    """See the module docstring."""

    def __init__(self, node: LiveNode, random: Random, pace: float = 1.0) -> None:
        """`pace`: a slower shop has less to tell, for tests that take longer."""
        self.node = node
        self.over = [_expired(node), _confirmed(node)]
        self.payments: list[Terms] = list(self.over)
        self.blocks = self.reorgs = 0
        self._random = random
        self._pace = pace
        self._stopping = Event()
        self._greenlets: list[gevent.Greenlet[..., None]] = []

    def start(self) -> None:
        work = [self._write] * WRITERS + [self._mine]
        self._greenlets = [gevent.spawn(each) for each in work]

    def stop(self) -> None:
        """Everybody ends; raises what went wrong with anybody."""
        self._stopping.set()
        for greenlet in self._greenlets:
            greenlet.get(timeout=60 * PATIENCE)

    def _pauses(self, longest_s: float) -> bool:
        return not self._stopping.wait(self._random.uniform(0, longest_s / self._pace))

    def _write(self) -> None:
        mine: list[Terms] = []
        while self._pauses(PAUSE_S):
            if len(mine) < PAYMENTS_EACH and self._random.random() < 0.3:
                depth = self._random.randint(1, 6)
                mine.append(
                    self.node.create(amount_sat=2_000, confirmations_required=depth)
                )
                self.payments.append(mine[-1])
            elif mine:
                self._pay(self._random.choice(mine))

    def _pay(self, payment: Terms) -> None:
        chain = self.node.chain
        txid = chain.pay(payment.address, self._random.randint(600, 3_000))
        if self._random.random() < 0.2:
            chain.replace(txid, to=self._random.choice((None, payment.address)))

    def _mine(self) -> None:
        """A block, and now and then others instead of the last ones."""
        while self._pauses(BLOCK_S):
            self.node.chain.mine(1)
            self.blocks += 1
            if self.blocks > 3 and self._random.random() < 0.15:
                remine = self._random.random() < 0.5
                self.node.chain.reorg(self._random.randint(1, 2), remine=remine)
                self.reorgs += 1


def _expired(node: LiveNode) -> Terms:
    now = node.gateway.now()
    payment = node.create(expires_at=now + 1, monitor_until=now + 2)
    node.wait_for(payment.id, "expired")
    return payment


def _confirmed(node: LiveNode) -> Terms:
    payment = node.create(monitor_until=node.gateway.now() + 3_600_000)
    node.chain.pay(payment.address, 1_000)
    node.chain.mine(2)
    node.wait_for(payment.id, "confirmed")
    return payment


def long_story(node: LiveNode, events: int, receipts: int = 100) -> Terms:
    """A payment with at least so many events: reorged again and again."""
    payment = node.create(amount_sat=2_000, confirmations_required=1)
    node.chain.pay_many([(payment.address, 600)] * receipts)
    bury(node, payment)
    while _seq(node, payment) < events:
        before = _seq(node, payment)
        node.chain.reorg(1, remine=False)
        wait_until(lambda: _seq(node, payment) > before, 10, "the reorg to be told")  # noqa: B023
        bury(node, payment)
    return payment


def bury(node: LiveNode, payment: Terms) -> None:
    node.chain.mine(1)
    node.wait_for(payment.id, "confirmed")


def _seq(node: LiveNode, payment: Terms) -> int:
    found = node.gateway.payment(payment.id)
    assert found is not None
    return found.seq
