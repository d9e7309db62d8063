"""Notifications of gateways out of a Redis stream, each into the journal once.

Other programs (a site's own backend, another node's edge) put them in by XADD; a
consumer group remembers who has read what. An entry is acknowledged (XACK) only when
what it says is committed, so a crash repeats it and the journal knows it: `take` tells
a repetition from news. What Redis loses before we read it (it does not promise that
what it acknowledged is on its disk) was never ours; a webhook that comes to us by HTTP
is answered on the journal's word and never passes here.

An entry that can never be taken goes to `<stream>:dead`, with the reason, and is
acknowledged: it holds up no other. One that may be taken later (its invoice is not
known yet) stays with the group and is tried again for a while; so does what a consumer
had read that is gone, and one that the node cannot take for the sake of its payment
alone. When the journal cannot be written, nothing is read.

One greenlet. It is started and stopped by `run.py`.
"""

import logging
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from gevent.event import Event

from engine.errors.codes import Code
from engine.policy.waits import jittered
from transport.http.problems import problem_of
from transport.inbound.redis_entries import (
    EntryUnreadable,
    Notification,
    notification_of,
)
from transport.inbound.redis_held import Held, HeldWatch
from transport.inbound.redis_state import StreamNames, StreamState
from transport.outbound.exchange import DeliveryError, FailureKind
from transport.outbound.redis_words import Command, TooLarge, code_of, said

if TYPE_CHECKING:  # who has one makes it
    from transport.outbound.redis_link import RedisLink

__all__ = ["HeldWatch", "RedisStreamReader", "StreamNames", "StreamState"]

log = logging.getLogger("paybell.redis")

COUNT = 32
"""Entries in one reading: 4 MB of the largest, half of what a link takes."""

BLOCK_MS = 1_000
TIMEOUT_S = 10.0

IDLE_MS = 30_000
"""An entry that somebody has had for so long and not acknowledged is taken over."""

SWEEP_S = 15.0
LATER_S = 600.0
"""An entry that may be taken later is tried for so long, however often that is: each
reading anew raises Redis' count of deliveries, a full disk every few seconds."""

DEAD_LENGTH = 1_000
DEAD_BYTES = 4_096
"""Of each field of a dead entry."""

FIRST_REST_S, LONGEST_REST_S = 0.5, 30.0

ALERT = "redis.unreachable"
ALERT_AFTER = 3
"""Failures in a row."""

_TOO_LARGE = ("more than a link takes",)  # instead of such an entry's fields
_LATER = frozenset({Code.PAYMENT_NOT_FOUND, Code.INTERNAL_ERROR})


class _Wait(Exception):
    """The node as a whole cannot take anything now."""

    def __init__(self, wait_s: float, reason: str) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _Again(Exception):
    """What was read and could not be taken in is read one by one."""


class _GroupGone(Exception):
    """Somebody took the stream away (FLUSHALL, DEL), and the group with it."""


