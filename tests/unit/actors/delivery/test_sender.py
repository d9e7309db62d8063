"""Senders: made as they are needed, one delivery each, and gone with their notifier."""

from random import Random

import pytest

from actors.delivery.sender import Deliver, Delivered, SenderPool, sender_scope
from actors.node import Node, Settings
from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.endpoint import Endpoint
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedClock, SimulatedDispatcher
from engine.store.records import Pending

SIZE = 3
HEAD = Pending(5, 5, 0, 0, b"{}")


class Quiet(Actor):
    """A sender that keeps what it is asked."""

    def __init__(self) -> None:
        self.got: list[object] = []

    def on_receive(self, message: object) -> None:
        self.got.append(message)


class _Sends:
    def send(self, *_request: object) -> SendResult:
        return SendResult(AttemptOutcome.DELIVERED, 200, None, None, 1.0)


class Place:
    """A pool, and what it made."""

    def __init__(self) -> None:
        self.dispatcher = SimulatedDispatcher(Random(1))
        self.made: list[int] = []
        self.actors: list[Quiet] = []
        self.pool = SenderPool(SIZE, self.make)

    def make(self, number: int) -> Ref:
        self.made.append(number)
        actor = Quiet()
        self.actors.append(actor)
        ref = Ref(ActorScope(self.dispatcher, lambda _name: actor), f"sender {number}")
        ref.start()
        return ref

    def order(self, payment_id: str) -> Deliver:
        reply_to = Ref(ActorScope(self.dispatcher, lambda _name: Quiet()), "notifier")
        endpoint = Endpoint(url="https://x/secret", secrets=(b"secret",))
        return Deliver(payment_id, HEAD, endpoint, reply_to)

    def send(self, payment_id: str) -> Ref:
        """Who carries it out."""
        before = set(self.pool._busy_with.items())
        self.pool.send(self.order(payment_id))
        ((worker, _),) = set(self.pool._busy_with.items()) - before
        return worker

    def run(self) -> None:
        while self.dispatcher.step() is not None:
            pass


def answer(worker: Ref, payment_id: str) -> Delivered:
    result = SendResult(AttemptOutcome.DELIVERED, 200, None, None, 1.0)
    return Delivered(worker, payment_id, HEAD, result)


def test_senders_are_made_as_they_are_needed_up_to_the_size() -> None:
    place = Place()
    assert place.made == []
    for number in range(SIZE):
        assert place.pool.has_room
        place.send(f"p{number}")
    assert place.made == [1, 2, 3]
    assert not place.pool.has_room
    with pytest.raises(AssertionError):
        place.pool.send(place.order("one too many"))


def test_a_sender_that_has_answered_is_used_again() -> None:
    place = Place()
    worker = place.send("p")
    assert place.pool.release(answer(worker, "p"))
    assert place.send("q") is worker
    assert place.made == [1]


def test_an_answer_of_another_or_for_another_payment_frees_nobody() -> None:
    place, other = Place(), Place()
    worker, stranger = place.send("p"), other.send("p")
    assert not place.pool.release(answer(stranger, "p"))
    assert not place.pool.release(answer(worker, "q"))
    assert place.pool.release(answer(worker, "p"))
    assert not place.pool.release(answer(worker, "p")), "twice"
    assert len(place.pool._idle) == 1


def test_a_sender_that_died_leaves_its_place_and_its_payment() -> None:
    place = Place()
    idle, busy = place.send("p"), place.send("q")
    place.pool.release(answer(idle, "p"))
    assert place.pool.remove(busy) == "q"
    assert place.pool.remove(idle) is None
    assert busy not in place.pool
    assert place.pool._idle == []
    place.run()
    assert busy.is_stopped
    assert idle.is_stopped
    assert [place.send(p) for p in ("r", "s", "t")]
    assert place.made == [1, 2, 3, 4, 5]


def test_whoever_ends_the_pool_ends_what_its_senders_have_not_begun() -> None:
    place = Place()
    workers = [place.send(f"p{number}") for number in range(SIZE)]
    assert all(worker in place.pool for worker in workers)
    place.pool.end()
    assert not any(worker.is_alive for worker in workers)
    place.run()
    assert [actor.got for actor in place.actors] == [[]] * SIZE
    assert all(worker.is_stopped for worker in workers)


def test_secrets_are_not_in_what_is_logged_of_an_order() -> None:
    order = Place().order("p")
    assert "secret" not in repr(order) + repr(order.endpoint)


def test_senders_wait_for_others_and_leave_places_to_those_who_do_not() -> None:
    scope = sender_scope(
        Node(SimulatedClock(0), SimulatedDispatcher(Random(1)), Random(1), Settings()),
        _Sends(),
        Ref(
            ActorScope(SimulatedDispatcher(Random(1)), lambda _name: Quiet()), "parent"
        ),
    )
    assert scope.blocking
    assert scope.waits_outside
