"""Payments whose channel is dead delay nobody: told by order, not by the clock.

A thousand payments, each with something to tell, belong to shops whose endpoints are
dead, each in its way. One payment's shop is alive. Whenever something of it is
committed, its endpoint hears of it before there have been more tries at dead ones than
their breakers let through, however many payments wait for theirs; and though here the
next actor to have its turn is any, not the one that waits longest. (What it costs in
milliseconds, the bench says.)
"""

import logging
from collections import deque
from collections.abc import Iterator
from statistics import median

import pytest

from actors.delivery.notifier import NotifierActor
from actors.delivery.sender import Delivered
from actors.messages import CreatePayments, Nudge
from engine.delivery.delivery_queue import DeliveryQueue
from engine.delivery.endpoint import Endpoint
from engine.delivery.endpoint_breaker import CHANNEL_BREAKER
from engine.delivery.kinds import CONCURRENCY
from engine.payment.model import Terms
from tests.simulation.chain import address_of, script_of
from tests.simulation.instrument import instrumented
from tests.simulation.points import CrashPoint
from tests.simulation.shape import MINUTE_MS, Shape
from tests.simulation.world import World

DEAD_SHOPS, PAYMENTS_EACH = 20, 50
MODES = ("error", "redirect", "hang")

TRIES_BETWEEN = DEAD_SHOPS * (CONCURRENCY + CHANNEL_BREAKER.threshold)
"""Tries at dead endpoints that may begin between a commit and the live delivery: as
many as all the dead may make before each of their breakers rests."""

SHAPE = Shape(
    payments=0,
    rush=False,
    sources="b",
    every_s=600.0,
    per_minute=None,
    poll_slow_s=28_800,
    channels=0,
    clients=1,
    on_file=False,
    trouble_mean_ms=1,
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class _Street:
    """Shops in a world without any other trouble, and the order of what happens."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed, shape=SHAPE, crash=CrashPoint())
        self.dead_tries = 0
        self.between: list[int] = []  # dead tries between a live commit and its sending
        self._committed_at: dict[int, int] = {}  # offset -> dead tries until then
        self._listen()

    def _listen(self) -> None:
        endpoints, rules = self.world.channels.endpoints, self.world.rules
        send, on_event = endpoints.send, rules.deliveries.on_event

        def note_send(to: Endpoint, msg_id: str, *rest: object) -> object:
            if endpoints.of(to.url).mode == "ok":
                offset = int(msg_id.rpartition("_")[2])
                self.between.append(self.dead_tries - self._committed_at[offset])
            else:
                self.dead_tries += 1
            return send(to, msg_id, *rest)  # type: ignore[arg-type]

        def note_event(event: object) -> None:
            self._committed_at[event.offset] = self.dead_tries  # type: ignore[attr-defined]
            on_event(event)  # type: ignore[arg-type]

        endpoints.send = note_send  # type: ignore[method-assign, assignment]
        rules.deliveries.on_event = note_event  # type: ignore[method-assign]

    def open(self) -> None:
        channels = self.world.channels
        for number in range(DEAD_SHOPS):
            name = channels.open(merchant=f"dead {number}")
            channels.endpoints.by_channel[name].mode = MODES[number % len(MODES)]
        channels.open(merchant="live")

    def create(self) -> None:
        names = [
            (f"pay_{number:04d}", f"dead {number % DEAD_SHOPS}")
            for number in range(DEAD_SHOPS * PAYMENTS_EACH)
        ]
        names.append(("pay_live", "live"))
        node = self.world.node
        assert node is not None
        terms = tuple(self._terms(name, merchant) for name, merchant in names)
        for asked in terms:  # in one call and past the edges, which record theirs
            self.world.rules.record.on_asked(asked)
        assert node.supervisor.tell(CreatePayments(terms, lambda _answers: None))

    def _terms(self, name: str, merchant: str) -> Terms:
        now = self.world.clock.now()
        return Terms(
            id=name,
            network="regtest",
            address=address_of(name),
            amount_sat=1_000,
            confirmations_required=6,
            created_at=now,
            expires_at=now + 600 * MINUTE_MS,
            monitor_until=now + 6_000 * MINUTE_MS,
            poll_interval_s=3_600,
            merchant=merchant,
        )

    def happen(self) -> None:
        """Something for the live payment, and for a hundred of the dead ones."""
        world, node = self.world, self.world.node
        assert node is not None
        names = [f"pay_{number:04d}" for number in range(100)]
        outputs = [(script_of(name), 100) for name in (*names, "pay_live")]
        tx = world.chain.pay(outputs)
        node.source.tell(Nudge())
        world.run_for(MINUTE_MS)
        # The world has miners of its own: one may have been quicker.
        waits = [tx.txid] if tx.txid in world.chain.now.pool else []
        world.chain.mine(waits, world.true_ms() // 1000)
        node.source.tell(Nudge())
        world.run_for(9 * MINUTE_MS)


def _live_on(seed: int) -> _Street:
    street = _Street(seed)
    with instrumented(street.world):
        street.world.boot()
        street.open()
        street.world.run_for(1_000)
        street.create()
        street.world.run_for(10 * MINUTE_MS)
        for _ in range(6):
            street.happen()
        street.world.store.close()
    assert street.dead_tries > 500, "the dead were not even tried"
    return street


def _is_live_undelayed(street: _Street) -> bool:
    live = len(street.world.channels.endpoints.by_channel["chn_20"].acked)
    return (
        live == len(street.between) >= 15
        and max(street.between) <= TRIES_BETWEEN < DEAD_SHOPS * PAYMENTS_EACH
        and median(street.between) <= DEAD_SHOPS
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_payments_with_dead_channels_delay_no_live_one(seed: int) -> None:
    street = _live_on(seed)
    assert _is_live_undelayed(street), street.between


def test_a_queue_that_all_channels_share_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One delivery after the other, as if there were one worker for everybody."""
    send, on_delivered = NotifierActor._send, NotifierActor._on_delivered
    waiting: deque[tuple[NotifierActor, str, DeliveryQueue]] = deque()
    busy: list[NotifierActor] = []

    def go_on() -> None:
        if waiting and not busy:
            notifier, payment_id, queue = waiting.popleft()
            busy.append(notifier)
            send(notifier, payment_id, queue)

    def send_in_turn(
        self: NotifierActor, payment_id: str, queue: DeliveryQueue
    ) -> None:
        waiting.append((self, payment_id, queue))
        go_on()

    def delivered(self: NotifierActor, answer: Delivered) -> None:
        busy.clear()
        on_delivered(self, answer)
        go_on()

    monkeypatch.setattr(NotifierActor, "_send", send_in_turn)
    monkeypatch.setattr(NotifierActor, "_on_delivered", delivered)
    assert not _is_live_undelayed(_live_on(0))
