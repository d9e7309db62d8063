"""How the log calls an actor: also by what its name is the name of."""

from random import Random

import pytest

from engine.runtime.actor import Actor
from engine.runtime.naming import who
from engine.runtime.ref import ActorScope, Ref
from engine.runtime.simulation import SimulatedDispatcher


class Quiet(Actor):
    def on_receive(self, message: object) -> None:
        raise AssertionError(message)


@pytest.mark.parametrize(
    ("named_as", "said"),
    [("payment", "actor=pay_1 payment=pay_1"), ("", "actor=pay_1")],
)
def test_a_line_about_a_watcher_is_one_of_its_payment(named_as: str, said: str) -> None:
    dispatcher = SimulatedDispatcher(Random(1))
    scope = ActorScope(dispatcher, lambda _name: Quiet(), named_as=named_as)
    assert who(Ref(scope, "pay_1")) == said
