"""A Ref: the stable address of an actor, its mailbox, and its turns.

A Ref outlives the actor behind it. When an actor crashes its Ref keeps the mail that
had not been handled; a restart builds a new actor (the next incarnation) behind the
same Ref. Whoever holds a Ref never has to look anything up again.

However an actor ends (a crash in start, in a handler or in stop; killed; timed out;
stopped) its parent gets exactly one `Exited` message.

An actor's code runs in *turns*: the dispatcher calls `run_turn`, which handles a
bounded number of messages. Ordinary actors never block in a turn. An actor that has
asked the journal something is *suspended*: its mail waits (that is its stash) until
the answer comes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

import gevent
import msgspec

from engine.errors import TurnTimeout
from engine.runtime.life import FOR_GOOD, ExitReason, Life, Turn
from engine.runtime.mailbox import Answer, PriorityMailbox, Put, Question
from engine.runtime.naming import who

__all__ = ["ActorScope", "Behaviour", "Dispatcher", "ExitReason", "Exited", "Ref"]

log = logging.getLogger("paybell.runtime")

# A look at an Enum's member costs 40 ns, at a name of the module 2 ns; each message
# takes a dozen of them.
_DEAD, _STARTING, _READY, _SUSPENDED, _STOPPED = Life
_IDLE, _SCHEDULED, _RUNNING = Turn


class Exited(msgspec.Struct, frozen=True):
    """The one report that a parent gets of an actor's end."""

    ref: Ref
    incarnation: int
    reason: ExitReason
    error: BaseException | None = None
    message: object = None  # the one it was handling


class Dispatcher(Protocol):
    """Runs the turns of actors that have mail. Real or simulated."""

    def schedule(self, ref: Ref) -> None:
        """Take note that `ref` has something to do. Called at most once until run."""

    def dead_letter(self, ref: Ref, message: object) -> None:
        """A message that nobody will handle: counted, never silent."""


class Behaviour(Protocol):
    """What a ref calls of the actor behind it: `engine.runtime.actor.Actor`."""

    def attach(self, ref: Ref) -> None: ...

    def on_start(self) -> None: ...

    def on_receive(self, message: Any) -> Any: ...

    def on_stop(self) -> None: ...

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class ActorScope(msgspec.Struct):
    """What all actors of one kind share, so that an idle one costs little."""

    dispatcher: Dispatcher
    factory: Callable[[str], Behaviour]
    parent: Ref | None = None
    mailbox_limit: int = 1_000
    blocking: bool = False
    turn_timeout_s: float | None = None
    waits_outside: bool = False  # blocking, and for somebody who is none of ours
    named_as: str = ""  # what its actors' names are, if of something: "payment"


class _Stop:
    """System message: end after the turn's current message."""


