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
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import gevent
import msgspec
import pykka
from gevent.event import AsyncResult

from engine.runtime.mailbox import Mailbox, Put

if TYPE_CHECKING:
    from engine.runtime.actor import Actor

__all__ = [
    "Dispatcher",
    "ExitReason",
    "Exited",
    "MailboxFull",
    "Ref",
    "Scope",
    "TurnTimeout",
    "ask",
]

log = logging.getLogger("paybell.runtime")

T = TypeVar("T")

_SCHEDULED = 1  # the dispatcher will run it
_SUSPENDED = 2  # waits for one answer; other mail is stashed
_DEAD = 4  # no actor behind the ref: crashed or stopped
_STARTING = 8  # on_start has not run yet
_STOPPED = 16  # dead for good: mail is refused
_RUNNING = 32  # in a turn; a blocking actor stays in one while others run


class ExitReason(Enum):
    """Why an actor ended."""

    STOPPED = "stopped"
    CRASHED_IN_START = "crashed in start"
    CRASHED = "crashed in a handler"
    CRASHED_IN_STOP = "crashed in stop"
    KILLED = "killed"
    TIMED_OUT = "timed out"


class TurnTimeout(Exception):
    """A blocking actor's handler took longer than its class allows."""


class MailboxFull(Exception):
    """The actor's mailbox is at its limit; the edge answers 503 with Retry-After."""


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


class Scope(msgspec.Struct):
    """What all actors of one kind share, so that an idle one costs little."""

    dispatcher: Dispatcher
    factory: Callable[[str], Actor]
    parent: Ref | None = None
    mailbox_limit: int = 1_000
    blocking: bool = False
    turn_timeout_s: float | None = None


class _Stop:
    """System message: end after the turn's current message."""


class _Resume(msgspec.Struct, frozen=True):
    value: object


