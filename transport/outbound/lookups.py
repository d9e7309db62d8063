"""Names to addresses, in shares: one merchant's dead name server is nobody else's wait.

The system's lookup blocks a native thread for as long as it likes (glibc: half a minute
if no name server answers) and cannot be called off. So there are only so many at one
time, and of one merchant's fewer still; merchants have their turns one after the other;
a name is looked up once however many wait for it; and answers are kept for a short
while. Time counts from when the lookup of a name starts, not from when it has to queue:
a full house is not the endpoint's fault.

What is kept is only what a name resolves to. Whether an address may be called is judged
at every use (`pinned`), and what was judged is what is connected to.

Runs in the greenlets of deliveries, in the hub's thread only; each lookup has a
greenlet of its own, which lives as long as the system takes.
"""

import _socket
import functools
import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from transport.outbound.exchange import DeliveryError, FailureKind, reason_of

__all__ = ["FoundAddresses", "Lookups", "Resolver", "system_resolver"]

Resolver = Callable[[str], Sequence[str]]
"""A name to all its addresses, as text. OSError when there are none."""

THREADS = 32
"""Lookups at one time. A thread that waits for a name server costs no CPU."""

SHARE = 4
"""Of these for one merchant: eight with nothing but dead names fill the house. One
channel has one name, so it never has more than one of them."""

DNS_S = 5.0
"""A lookup that takes longer is a failure; libc alone would try for half a minute."""

QUEUE_S = 10.0
"""For a turn. Who waits longer comes again by the schedule of its channel."""

KEPT_S = 30.0
"""An answer. The system does not tell its time to live; shops that move their endpoint
with a short one are found half a minute later, at a retry."""

FAILED_S = 5.0
"""That there was none: sixteen senders of one channel need not all find out."""

MAX_KEPT = 1_024


@dataclass(frozen=True, slots=True)
class FoundAddresses:
    """All addresses of a name, as text, not judged yet."""

    texts: tuple[str, ...]
    took_s: float
    """Since the lookup started, or since it was asked for, whichever is later."""


class _Lookup:
    """One name that is being looked up, or waits for its turn."""

    __slots__ = ("began", "began_s", "done", "failure", "host", "owner", "texts")

    def __init__(self, host: str, owner: str) -> None:
        self.host = host
        self.owner = owner
        self.began, self.done = Event(), Event()
        self.began_s = 0.0  # once it has begun
        self.texts: tuple[str, ...] = ()
        self.failure: str | None = None  # one line

    def answer(self) -> tuple[str, ...]:
        if self.failure is not None:
            raise DeliveryError(FailureKind.DNS, self.failure)
        return self.texts


