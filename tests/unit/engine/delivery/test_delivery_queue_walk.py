"""A payment's queue of deliveries, walked in any order of things."""

from collections.abc import Callable
from random import Random

import pytest

from engine.delivery.delivery_queue import (
    DeliveryQueue,
    State,
)
from tests.unit.engine.delivery.deliveries import NOW, pending, result


class Walk:
    """One queue beside a model of the outbox; mail comes late, in order."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.outbox: dict[int, str] = {}
        self.next_at: dict[int, int] = {}
        self.mail: list[Callable[[], None]] = []
        self.listings = 0  # that are to come: later than what is committed after
        self.redelivered = self.heard = 0  # how often; it is heard of in the mail
        self.sure_as_of = 0
        self.is_under_way = False  # one may be, from before a redelivery
        self.queue: DeliveryQueue | None = None
        self.known_to = 0
        self.now = NOW
        self.sent: list[int] = []
        self.reads = 0

    def owed(self) -> list[int]:
        return sorted(o for o, state in self.outbox.items() if state == "pending")

    def commit(self) -> None:
        offset = len(self.outbox) + 1
        self.outbox[offset] = "pending"
        self.next_at[offset] = 0
        self.mail.append(lambda: self._on_routed(offset))

    def redeliver(self) -> None:
        for offset in list(self.outbox):
            self.outbox[offset] = "pending"
            self.next_at[offset] = self.now
        self.redelivered += 1
        self.is_under_way = True
        number = self.redelivered
        self.mail.append(lambda: self._on_counted(number))
        self.listings += 1

    def _on_counted(self, number: int) -> None:
        self.heard = max(self.heard, number)

    def list_owed(self) -> None:
        if self.listings and self.heard == self.redelivered:
            self.listings -= 1
            self.sure_as_of = self.heard
            self._on_listed(self._listing())

    def _listing(self) -> int | None:
        owed = self.owed()
        return self.next_at[owed[0]] if owed else None

    def _on_routed(self, offset: int) -> None:
        if self.queue is not None:
            self.queue.routed(pending(offset))
        elif offset <= self.known_to or self.heard != self.sure_as_of:
            self.queue = DeliveryQueue()
        else:
            self.queue = DeliveryQueue(pending(offset), as_of=self.heard)

    def _on_listed(self, next_at: int | None) -> None:
        if next_at is None:
            return
        if self.queue is None:
            self.queue = DeliveryQueue(rests_until=next_at)
        self.queue.listed(next_at, self.now)

    def deliver_mail(self) -> None:
        if self.mail:
            self.mail.pop(0)()

    def go_on(self) -> None:
        """What the queue waits for happens."""
        queue = self.queue
        if queue is None:
            return
        match queue.state:
            case State.UNREAD | State.READY:
                queue.heard(self.heard)
                queue.turn()
            case State.READING:
                self.reads += 1
                owed = self.owed()
                head = pending(owed[0], self.next_at[owed[0]]) if owed else None
                queue.read(head, self.now)
            case State.SENDING:
                assert queue.head is not None
                self._send(queue.head.offset)
            case State.RECORDING:
                self._record(queue)
            case State.RESTING | State.UNRECORDED:
                self.now = max(self.now, queue.rests_until)
                queue.due()
        if queue.state is State.OVER:
            self.queue = None

    def _send(self, offset: int) -> None:
        queue = self.queue
        assert queue is not None
        self.known_to = max(self.known_to, offset)
        assert self.next_at[offset] <= self.now, "sent before it is due"
        if self.owed()[0] < offset:
            assert self.is_under_way, f"{offset} is sent before {self.owed()}"
            self.is_under_way = False
        if self.random.random() < 0.1:
            queue.sender_died(self.now + 5)
            return
        self.sent.append(offset)
        good = self.random.random() < 0.7
        queue.answered(
            result(offset, "delivered" if good else "pending", self.now + 100)
        )

    def _record(self, queue: DeliveryQueue) -> None:
        if self.random.random() < 0.2:
            queue.not_recorded(self.now + 5)
            return
        assert queue.result is not None
        self.outbox[queue.result.offset] = queue.result.state
        self.next_at[queue.result.offset] = queue.result.next_at
        self.heard = self.redelivered  # the journal counts before it answers
        queue.heard(self.heard)
        queue.recorded()

    def finish(self) -> None:
        for _ in range(10_000):
            if not self.mail and not self.listings and self.queue is None:
                return
            self.deliver_mail()
            self.list_owed()
            self.go_on()
        raise AssertionError("it never ends")


@pytest.mark.parametrize("seed", range(200))
def test_in_any_order_of_things_all_is_told_in_order_and_the_queue_ends(
    seed: int,
) -> None:
    walk = Walk(seed)
    redelivers = seed % 2 == 1
    for _ in range(100):
        chance = walk.random.random()
        if chance < 0.15:
            walk.commit()
        elif chance < 0.17 and redelivers:
            walk.redeliver()
        elif chance < 0.2:
            walk.list_owed()
        elif chance < 0.5:
            walk.deliver_mail()
        else:
            walk.go_on()
    walk.finish()
    assert walk.owed() == []
    firsts = list(dict.fromkeys(walk.sent))
    assert firsts == sorted(walk.outbox)
    if not redelivers:
        assert walk.sent == sorted(walk.sent)
