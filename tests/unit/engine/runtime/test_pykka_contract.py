"""What we rely on in pykka, 4.5 and on: if an upgrade changes it, we learn it here."""

import inspect
from random import Random

import gevent
import pykka
import pytest

from engine.runtime.actor import Actor
from engine.runtime.mailbox import PriorityMailbox
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedDispatcher

HOOKS = ("on_start", "on_stop", "on_failure", "on_receive")


class Echo(Actor):
    __slots__ = ("got",)

    def __init__(self) -> None:
        self.got: list[object] = []

    def on_receive(self, message: object) -> None:
        self.got.append(message)


class Loud(pykka.ThreadingActor):
    """An actor of pykka itself, in a loop of pykka."""

    def on_receive(self, message: object) -> None:
        raise gevent.Timeout(1)


def test_our_actors_are_pykka_actors_with_its_hooks() -> None:
    assert issubclass(Actor, pykka.Actor)
    for hook in HOOKS:
        assert callable(getattr(pykka.Actor, hook))
    parameters = list(inspect.signature(pykka.Actor.on_failure).parameters)
    assert parameters == ["self", "exception_type", "exception_value", "traceback"]


def test_an_actor_works_without_what_pykkas_constructor_makes() -> None:
    """Not calling it saves a UUID, an event and a queue: kilobytes for each actor."""
    dispatcher = SimulatedDispatcher(Random(1))
    actor = Echo()
    ref = Ref(ActorScope(dispatcher, lambda _name: actor), "echo")
    ref.start()
    ref.tell("hello")
    while dispatcher.step() is not None:
        pass
    assert actor.got == ["hello"]
    assert str(actor) == "Echo (echo #1)"
    for made_by_pykka in ("actor_urn", "actor_inbox", "actor_ref", "actor_stopped"):
        assert made_by_pykka not in vars(actor)


def test_pykkas_default_hooks_need_no_constructor() -> None:
    actor = Echo()
    actor.on_start()
    actor.on_stop()
    actor.on_failure(ValueError, ValueError(), None)


def test_no_actor_of_ours_is_in_pykkas_registry() -> None:
    """The registry is a list: leaving it costs a search through every actor."""
    ref = Ref(ActorScope(SimulatedDispatcher(Random(1)), lambda _name: Echo()), "echo")
    ref.start()
    assert pykka.ActorRegistry.get_all() == []


def test_a_base_exception_in_a_handler_does_not_stop_every_actor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """pykka's own loop calls `ActorRegistry.stop_all` then; ours must never."""
    calls: list[bool] = []

    def stop_all(*, block: bool = True, timeout: float | None = None) -> None:
        calls.append(block)

    monkeypatch.setattr(pykka.ActorRegistry, "stop_all", stop_all)
    pykkas = Loud.start()
    pykkas.tell("now")
    with pytest.raises(pykka.ActorDeadError):
        pykkas.ask("after that", timeout=30)
    assert calls, "pykka has another way now"
    calls.clear()

    class Bad(Echo):
        def on_receive(self, message: object) -> None:
            raise gevent.Timeout(1)

    dispatcher = SimulatedDispatcher(Random(1))
    ref = Ref(ActorScope(dispatcher, lambda _name: Bad()), "bad")
    ref.start()
    ref.tell("now")
    while dispatcher.step() is not None:
        pass
    assert not ref.is_alive
    assert calls == []


def test_pykkas_way_of_starting_is_closed() -> None:
    with pytest.raises((TypeError, AttributeError)):
        Echo.start()
    with pytest.raises(TypeError, match="through a Ref"):
        Echo()._start_actor_loop()
    assert isinstance(Actor._create_actor_inbox(), PriorityMailbox)


def test_a_future_carries_one_value_and_can_time_out() -> None:
    future: pykka.ThreadingFuture[int] = pykka.ThreadingFuture()
    with pytest.raises(pykka.Timeout):
        future.get(timeout=0.001)
    future.set(1)
    assert future.get(timeout=0.001) == 1
    assert future.get(timeout=0.001) == 1


def test_waiting_for_a_future_lets_other_greenlets_run() -> None:
    future: pykka.ThreadingFuture[str] = pykka.ThreadingFuture()
    gevent.spawn(future.set, "from another greenlet")
    assert future.get(timeout=60) == "from another greenlet"