class Lookups:
    """See the module docstring."""

    def __init__(self, resolver: Resolver | None = None, kept_s: float = KEPT_S):
        """`resolver` blocks its greenlet. `kept_s` 0: nothing is kept."""
        self._resolver = resolver or system_resolver
        self._kept_s = kept_s
        # By host and owner, waiting; by host, under way. Who waits waits in the own
        # queue: another owner's may be full of dead names.
        self._queued: dict[tuple[str, str], _Lookup] = {}
        self._open: dict[str, _Lookup] = {}
        self._waiting: OrderedDict[str, deque[_Lookup]] = OrderedDict()  # by owner
        self._running: Counter[str] = Counter()  # by owner
        self._kept: OrderedDict[str, tuple[float, _Lookup]] = OrderedDict()

    @property
    def running(self) -> int:
        return self._running.total()

    def find(self, host: str, owner: str, most_s: float = math.inf) -> FoundAddresses:
        """The addresses. Raises `DeliveryError`, after `QUEUE_S` and `DNS_S` at most.

        `owner`: in whose share. `most_s`: what the caller has for the lookup and all
        that follows.
        """
        kept = self._kept_answer(host)
        if kept is not None:
            return FoundAddresses(kept.answer(), 0.0)
        lookup = (
            self._open.get(host)
            or self._queued.get((host, owner))
            or self._enter(_Lookup(host, owner))
        )
        if not lookup.began.wait(QUEUE_S):
            detail = f"{host} was not looked up: too many other names are"
            raise DeliveryError(FailureKind.DNS, detail)
        asked_s = max(lookup.began_s, time.monotonic())
        left_s = lookup.began_s + min(DNS_S, most_s) - asked_s
        if left_s <= 0 or not lookup.done.wait(left_s):
            if most_s < DNS_S:
                detail = f"no answer from {host} within {most_s:g} s"
                raise DeliveryError(FailureKind.TIMEOUT, detail)
            detail = f"{host} was not resolved within {DNS_S:g} s"
            raise DeliveryError(FailureKind.DNS, detail)
        return FoundAddresses(lookup.answer(), time.monotonic() - asked_s)

    def forget(self, host: str) -> None:
        """What is kept of it leads nowhere."""
        self._kept.pop(host, None)

    def _enter(self, lookup: _Lookup) -> _Lookup:
        self._queued[lookup.host, lookup.owner] = lookup
        self._waiting.setdefault(lookup.owner, deque()).append(lookup)
        self._start_some()
        return lookup

    def _start_some(self) -> None:
        """First of the owner who has the fewest under way; of such, in turn."""
        while self.running < THREADS and self._waiting:
            owner = min(self._waiting, key=lambda owner: self._running[owner])
            if self._running[owner] >= SHARE:
                return
            queue = self._waiting.pop(owner)
            self._start(queue.popleft())
            if queue:
                self._waiting[owner] = queue  # behind the others

    def _start(self, lookup: _Lookup) -> None:
        del self._queued[lookup.host, lookup.owner]
        self._open[lookup.host] = lookup
        self._running[lookup.owner] += 1
        lookup.began_s = time.monotonic()
        lookup.began.set()
        gevent.spawn(self._run, lookup)

    def _run(self, lookup: _Lookup) -> None:
        host = lookup.host
        try:
            lookup.texts = tuple(dict.fromkeys(self._resolver(host)))
            if not lookup.texts:
                lookup.failure = f"{host} has no address"
        except (OSError, UnicodeError) as e:
            lookup.failure = f"{host} cannot be resolved: {reason_of(e)}"
        finally:  # a bug of the resolver's: nobody waits for ever, and it is printed
            if not lookup.texts and lookup.failure is None:
                lookup.failure = f"{host} cannot be resolved"
            self._running[lookup.owner] -= 1
            if not self._running[lookup.owner]:
                del self._running[lookup.owner]
            if self._open.get(host) is lookup:  # else another owner's began later
                del self._open[host]
            self._keep(lookup)
            lookup.done.set()
            self._start_some()

    def _keep(self, lookup: _Lookup) -> None:
        lasts_s = self._kept_s if lookup.failure is None else FAILED_S
        if not self._kept_s:
            return
        self._kept.pop(lookup.host, None)
        self._kept[lookup.host] = time.monotonic() + lasts_s, lookup
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _kept_answer(self, host: str) -> _Lookup | None:
        until, lookup = self._kept.get(host, (0.0, None))
        if lookup is None or time.monotonic() < until:
            return lookup
        del self._kept[host]
        return None


def system_resolver(host: str) -> list[str]:
    """Ask the system, in native threads of our own.

    gevent's resolver shares ten threads with everybody; a few endpoints whose name
    servers are dead would stop lookups for the chain sources as well.
    """
    found = _threads().apply(_in_thread, (host,))
    if isinstance(found, OSError):
        raise found
    return found


@functools.cache
def _threads() -> ThreadPool:
    return ThreadPool(THREADS)


def _in_thread(host: str) -> list[str] | OSError:
    """In a native thread. The error is a value, or gevent's hub would print it."""
    try:
        infos = _socket.getaddrinfo(host, 0, type=_socket.SOCK_STREAM)
    except OSError as e:
        return e
    return [str(sockaddr[0]) for *_, sockaddr in infos]