class Ref:
    """The address of one actor. See the module docstring."""

    __slots__ = (
        "_actor",
        "_flags",
        "_mail",
        "_then",
        "incarnation",
        "name",
        "next_waiter",
        "scope",
    )

    def __init__(self, scope: Scope, name: str) -> None:
        self.scope = scope
        self.name = name
        self.incarnation = 0
        self.next_waiter: Ref | None = None  # who waits for the same chime; the clock's
        self._actor: Actor | None = None
        self._mail: Mailbox | None = None
        self._then: Callable[[object], None] | None = None
        self._flags = _DEAD

    def __repr__(self) -> str:
        return f"<Ref {self.name} #{self.incarnation}>"

    # -- for everybody ---------------------------------------------------------

    def tell(self, message: object) -> bool:
        """Queue a message. False if it was refused: mailbox full, or stopped."""
        if self._flags & _STOPPED:
            self.scope.dispatcher.dead_letter(self, message)
            return False
        if self._mail is None:
            self._mail = Mailbox()
        if self._mail.put(message, self.scope.mailbox_limit) is Put.REFUSED:
            self.scope.dispatcher.dead_letter(self, message)
            return False
        self._wake()
        return True

    def tell_system(self, message: object) -> None:
        """Queue a message that overtakes the backlog (deadlines, answers, stop)."""
        if self._flags & _STOPPED:
            self.scope.dispatcher.dead_letter(self, message)
            return
        if self._mail is None:
            self._mail = Mailbox()
        self._mail.put_system(message)
        self._wake()

    def stop(self) -> None:
        """Ask the actor to end; what is in its mailbox becomes dead letters."""
        if self._flags & _DEAD:
            self._flags |= _STOPPED
            self._drop_mail()
        else:
            self.tell_system(_Stop())

    @property
    def is_alive(self) -> bool:
        return not self._flags & (_DEAD | _STOPPED)

    @property
    def is_stopped(self) -> bool:
        return bool(self._flags & _STOPPED)

    @property
    def is_suspended(self) -> bool:
        return bool(self._flags & _SUSPENDED)

    @property
    def backlog(self) -> int:
        """How many messages wait."""
        return len(self._mail) if self._mail is not None else 0

    @property
    def actor(self) -> Actor | None:
        """The live actor, for inspection by the tree and by tests; never to call."""
        return self._actor

    # -- for the parent --------------------------------------------------------

    def start(self, actor: Actor | None = None, first: object = None) -> None:
        """Begin an incarnation: `actor`, or a new one from the scope's factory.

        `first` is put before the waiting mail: the message whose handling crashed.
        """
        if self._flags & _STOPPED or not self._flags & _DEAD:
            return
        self.incarnation += 1
        self._then = None
        self._actor = actor
        self._flags = (self._flags & (_SCHEDULED | _RUNNING)) | _STARTING
        if first is not None:
            if self._mail is None:
                self._mail = Mailbox()
            self._mail.put_back(first)
        self._wake()

    def kill(self, error: BaseException | None = None) -> None:
        """End the actor now, between turns; its mail stays for the next start.

        It gets to run `on_failure` only (with None three times if there is no error),
        to let go of what it holds: a client's wire, its workers, its timers.
        """
        if not self._flags & _DEAD:
            if not self._flags & _STARTING:
                self._tell_failure(error)
            self._end(ExitReason.KILLED, error, None)

    # -- for the actor itself --------------------------------------------------

    def suspend(self, then: Callable[[object], None]) -> Callable[[object], None]:
        """Stash all mail until the returned function is called with an answer."""
        if self._flags & _SUSPENDED:
            raise RuntimeError(f"{self!r} is suspended already")
        self._flags |= _SUSPENDED
        self._then = then
        incarnation = self.incarnation

        def resume(value: object) -> None:
            if self.incarnation == incarnation and self._flags & _SUSPENDED:
                if self._mail is None:
                    self._mail = Mailbox()
                self._mail.resume = _Resume(value)
                self._wake()

        return resume

    # -- for the dispatcher ----------------------------------------------------

    def run_turn(self, budget: int, until: float = math.inf) -> None:
        """Handle up to `budget` messages, and none after `until` (perf_counter).

        Never raises but for KeyboardInterrupt.
        """
        self._flags = (self._flags & ~_SCHEDULED) | _RUNNING
        try:
            while budget > 0 and not self._flags & _DEAD:
                if self._flags & _STARTING:
                    self._start_actor()
                elif not self._handle_next():
                    break
                budget -= 1
                if until is not math.inf and time.perf_counter() >= until:
                    break
        finally:
            self._flags &= ~_RUNNING
            self._wake()

    # -- private ---------------------------------------------------------------

    def _wake(self) -> None:
        busy = _SCHEDULED | _RUNNING | _DEAD  # one turn at a time, in one greenlet
        if not self._flags & busy and self._has_work():
            self._flags |= _SCHEDULED
            self.scope.dispatcher.schedule(self)

    def _has_work(self) -> bool:
        if self._flags & _DEAD:
            return False
        if self._flags & _STARTING:
            return True
        mail = self._mail
        if mail is None:
            return False
        return mail.resume is not None if self._flags & _SUSPENDED else len(mail) > 0

    def _start_actor(self) -> None:
        self._flags &= ~_STARTING
        incarnation = self.incarnation
        try:
            if self._actor is None:
                self._actor = self.scope.factory(self.name)
            self._actor.attach(self)
            self._actor.on_start()
        except BaseException as error:  # noqa: BLE001 - the border of one actor
            self._fail(incarnation, ExitReason.CRASHED_IN_START, error, None)

    def _handle_next(self) -> bool:
        mail, actor = self._mail, self._actor
        if mail is None or actor is None:
            return False
        message: object = None
        incarnation = self.incarnation
        try:
            if self._flags & _SUSPENDED:
                if mail.resume is None:
                    return False
                answer, mail.resume = mail.resume, None
                self._continue(answer)
            else:
                message = mail.take()
                if message is None:
                    self._mail = None
                    return False
                if isinstance(message, _Stop):
                    self._stop_actor(actor)
                else:
                    actor.on_receive(message)
        except BaseException as error:  # noqa: BLE001 - the border of one actor
            self._fail(incarnation, ExitReason.CRASHED, error, message)
        if self._mail is mail and not len(mail) and mail.resume is None:
            self._mail = None
        return True

    def _continue(self, answer: object) -> None:
        assert isinstance(answer, _Resume)
        then, self._then = self._then, None
        self._flags &= ~_SUSPENDED
        if then is not None:
            then(answer.value)

    def _stop_actor(self, actor: Actor) -> None:
        reason, error = ExitReason.STOPPED, None
        try:
            actor.on_stop()
        except BaseException as failure:  # noqa: BLE001 - the border of one actor
            reason, error = ExitReason.CRASHED_IN_STOP, failure
        self._flags |= _STOPPED
        self._drop_mail()
        self._end(reason, error, None)

    def _fail(
        self,
        incarnation: int,
        reason: ExitReason,
        error: BaseException,
        message: object,
    ) -> None:
        """A handler raised. `gevent.Timeout` and `GreenletExit` are BaseExceptions:
        here they end one actor, never the world."""
        if incarnation == self.incarnation and not self._flags & _DEAD:
            self._end_by(reason, error, message)
        else:  # killed while it waited for the outside world: its end was told then
            log.warning("late.crash actor=%s error=%r", self.name, error)
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
            log.exception("on_failure crashed actor=%s", self.name)

    def _end(
        self, reason: ExitReason, error: BaseException | None, message: object
    ) -> None:
        self._flags = (self._flags | _DEAD) & ~(_SUSPENDED | _STARTING)
        self._actor = None
        self._then = None
        if self._mail is not None:
            self._mail.resume = None
        report = Exited(self, self.incarnation, reason, error, message)
        parent = self.scope.parent
        if parent is not None and not parent.is_stopped:
            parent.tell_system(report)
        elif parent is not None:  # all is ending, and what it waited for ended first
            log.debug("ended last actor=%s reason=%s", self.name, reason.value)
        elif reason is not ExitReason.STOPPED:
            log.error("orphan ended actor=%s reason=%s", self.name, reason.value)

    def _drop_mail(self) -> None:
        mail, self._mail = self._mail, None
        while mail is not None and (message := mail.take()) is not None:
            self.scope.dispatcher.dead_letter(self, message)


def ask(
    ref: Ref, build: Callable[[Callable[[T], None]], object], timeout_s: float
) -> T:
    """Send `build(reply)` and wait for the reply. Only for edges, never for actors.

    Raises `MailboxFull` at once if the actor takes no more mail, and
    `pykka.Timeout` when no reply came within `timeout_s` seconds.
    """
    # A third of what pykka's future costs, whose lock every thread may take.
    reply: AsyncResult[Any] = AsyncResult()
    if not ref.tell(build(reply.set)):
        raise MailboxFull(ref.name)
    reply.wait(timeout=timeout_s)
    if not reply.ready():
        raise pykka.Timeout(f"{ref.name} did not answer within {timeout_s:g} s")
    return cast("T", reply.get())
