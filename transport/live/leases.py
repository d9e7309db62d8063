"""Live streams that end when what opened them ends: a token's time, an API key.

    lease = leases.until(user.expires_at, end)     `end` is called then, once
    lease = leases.of_key(principal.key_id, end)   ... when that key is revoked
    lease.release()                                the client has gone by itself

One greenlet looks every second, only while there is anything to look at. A key is
looked up every few seconds among those that are known anyway; that the store cannot be
read is no proof that one was revoked. `end` must not wait.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

import gevent

from engine.errors import EngineError
from engine.runtime.timer_buckets import TimerBuckets

__all__ = ["Lease", "Leases"]

log = logging.getLogger("paybell.live")

LOOK_S: Final = 1.0
#: Looks between two at the keys: together with `Auth`'s own memory of them, a stream
#: lives ten seconds longer than its key at most.
LOOKS_PER_KEYS: Final = 5


class Lease:
    """For how long one stream may stay."""

    __slots__ = ("_key_id", "_leases", "end", "expires_at")

    def __init__(
        self, leases: "Leases", end: Callable[[], None], expires_at: int, key_id: str
    ) -> None:
        self._leases = leases
        self._key_id = key_id
        self.end: Callable[[], None] | None = end  # None: released, or has ended
        self.expires_at = expires_at  # ms

    def release(self) -> None:
        if self.end is not None:
            self.end = None
            self._leases.forget(self, self._key_id)


class Leases:
    """One per node."""

    def __init__(
        self,
        now: Callable[[], int],
        is_active: Callable[[str], bool] = lambda _key_id: True,
    ) -> None:
        """`now` in ms. `is_active`: whether a key with this id may still be used; it
        may wait, and raise `EngineError`."""
        self._now = now
        self._is_active = is_active
        self._held = 0
        self._by_time: TimerBuckets[Lease] = TimerBuckets()  # released ones leave later
        self._by_key: dict[str, set[Lease]] = {}
        self._looks = 0
        self._timer: Any = None

    @property
    def held(self) -> int:
        """Streams now."""
        return self._held

    def until(self, expires_at: int, end: Callable[[], None]) -> Lease:
        """`expires_at` in ms."""
        lease = Lease(self, end, expires_at, "")
        self._by_time.add(expires_at, lease)
        return self._hold(lease)

    def of_key(self, key_id: str, end: Callable[[], None]) -> Lease:
        lease = Lease(self, end, 0, key_id)
        self._by_key.setdefault(key_id, set()).add(lease)
        return self._hold(lease)

    def forget(self, lease: Lease, key_id: str) -> None:
        """Called by the lease."""
        self._held -= 1
        assert self._held >= 0, "more leases ended than began"
        if key_id:
            leases = self._by_key[key_id]
            leases.discard(lease)
            if not leases:
                del self._by_key[key_id]
        elif len(self._by_time) > 2 * self._held + 16:
            self._forget_released()
        if not self._held and self._timer is not None:
            timer, self._timer = self._timer, None
            timer.kill(block=False)

    def _forget_released(self) -> None:
        waiting: TimerBuckets[Lease] = TimerBuckets()
        while (tick := self._by_time.next_tick) is not None:
            lease = self._by_time.take(tick)
            if lease is not None and lease.end is not None:
                waiting.add(tick, lease)
        self._by_time = waiting

    def _hold(self, lease: Lease) -> Lease:
        self._held += 1
        if self._timer is None:
            self._timer = gevent.spawn_later(LOOK_S, self._look)
        return lease

    def _look(self) -> None:
        self._timer = None
        now = self._now()
        while (lease := self._by_time.take(now)) is not None:
            _end(lease)
        self._looks += 1
        if self._looks % LOOKS_PER_KEYS == 0:
            self._look_at_keys()
        if self._held and self._timer is None:
            self._timer = gevent.spawn_later(LOOK_S, self._look)

    def _look_at_keys(self) -> None:
        try:
            gone = [key for key in tuple(self._by_key) if not self._is_active(key)]
        except EngineError as error:
            log.warning("live.keys_unread error=%s", error)
            return
        for key_id in gone:
            leases = tuple(self._by_key.get(key_id, ()))
            log.info("live.key_revoked key=%s streams=%d", key_id, len(leases))
            for lease in leases:
                _end(lease)


def _end(lease: Lease) -> None:
    end = lease.end
    if end is not None:
        lease.release()
        end()
