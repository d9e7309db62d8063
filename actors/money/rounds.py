"""An actor that works in rounds, each a generator of what it wants (`steps.py`).

A round begins at the actor's own timer, or at once when somebody tells it that there is
work. One that fails is an alert, and the next begins at its time: whatever goes wrong
in here must not take the node along, for the money waits.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import Any

from actors.facts.upstreams import MoneyCame
from actors.money.steps import Late, StepAnswer, Steps, Tick
from actors.money.telling import carry_out
from actors.node import Node
from engine.errors import EngineError
from engine.runtime.actor import Actor
from engine.runtime.clock import Timer

__all__ = ["ANSWER_S", "RoundsActor"]

log = logging.getLogger("paybell.forward")

ANSWER_S = 30.0
"""For an answer of the journal, the store, or a watcher."""


class RoundsActor(Actor):
    """See the module docstring."""

    __slots__ = ("_asked", "_late", "_next", "_node", "_round", "_wanted_again")

    blocking = True

    def __init__(self, node: Node) -> None:
        self._node = node
        self._round: Steps | None = None
        self._asked = 0  # questions so far
        self._late: Timer | None = None  # for the answer to the last of them
        self._next: Timer | None = None  # for the next round
        self._wanted_again = False  # somebody told of work while a round went on

    @abstractmethod
    def _steps(self) -> Steps:
        """One round."""

    @abstractmethod
    def _rest_s(self) -> float:
        """Until the next round, if nobody tells of work before."""

    @abstractmethod
    def _on_well(self) -> None:
        """A round is done."""

    @abstractmethod
    def _on_trouble(self, why: str) -> None:
        """A round ended early."""

    def on_start(self) -> None:
        self._plan(self._rest_s() / 2)

    def on_receive(self, message: object) -> None:
        match message:
            case Tick() | MoneyCame():
                if self._round is None:
                    self._round = self._steps()
                    self._go_on(None)
                else:
                    self._wanted_again = True
            case StepAnswer(number, value) if number == self._number:
                self._go_on(value)
            case Late(number) if number == self._number:
                self._go_on(TimeoutError("an answer did not come in time"))

    @property
    def _number(self) -> tuple[int, int]:
        return self.ref.incarnation, self._asked

    def _go_on(self, answer: Any) -> None:
        """Send the round its answer, and do what it wants next."""
        assert self._round is not None
        self._asked += 1
        if self._late is not None:
            self._late.cancel()
            self._late = None
        try:
            if isinstance(answer, Exception):
                wanted = self._round.throw(answer)
            else:
                wanted = self._round.send(answer)
        except StopIteration:
            self._on_well()
            self._end()
        except (EngineError, TimeoutError) as error:
            self._on_trouble(str(error))
            self._end()
        except Exception as error:
            log.exception("forward.round_failed")
            self._on_trouble(f"a round failed: {error!r}; see the log")
            self._end()
        else:
            late = Late(self._number)
            self._late = self._node.clock.call_later(ANSWER_S, self.ref, late)
            tell, number = self.ref.tell_system, self._number
            carry_out(
                self._node,
                wanted,
                lambda value: tell(StepAnswer(number, value)),
            )

    def _end(self) -> None:
        self._round = None
        self._plan(0.0 if self._wanted_again else self._rest_s())
        self._wanted_again = False

    def _plan(self, rest_s: float) -> None:
        """One timer, however often somebody told of work."""
        if self._next is not None:
            self._next.cancel()
        self._next = self._node.clock.call_later(rest_s, self.ref, Tick())
