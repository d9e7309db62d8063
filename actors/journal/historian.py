"""The historian: adds what happened to the sums that charts are drawn of.

Every ten seconds it reads what has come into the journal since it last looked, some
events at a time, and has their sums added, with the offset up to which they are; that
is one write, so a crash neither loses nor doubles an event. After an upgrade, or a day
off, it goes through what it has missed, at a pace that others do not feel.

Once a minute it notes what no event tells: sessions, backlog, errors of sources. Those
of before a crash are lost with the process: they are no promise to anybody.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import msgspec

from actors.messages import DescribeSources
from actors.node import Node
from engine.gateway import SourceState
from engine.payment.history import Fact, errors_of, measured, sums_of
from engine.runtime.actor import Actor
from engine.store.history_writes import AddHistory
from engine.store.writes import Committed, Write

__all__ = ["LOOK_S", "PAGE", "REST_S", "SAMPLE_S", "HistorianActor"]

log = logging.getLogger("paybell.history")

LOOK_S = 10.0
PAGE = 200
"""Events in one write."""

REST_S = 0.1
"""Between two writes, while there is more: 2,000 events a second at most."""

SAMPLE_S = 60.0
MAX_SOURCES = 64
"""Whose errors are noted."""


class Look(msgspec.Struct, frozen=True):
    """To itself: see what has come."""


class Sample(msgspec.Struct, frozen=True):
    """To itself: a minute is over."""

    coalesce: ClassVar[bool] = True


class _Counted(msgspec.Struct, frozen=True):
    counts: Any  # deliveries by state, or why they cannot be read


class _Described(msgspec.Struct, frozen=True):
    states: tuple[SourceState, ...]


class HistorianActor(Actor):
    """See the module docstring."""

    __slots__ = ("_errors", "_look_s", "_node", "_position", "_through")

    def __init__(self, node: Node, look_s: float = LOOK_S) -> None:
        self._node = node
        self._look_s = look_s
        self._position: int | None = None  # None: to be read
        self._through = 0  # of what is being written
        self._errors: dict[str, int] = {}  # as they were counted a minute ago

    def on_start(self) -> None:
        self._again(self._look_s)
        self._node.clock.call_later(SAMPLE_S, self.ref, Sample())

    def on_receive(self, message: object) -> None:
        match message:
            case Look():
                self._look()
            case Sample():
                self._sample()
                self._node.clock.call_later(SAMPLE_S, self.ref, Sample())
            case _Counted(dict() as counts):
                self._note({"backlog": counts.get("pending", 0)})
            case _Described(states):
                self._note(self._new_errors(states))

    def _again(self, wait_s: float) -> None:
        self._node.clock.call_later(wait_s, self.ref, Look())

    # -- events ------------------------------------------------------------------------

    def _look(self) -> None:
        if self._position is None:
            self.await_reply(
                lambda reply: self._node.read(
                    lambda store: store.history_position(), reply
                ),
                self._on_position,
            )
        else:
            self._read(self._position)

    def _on_position(self, answer: Any) -> None:
        if isinstance(answer, int):
            self._position = answer
            self._read(answer)
        else:
            self._fail(answer)

    def _read(self, after: int) -> None:
        self.await_reply(
            lambda reply: self._node.read(
                lambda store: store.history_facts(after, PAGE), reply
            ),
            lambda answer: self._on_facts(after, answer),
        )

    def _on_facts(self, after: int, answer: Any) -> None:
        if not isinstance(answer, list):
            self._fail(answer)
            return
        facts: list[Fact] = answer
        if not facts:
            self._again(self._look_s)
            return
        self._through = facts[-1].offset
        assert self._through > after, "what comes behind an offset is behind it"
        row = AddHistory(sums_of(facts), after, self._through)
        wait_s = REST_S if len(facts) == PAGE else self._look_s
        self.await_reply(
            lambda reply: self._node.append(Write(rows=(row,)), reply),
            lambda outcome: self._on_written(outcome, wait_s),
        )

    def _on_written(self, outcome: Any, wait_s: float) -> None:
        if not isinstance(outcome, Committed):
            self._fail(outcome)
            return
        # Whoever has moved it (an answer that was lost was a commit): it is read anew.
        self._position = self._through if outcome.changed else None
        self._again(wait_s)

    def _fail(self, trouble: object) -> None:
        """It is not known what was written."""
        log.warning("history.stopped reason=%r", trouble)
        self._position = None
        self._again(self._look_s)

    # -- what no event tells -----------------------------------------------------------

    def _sample(self) -> None:
        ref = self.ref
        self._note({"sessions": self._node.sessions.now})
        self._node.read(
            lambda store: store.outbox_counts(),
            lambda answer: ref.tell_system(_Counted(answer)),
        )
        self._node.source.tell(
            DescribeSources(lambda states: ref.tell_system(_Described(states)))
        )

    def _note(self, values: dict[str, int]) -> None:
        sums = measured(values, self._node.clock.now())
        self._node.append(Write(rows=(AddHistory(sums),)), lambda _outcome: None)

    def _new_errors(self, sources: tuple[SourceState, ...]) -> dict[str, int]:
        found = {}
        for source in sources[:MAX_SOURCES]:
            before = self._errors.get(source.name, 0)
            # One that counts anew has begun anew.
            grown = source.errors - before if source.errors >= before else source.errors
            self._errors[source.name] = source.errors
            found[errors_of(source.name)] = grown
        return found