class Ref:
    """The address of one actor. See the module docstring."""

    __slots__ = (
        "_actor",
        "_life",
        "_mail",
        "_turn",
        "incarnation",
        "name",
        "next_waiter",
        "scope",
        "shown",
    )

    def __init__(self, scope: ActorScope, name: str) -> None:
        self.scope = scope
        self.name = name
        self.incarnation = 0
        self.next_waiter: Ref | None = None  # the clock's: see CoalescedTimers
        # What the actor shows everybody, while it lives: a value that never changes,
        # put in place of another by the actor alone.
        self.shown: object = None
        self._actor: Behaviour | None = None
        self._mail: PriorityMailbox | None = None
        self._life = _DEAD
        self._turn = _IDLE

    def __repr__(self) -> str:
        return f"<Ref {self.name} #{self.incarnation}>"

    # -- for everybody ---------------------------------------------------------

    def tell(self, message: object) -> bool:
        """Queue a message. False if it was refused: mailbox full, or stopped."""
        if self._life is _STOPPED:
            self.scope.dispatcher.dead_letter(self, message)
            return False
        if self._mail is None:
            self._mail = PriorityMailbox()
        if self._mail.put(message, self.scope.mailbox_limit) is Put.REFUSED:
            self.scope.dispatcher.dead_letter(self, message)
            return False
        self._wake()
        return True

    def tell_system(self, message: object) -> None:
        """Queue a message that overtakes the backlog (deadlines, answers, stop)."""
        if self._life is _STOPPED:
            self.scope.dispatcher.dead_letter(self, message)
            return
        self._mailbox().put_system(message)
        self._wake()

    def stop(self) -> None:
        """Ask the actor to end; its mail becomes dead letters (see `on_dropped`)."""
        if self._life is _DEAD:
            self._life = _STOPPED
            self._drop_mail()
        else:
            self.tell_system(_Stop())

    @property
    def is_alive(self) -> bool:
        return self._life is not _DEAD and self._life is not _STOPPED

    @property
    def is_stopped(self) -> bool:
        return self._life is _STOPPED

    @property
    def is_suspended(self) -> bool:
        return self._life is _SUSPENDED

    @property
    def backlog(self) -> int:
        """How many messages wait."""
        return len(self._mail) if self._mail is not None else 0

    @property
    def actor(self) -> Behaviour | None:
        """The live actor, for inspection by the tree and by tests; never to call."""
        return self._actor

    # -- for the parent --------------------------------------------------------

    def start(self, actor: Behaviour | None = None, first: object = None) -> None:
        """Begin an incarnation: `actor`, or a new one from the scope's factory.

        `first` is put before the waiting mail: the message whose handling crashed.
        """
        if self._life is not _DEAD:
            return
        assert self._actor is None
        self.incarnation += 1
        self._actor = actor
        self._life = _STARTING
        if first is not None:
            self._mailbox().put_back(first)
        self._wake()

    def kill(self, error: BaseException | None = None) -> None:
        """End the actor now, between turns; its mail stays for the next start.

        It gets to run `on_failure` only (with None three times if there is no error),
        to let go of what it holds: a client's wire, its workers, its timers.
        """
        if not self.is_alive:
            return
        if self._life is not _STARTING:
            self._tell_failure(error)
        self._end(ExitReason.KILLED, error, None)

    # -- for the actor itself --------------------------------------------------

    def suspend(self, then: Callable[[Any], None]) -> Callable[[object], None]:
        """Stash all mail until the returned function is called with an answer.

        The first answer is taken, and by the incarnation that asked for it only.
        """
        if self._life is not _READY:
            raise RuntimeError(f"{self!r} is {self._life.value}: it cannot ask")
        self._life = _SUSPENDED
        self._mailbox().question = question = Question(self, then)
        return question

    def take_answer(self, question: Question, value: object) -> None:
        """For the question alone, which is called with it."""
        mail = self._mail
        if mail is None or mail.question is not question or mail.answer is not None:
            return  # it died meanwhile, or has its answer
        mail.answer = Answer(value)
        self._wake()

    # -- for the dispatcher ----------------------------------------------------

    def run_turn(self, budget: int, until: float = math.inf) -> None:
        """Handle up to `budget` messages, and none after `until` (perf_counter).

        Never raises but for KeyboardInterrupt and SystemExit.
        """
        assert self._turn is not _RUNNING, "one turn at a time, in one greenlet"
        self._turn = _RUNNING
        try:
            while budget > 0:
                if self._life is _STARTING:
                    self._start_actor()
                elif not self._handle_next():
                    break
                budget -= 1
                if until is not math.inf and time.perf_counter() >= until:
                    break
        finally:
            self._turn = _IDLE
            self._wake()

    # -- private ---------------------------------------------------------------

    def _mailbox(self) -> PriorityMailbox:
        if self._mail is None:
            self._mail = PriorityMailbox()
        return self._mail

    def _wake(self) -> None:
        if self._turn is not _IDLE:
            return
        life, mail = self._life, self._mail
        if life is _READY:
            has_work = mail is not None and mail.waiting > 0
        elif life is _SUSPENDED:
            has_work = mail is not None and mail.answer is not None
        else:
            has_work = life is _STARTING
        if has_work:
            self._turn = _SCHEDULED
            self.scope.dispatcher.schedule(self)

    def _start_actor(self) -> None:
        self._life = _READY
        incarnation = self.incarnation
        try:
            if self._actor is None:
                self._actor = self.scope.factory(self.name)
            self._actor.attach(self)
            self._actor.on_start()
        except BaseException as error:  # noqa: BLE001 - the border of one actor
            self._fail(incarnation, ExitReason.CRASHED_IN_START, error, None)

    def _handle_next(self) -> bool:
        """Handle one message; False if there is none to handle now."""
        mail, actor = self._mail, self._actor
        if mail is None or actor is None:
            return False
        message: object = None
        incarnation = self.incarnation
        try:
            if self._life is _SUSPENDED:
                if mail.answer is None:
                    return False
                self._continue(mail)
            else:
                message = mail.take()
                if message is None:
                    self._mail = None
                    return False
                if isinstance(message, _Stop):
                    self._stop_actor(actor, incarnation)
                else:
                    actor.on_receive(message)
        except BaseException as error:  # noqa: BLE001 - the border of one actor
            self._fail(incarnation, ExitReason.CRASHED, error, message)
        if self._mail is mail and not mail.waiting and self._life is not _SUSPENDED:
            self._mail = None
        return True

    def _continue(self, mail: PriorityMailbox) -> None:
        answer, question = mail.answer, mail.question
        assert answer is not None
        assert question is not None
        mail.answer = mail.question = None
        self._life = _READY
        question.then(answer.value)

    def _stop_actor(self, actor: Behaviour, incarnation: int) -> None:
        reason, error = ExitReason.STOPPED, None
        try:
            actor.on_stop()
        except BaseException as failure:  # noqa: BLE001 - the border of one actor
            reason, error = ExitReason.CRASHED_IN_STOP, failure
        if incarnation == self.incarnation and self.is_alive:
            self._end(reason, error, None)
        else:  # killed while `on_stop` waited: its end was told then
            log.warning("actor.stopped_late %s error=%r", who(self), error)
            self.stop()  # it was to be the end for good

    def _fail(
        self,
        incarnation: int,
        reason: ExitReason,
        error: BaseException,
        message: object,
    ) -> None:
        """A handler raised. `gevent.Timeout` and `GreenletExit` are BaseExceptions:
        here they end one actor, never the world."""
        if incarnation == self.incarnation and self.is_alive:
            self._end_by(reason, error, message)
        else:  # killed while it waited for the outside world: its end was told then
            log.warning("actor.crashed_late %s error=%r", who(self), error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error

    def _end_by(
        self, reason: ExitReason, error: BaseException, message: object
    ) -> None:
        if isinstance(error, TurnTimeout | gevent.Timeout):
            reason = ExitReason.TIMED_OUT
        elif isinstance(error, gevent.GreenletExit):
            reason = ExitReason.KILLED
        self._tell_failure(error)
        self._end(reason, error, message)

    def _tell_failure(self, error: BaseException | None) -> None:
        if self._actor is None:
            return
        trace = error.__traceback__ if error is not None else None
        try:
            self._actor.on_failure(None if error is None else type(error), error, trace)
        except Exception:
            log.exception("actor.on_failure_crashed %s", who(self))

    def _end(
        self, reason: ExitReason, error: BaseException | None, message: object
    ) -> None:
        assert self.is_alive, "an incarnation ends once"
        self._actor = self.shown = None
        if reason in FOR_GOOD:
            self._life = _STOPPED
            self._drop_mail()
        else:
            self._life = _DEAD
            if self._mail is not None:
                self._mail.answer = self._mail.question = None
        report = Exited(self, self.incarnation, reason, error, message)
        parent = self.scope.parent
        if parent is not None and not parent.is_stopped:
            parent.tell_system(report)
        elif parent is not None:  # all is ending, and what it waited for ended first
            log.debug("actor.ended %s reason=%s", who(self), reason.value)
        elif reason is not ExitReason.STOPPED:
            log.error("actor.orphan_ended %s reason=%s", who(self), reason.value)

    def forget_mail(self) -> None:
        """Its simulated process died. Mail that the collector does not look into
        (`gc=False`) would keep the `Ref` that it names, and by it the whole tree."""
        self._mail = None

    def _drop_mail(self) -> None:
        mail, self._mail = self._mail, None
        while mail is not None and (message := mail.take()) is not None:
            self.scope.dispatcher.dead_letter(self, message)
            if (on_dropped := getattr(message, "on_dropped", None)) is not None:
                on_dropped()  # for those who wait for its answer
