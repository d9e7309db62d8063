"""What goes wrong outside of the process: sources, endpoints, disks, clocks, people.

Each trouble begins something, and mostly ends it some time later. `Faults` says when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tests.simulation.behind import BEHIND
from tests.simulation.endpoint import ENDPOINT_MODES

if TYPE_CHECKING:
    from tests.simulation.faults import Faults
    from tests.simulation.feeds import SimSource

__all__ = ["TROUBLES"]

_MINUTE = 60_000
_HOUR = 60 * _MINUTE

DISK_MS = ((100, 5_000), (5_000, 300_000), (60_000, 900_000))
"""How long a disk refuses: the journal tries again each second, which costs time here
and shows nothing new after a while."""

DISK_MS = ((100, 5_000), (5_000, 300_000), (60_000, 900_000))
"""How long a disk refuses: the journal tries again each second, which costs time here
and shows nothing new after a while."""


def _source_trouble(faults: Faults) -> None:
    """For some time; or for some calls, in the middle of what is being read."""
    source = faults.random.choice(faults.world.sources)
    mode = faults.random.choice(source.modes)
    faults.world.fault(f"source {mode}", source.name)
    if faults.random.random() < 0.5:
        source.plan_mode(
            mode, faults.random.randrange(4), faults.random.choice((1, 1, 3, 20))
        )
        return
    faults.for_a_while(
        lambda: source.set_mode(mode),
        lambda: source.set_mode("ok"),
    )


def _long_behind(faults: Faults) -> None:
    """For hours: deadlines come and go meanwhile."""
    source = faults.random.choice(faults.world.sources)
    faults.world.fault("source long behind", source.name)
    _put_behind(faults, [source], faults.random.randrange(10 * _MINUTE, 10 * _HOUR))


def _all_behind(faults: Faults) -> None:
    """So that nobody is a witness."""
    faults.world.fault("all sources behind")
    longest = faults.random.choice((_HOUR, 8 * _HOUR))
    _put_behind(faults, faults.world.sources, faults.random.randrange(_MINUTE, longest))


def _mempool_lost(faults: Faults) -> None:
    """A node starts again and keeps none, or says that it has read it all back."""
    source = faults.random.choice(faults.world.sources)
    faults.world.fault("source mempool lost", source.name)
    faults.for_a_while(
        lambda: source.set_mode("amnesia"), lambda: source.set_mode("ok")
    )


def _power_failure(faults: Faults) -> None:
    """Paybell and its nodes start again together, and blocks are rolled back."""
    faults.world.fault("power failure")
    down_ms = faults.random.choice((10, 60_000, 20 * _MINUTE))
    longest = faults.random.choice((5 * _MINUTE, 90 * _MINUTE))
    wait_ms = down_ms + faults.random.randrange(1_000, longest)
    _put_behind(faults, faults.world.sources, wait_ms)
    faults.world.end_process("power failure", down_ms)


def _put_behind(faults: Faults, sources: Sequence[SimSource], ms: int) -> None:
    for source in sources:
        source.set_mode(faults.random.choice(sorted(BEHIND.intersection(source.modes))))
        faults.world.in_life(ms, partial(source.set_mode, "ok"))


def _sources_contradict(faults: Faults) -> None:
    """Each tells something else, and now the one is asked, now the other."""
    if len(faults.world.sources) < 2:
        return
    faults.world.fault("sources contradict")
    modes = faults.random.sample(("lag", "back", "fork", "amnesia", "behind"), 2)
    one, other = faults.world.sources
    for _ in range(4):
        source, mode = faults.random.choice(((one, modes[0]), (other, modes[1])))
        down = other if source is one else one

        def change(source=source, mode=mode, down=down) -> None:  # type: ignore[no-untyped-def]
            source.set_mode(mode)
            down.set_mode("down")

        faults.world.in_life(faults.random.randrange(1, 90 * _MINUTE), change)

    def agree() -> None:
        one.set_mode("ok")
        other.set_mode("ok")

    faults.world.in_life(90 * _MINUTE, agree)


def _endpoint_trouble(faults: Faults) -> None:
    endpoints = faults.world.channels.endpoints.by_channel
    name = faults.random.choice(sorted(endpoints))
    mode = faults.random.choice(ENDPOINT_MODES)
    faults.world.fault(f"endpoint {mode}", name)

    def set_mode(to: str) -> None:
        endpoints[name].mode = to

    faults.for_a_while(lambda: set_mode(mode), lambda: set_mode("ok"))


def _endpoint_gone(faults: Faults) -> None:
    """It answers 410, which disables the channel; some time later it is mended."""
    channels = faults.world.channels
    name = faults.random.choice(sorted(channels.endpoints.by_channel))
    channels.endpoints.by_channel[name].gone_next = True
    faults.world.fault("endpoint gone", name)
    faults.world.in_life(
        faults.random.randrange(_MINUTE, 300 * _MINUTE),
        lambda: channels.enable_again(name),
    )


def _channel_changed(faults: Faults) -> None:
    what = faults.world.channels.change()
    faults.world.fault(f"channel {what}")


def _redelivery(faults: Faults) -> None:
    faults.world.fault("redelivery asked for")
    faults.world.channels.redeliver()


def _disk_full(faults: Faults) -> None:
    store = faults.world.store
    faults.world.fault("disk full")
    faults.for_a_while(
        lambda: store.set_full(True), lambda: store.set_full(False), DISK_MS
    )


def _disk_error(faults: Faults) -> None:
    store = faults.world.store
    faults.world.fault("disk error")

    def refuse(now: bool) -> None:
        store.refusing = now

    faults.for_a_while(lambda: refuse(True), lambda: refuse(False), DISK_MS)


def _disk_error_at_commit(faults: Faults) -> None:
    """Just when there is something to write."""
    faults.world.fault("disk error at commit")
    faults.world.store.refusals = faults.random.choice((1, 1, 2, 5))


def _disk_slow(faults: Faults) -> None:
    store = faults.world.store
    faults.world.fault("disk slow")

    def be_slow(now: bool) -> None:
        store.slow = now

    faults.for_a_while(lambda: be_slow(True), lambda: be_slow(False))


def _reads_fail(faults: Faults) -> None:
    store = faults.world.store
    faults.world.fault("reads fail")

    def fail(share: float) -> None:
        store.reads_fail = share

    fail(faults.random.choice((0.05, 0.5)))
    wait_ms = faults.random.randrange(100, 3 * _MINUTE)
    faults.world.in_life(wait_ms, lambda: fail(0.0))


def _clock_jump(faults: Faults) -> None:
    minutes = faults.random.choice((1, 20, 90, 240)) * faults.random.choice((1, -1))
    if abs(faults.jumped_ms + minutes * _MINUTE) > 360 * _MINUTE:
        minutes = -minutes
    way = "forward" if minutes > 0 else "back"
    faults.world.fault(f"clock jump {way}", f"{minutes} min")
    faults.jumped_ms += minutes * _MINUTE
    faults.world.clock.jump_wall(minutes * _MINUTE)


def _clock_set(faults: Faults) -> None:
    """The clock is set right again."""
    if faults.jumped_ms:
        faults.world.fault("clock set right")
    faults.world.clock.jump_wall(-faults.jumped_ms)
    faults.jumped_ms = 0


def _stopped(faults: Faults) -> None:
    """Nobody gets a turn for a while (a suspended machine); then all is due at once."""
    faults.world.fault("process stopped")
    faults.world.stop_for(faults.random.choice((5_000, 120_000, 40 * _MINUTE)))


def _clients_drop(faults: Faults) -> None:
    client = faults.random.choice(faults.world.clients)
    if client.wire is not None and faults.random.random() < 0.3:
        faults.world.fault("client too slow", client.name)
        client.wire.slow = True
    else:
        faults.world.fault("client drop", client.name)
        client.hang_up()


def _unfollow(faults: Faults) -> None:
    client = faults.random.choice(faults.world.clients)
    if client.wanted:
        faults.world.fault("client unfollows")
        payment_id = faults.random.choice(client.wanted)
        client.unfollow(payment_id)
        if faults.random.random() < 0.7:
            client.follow(payment_id)


TROUBLES: dict[str, Callable[[Faults], None]] = {
    "source trouble": _source_trouble,
    "sources contradict": _sources_contradict,
    "long behind": _long_behind,
    "all behind": _all_behind,
    "mempool lost": _mempool_lost,
    "power failure": _power_failure,
    "endpoint trouble": _endpoint_trouble,
    "endpoint gone": _endpoint_gone,
    "channel changed": _channel_changed,
    "redelivery": _redelivery,
    "disk full": _disk_full,
    "disk error": _disk_error,
    "disk error at commit": _disk_error_at_commit,
    "disk slow": _disk_slow,
    "reads fail": _reads_fail,
    "clock jump": _clock_jump,
    "clock set": _clock_set,
    "process stopped": _stopped,
    "clients drop": _clients_drop,
    "unfollow": _unfollow,
}