class RedisStreamReader:
    """See the module docstring."""

    def __init__(
        self,
        link: "RedisLink",
        names: StreamNames,
        take: Callable[[Notification], str],
        watch: HeldWatch,
        random: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`take` commits what a notification says and returns "accepted", "noted" or
        "duplicate"; it raises `Problem` or an `EngineError`. `clock`: in s; it is
        never set back, as that of `watch` may be."""
        self._link = link
        self._names = names
        self._take = take
        self._watch = watch
        self._random = random or Random()  # spreads retries; hides nothing
        self._state = StreamState(
            url=link.url.shown,
            stream=names.stream,
            group=names.group,
            consumer=names.consumer,
            state="unreachable",
            since=watch.now(),
            reason="it was not asked yet",
        )
        self._failures = 0  # in a row
        self._count = COUNT
        self._held = Held(watch, clock)  # by the node
        self._unknown = Held(watch, clock)  # what they speak of, or why it fails
        self._clock = clock
        self._sweep_at = 0.0
        self._is_swept = False  # the last sweep came to its end
        self._ending = Event()
        self._greenlet: gevent.Greenlet[..., None] | None = None

    @property
    def state(self) -> StreamState:
        return self._state

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._run)

    def stop(self, timeout_s: float) -> None:
        """What is being taken is finished; then nothing more is read."""
        self._ending.set()
        if self._greenlet is not None:
            self._greenlet.join(timeout_s)
            self._greenlet.kill(timeout=timeout_s)
        self._link.close()

    # -- the loop ----------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._session()
            except _Again:
                continue
            except _GroupGone:
                self._watch.count("redis_in.groups_lost")
            except DeliveryError as error:
                self._failed(f"{error.kind}: {error.detail}")
            except _Wait as wait:
                self._sweep_at = 0.0
                self._become("waiting", str(wait))
                self._ending.wait(wait.wait_s)
                self._unknown.anew()
            except Exception:
                log.exception("redis.crashed stream=%s", self._names.stream)
                self._watch.count("redis_in.crashes")
                self._failed("crashed: the reason is in the log")

    def _session(self) -> None:
        """As long as all goes well. First what this consumer had read before."""
        refused = self._make_group()
        if not self._failures and self._state.state == "unreachable":
            self._become("reading", None)
        try:
            self._go_round()
        except _GroupGone:
            if refused is None:
                raise
            raise _failure(self._link, refused) from None

    def _go_round(self) -> None:
        after = "0"
        while after and not self._ending.is_set():
            own = self._read(after)
            self._handle(own)
            after = own[-1][0].decode() if own else ""
        while not self._ending.is_set():
            if self._clock() >= self._sweep_at:
                self._sweep()
            self._handle(self._read(">"))
            if self._is_swept:
                self._is_well()

    def _make_group(self) -> Exception | None:
        """With all that is in the stream still to be read; MKSTREAM: there need be no
        stream yet. Returns why it was refused: a full Redis refuses it even if the
        group is there, and can be read nevertheless."""
        names = self._names
        create = "XGROUP", "CREATE", names.stream, names.group, "0", "MKSTREAM"
        (answer,) = self._ask(create, refused_is_failure=False)
        if isinstance(answer, Exception) and "BUSYGROUP" not in str(answer):
            return answer
        return None

    def _ask(
        self,
        *commands: Command,
        timeout_s: float = TIMEOUT_S,
        refused_is_failure: bool = True,
    ) -> list[Any]:
        answers = self._link.ask(commands, timeout_s)
        for answer in answers:
            if refused_is_failure and isinstance(answer, Exception):
                # UNBLOCKED: it went while we waited for news of it.
                if code_of(answer) == "NOGROUP" or "UNBLOCKED" in str(answer):
                    raise _GroupGone
                raise _failure(self._link, answer)
        return answers

    def _read(self, after: str) -> list[tuple[bytes, Any]]:
        names = self._names
        block = ("BLOCK", BLOCK_MS) if after == ">" else ()
        command: Command = (
            *("XREADGROUP", "GROUP", names.group, names.consumer),
            *("COUNT", self._count, *block, "STREAMS", names.stream, after),
        )
        try:
            (answer,) = self._ask(command, timeout_s=TIMEOUT_S + BLOCK_MS / 1000)
        except TooLarge:
            if self._count == 1 and after != ">":
                return self._too_large_after(after)
            self._count = 1
            raise _Again from None
        if after == ">":
            self._count = COUNT
        found = answer[0][1] if answer else []
        return [(name, flat) for name, flat in found]

    # -- entries -----------------------------------------------------------------------

    def _handle(self, found: Sequence[tuple[bytes, Any]]) -> None:
        """Take them in their order; acknowledge those that are done."""
        done: list[bytes] = []
        try:
            for name, flat in found:
                if flat is None or self._is_done(name, flat):
                    done.append(name)
        finally:
            if done:
                self._held.done(done)
                self._unknown.done(done)
                names = self._names
                self._ask(("XACK", names.stream, names.group, *done))

    def _is_done(self, name: bytes, flat: Sequence[Any]) -> bool:
        """False: it is tried again later. Raises `_Wait`."""
        if flat is _TOO_LARGE:
            return self._put_aside(name, (), "it is too large to be read")
        try:
            status = self._take(notification_of(name, flat))
        except EntryUnreadable as error:
            return self._put_aside(name, flat, str(error))
        except Exception as error:
            problem = problem_of(error)
            if problem.code is Code.INTERNAL_ERROR:
                log.exception("redis.entry_crashed stream=%s id=%s", self._names.stream,
                              name.decode("ascii", "replace"))  # fmt: skip
            if problem.status >= 500 and problem.code is not Code.INTERNAL_ERROR:
                why = self._watch.trouble()
                if why is None:  # it is this entry's payment alone
                    self._held.stuck(name, problem.detail)
                    self._unknown.done([name])
                    return False
                retry_s = float(problem.headers.get("Retry-After", 2))
                raise _Wait(min(retry_s, LONGEST_REST_S), why) from error
            is_limited = problem.code is Code.RATE_LIMITED  # so many in a minute
            if is_limited or (
                problem.code in _LATER and self._unknown.again(name) < LATER_S
            ):
                self._watch.count("redis_in.later")
                return False
            return self._put_aside(name, flat, f"{problem.code}: {problem.detail}")
        self._note(status, name)
        return True

    def _note(self, status: str, name: bytes) -> None:
        state = self._state
        is_duplicate = status == "duplicate"
        self._watch.count("redis_in.duplicates" if is_duplicate else "redis_in.taken")
        self._state = msgspec.structs.replace(
            state,
            taken=state.taken + (not is_duplicate),
            duplicates=state.duplicates + is_duplicate,
            last_id=name.decode("ascii", "replace"),
        )

    def _put_aside(self, name: bytes, flat: Sequence[Any], reason: str) -> bool:
        """Into the stream of the dead, of which the newest are kept. False: Redis
        refuses that (it is full, say), and the entry stays where it is."""
        log.warning("redis.entry_refused stream=%s id=%s reason=%s", self._names.stream,
                    name.decode("ascii", "replace"), reason)  # fmt: skip
        head = [part[:DEAD_BYTES] for part in flat[:40] if isinstance(part, bytes)]
        fields = "deadId", name, "deadReason", reason.encode()[:DEAD_BYTES]
        trim = "MAXLEN", "~", DEAD_LENGTH
        add: Command = ("XADD", self._names.dead, *trim, "*", *fields, *head)
        (answer,) = self._link.ask([add], TIMEOUT_S)
        if isinstance(answer, Exception):
            why = f"it cannot be put aside: {_failure(self._link, answer).detail}"
            log.warning("redis.not_put_aside stream=%s id=%s detail=%s",
                        self._names.stream, name.decode("ascii", "replace"),
                        why)  # fmt: skip
            self._held.stuck(name, why)
            return False
        self._watch.count("redis_in.dead")
        self._state = msgspec.structs.replace(self._state, dead=self._state.dead + 1)
        return True

    def _too_large_after(self, after: str) -> list[tuple[bytes, Any]]:
        """One entry alone is more than a link takes: nobody will ever read it here."""
        names = self._names
        pending = "XPENDING", names.stream, names.group, f"({after}", "+", 1
        (found,) = self._ask((*pending, names.consumer))
        if not found:
            raise _Again
        return [(found[0][0], _TOO_LARGE)]

    def _sweep(self) -> None:
        """What was read and not acknowledged for a while, by whomever."""
        self._sweep_at = self._clock() + SWEEP_S
        self._is_swept = False
        self._held.forget_old()
        self._unknown.forget_old()
        names = self._names
        pending, groups = self._ask(
            ("XPENDING", names.stream, names.group, "IDLE", IDLE_MS, "-", "+", COUNT),
            ("XINFO", "GROUPS", names.stream),
        )
        self._note_group(groups)
        if len(pending) == COUNT:
            self._sweep_at = 0.0  # there is more: after the next reading
        for name, *_ in pending:
            claim = "XCLAIM", names.stream, names.group, names.consumer, IDLE_MS, name
            try:
                (found,) = self._ask(claim)
            except TooLarge:
                found = [(name, _TOO_LARGE)]
            claimed = [(entry[0], entry[1]) for entry in found if entry]
            self._handle(claimed)
        self._is_swept = True

    def _note_group(self, groups: Sequence[Any]) -> None:
        for flat in groups:
            group = dict(zip(flat[::2], flat[1::2], strict=True))
            if group.get(b"name") == self._names.group.encode():
                self._state = msgspec.structs.replace(
                    self._state, pending=group.get(b"pending"), lag=group.get(b"lag")
                )

    # -- what the node sees ------------------------------------------------------------

    def _failed(self, reason: str) -> None:
        self._failures += 1
        self._link.close()
        self._watch.count("redis_in.failures")
        self._become("unreachable", reason)
        if self._failures >= ALERT_AFTER:
            self._watch.alert(ALERT, "redis", reason)
        wait_s = min(FIRST_REST_S * 2 ** min(self._failures, 10), LONGEST_REST_S)
        self._ending.wait(jittered(wait_s, self._random.random()))

    def _is_well(self) -> None:
        if self._failures or self._state.state != "reading":
            self._failures = 0
            self._become("reading", None)
            self._watch.clear(ALERT, "redis")

    def _become(self, state: str, reason: str | None) -> None:
        if state != self._state.state:
            log.log(
                logging.INFO if state == "reading" else logging.WARNING,
                "redis.%s stream=%s reason=%s", state, self._names.stream, reason,
            )  # fmt: skip
            now = self._watch.now()
            self._state = msgspec.structs.replace(self._state, state=state, since=now)
        self._state = msgspec.structs.replace(self._state, reason=reason)


def _failure(link: "RedisLink", refused: Exception) -> DeliveryError:
    detail = f"{link.url.shown} answered {said(refused)}"
    return DeliveryError(FailureKind.PROTOCOL, detail)
