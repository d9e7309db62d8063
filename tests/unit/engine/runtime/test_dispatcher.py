"""The real dispatcher: fair, bounded, and never holding the hub for long."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import gevent
import pytest
from gevent.event import Event

from engine.runtime.actor import Actor
from engine.runtime.dispatcher import (
    SLICE_S,
    SLOW_TURN_S,
    SOCKETS_EVERY_S,
    TURN_MESSAGES,
    GeventDispatcher,
)
from engine.runtime.ref import ActorScope, Exited, ExitReason, Ref
from engine.runtime.yielding import yield_to_hub
from tests.tools.wait import wait_until


def wait_for(condition: Callable[[], bool]) -> None:
    wait_until(condition, 5, "the actors to get there")


@pytest.fixture
def dispatcher() -> Iterator[GeventDispatcher]:
    running = GeventDispatcher(pool_size=2)
    running.start()
    yield running
    running.stop()


class Doing(Actor):
    """Does with each message what it is told to."""

    def __init__(self, do: Callable[[object], object]) -> None:
        self._do = do

    def on_receive(self, message: object) -> None:
        self._do(message)


def started(
    dispatcher: GeventDispatcher,
    name: str,
    do: Callable[[object], object],
    *,
    blocking: bool = False,
    limit_s: float | None = None,
    parent: Ref | None = None,
    outside: bool = False,
) -> Ref:
    scope = ActorScope(
        dispatcher=dispatcher,
        factory=lambda _name: Doing(do),
        parent=parent,
        mailbox_limit=100_000,
        blocking=blocking,
        turn_timeout_s=limit_s,
        waits_outside=outside,
    )
    ref = Ref(scope, name)
    ref.start()
    return ref


def test_two_busy_actors_take_turns(dispatcher: GeventDispatcher) -> None:
    order: list[str] = []
    one = started(dispatcher, "one", lambda _m: order.append("one"))
    two = started(dispatcher, "two", lambda _m: order.append("two"))
    for number in range(500):
        one.tell(number)
        two.tell(number)
    wait_for(lambda: len(order) == 1_000)
    longest = run = 1
    for before, after in pairwise(order):
        run = run + 1 if before == after else 1
        longest = max(longest, run)
    assert longest <= 64


def test_a_flood_of_mail_lets_others_run(dispatcher: GeventDispatcher) -> None:
    handled: list[object] = []
    beats: list[int] = []

    def beat() -> None:
        while len(handled) < 100_000:
            beats.append(len(handled))
            gevent.sleep(0)

    busy = started(dispatcher, "busy", handled.append)
    heart = gevent.spawn(beat)
    for number in range(100_000):
        busy.tell(number)
    wait_for(lambda: len(handled) == 100_000)
    heart.join(timeout=60)
    assert handled == list(range(100_000))
    assert len(beats) > 5


def test_an_actor_that_feeds_itself_does_not_starve_another(
    dispatcher: GeventDispatcher,
) -> None:
    heard = Event()

    def again(message: object) -> None:
        ref.tell(message)

    ref = started(dispatcher, "loop", again)
    ref.tell("again")
    other = started(dispatcher, "other", lambda _m: heard.set())
    other.tell("hello")
    assert heard.wait(timeout=60)
    ref.stop()


def test_a_blocking_actor_handles_one_message_at_a_time(
    dispatcher: GeventDispatcher,
) -> None:
    gate, inside, most = Event(), [0], [0]
    done: list[object] = []

    def work(message: object) -> None:
        inside[0] += 1
        most[0] = max(most)
        most.append(inside[0])
        gate.wait()
        inside[0] -= 1
        done.append(message)

    ref = started(dispatcher, "worker", work, blocking=True)
    ref.tell(1)
    wait_for(lambda: inside[0] == 1)
    ref.tell(2)
    ref.tell(3)
    gevent.sleep(0)
    gevent.sleep(0)
    gate.set()
    wait_for(lambda: len(done) == 3)
    assert done == [1, 2, 3]
    assert max(most) == 1


def test_blocking_turns_are_bounded_by_the_pool_and_all_get_their_turn(
    dispatcher: GeventDispatcher,
) -> None:
    gate, inside, most, done = Event(), [0], [0], []

    def work(message: object) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        gate.wait()
        inside[0] -= 1
        done.append(message)

    for number in range(7):
        started(dispatcher, f"w{number}", work, blocking=True).tell(number)
    wait_for(lambda: inside[0] == 2)
    gate.set()
    wait_for(lambda: len(done) == 7)
    assert most[0] == 2
    assert dispatcher.turns >= 7


def test_however_many_wait_for_somebody_outside_the_store_can_be_read() -> None:
    dispatcher = GeventDispatcher(pool_size=16)
    dispatcher.start()
    gate, hanging, read = Event(), [0], Event()

    def hang(_message: object) -> None:
        hanging[0] += 1
        gate.wait()

    for number in range(40):
        name = f"sender {number}"
        started(dispatcher, name, hang, blocking=True, outside=True).tell(1)
    wait_for(lambda: hanging[0] == 14)
    started(dispatcher, "reader", lambda _m: read.set(), blocking=True).tell(1)
    assert read.wait(timeout=60)
    assert hanging[0] == 14, "two places are kept free"
    gate.set()
    wait_for(lambda: hanging[0] == 40)
    dispatcher.stop()


def test_a_place_in_the_pool_that_falls_free_is_given_on_at_once() -> None:
    dispatcher = GeventDispatcher(pool_size=1)
    dispatcher.start()
    done: list[object] = []
    for number in range(4):
        started(dispatcher, f"w{number}", done.append, blocking=True).tell(number)
    wait_for(lambda: len(done) == 4)
    dispatcher.stop()


def test_blocking_actors_do_not_hold_up_ordinary_ones(
    dispatcher: GeventDispatcher,
) -> None:
    gate, heard = Event(), Event()
    for number in range(3):
        name = f"w{number}"
        started(dispatcher, name, lambda _m: gate.wait(), blocking=True).tell(1)
    started(dispatcher, "quick", lambda _m: heard.set()).tell(1)
    assert heard.wait(timeout=60)
    gate.set()


def test_a_turn_over_its_time_ends_its_actor_and_frees_its_place(
    dispatcher: GeventDispatcher,
) -> None:
    reports: list[object] = []
    parent = started(dispatcher, "parent", reports.append)
    never = Event()
    hangs = started(
        dispatcher,
        "hangs",
        lambda _m: never.wait(),
        blocking=True,
        limit_s=0.02,
        parent=parent,
    )
    hangs.tell("wait for ever")
    wait_for(lambda: len(reports) == 1)
    report = reports[0]
    assert isinstance(report, Exited)
    assert (report.reason, report.message) == (ExitReason.TIMED_OUT, "wait for ever")
    done: list[object] = []
    for number in range(3):
        name = f"w{number}"
        started(dispatcher, name, done.append, blocking=True).tell(number)
    wait_for(lambda: len(done) == 3)


def test_a_killed_blocking_actor_starts_again_only_when_its_turn_is_over(
    dispatcher: GeventDispatcher,
) -> None:
    """Its greenlet cannot be taken back from the outside world it waits for."""
    reports: list[object] = []
    parent = started(dispatcher, "parent", reports.append)
    gate, log = Event(), []

    def work(message: object) -> None:
        log.append(f"{message} begins")
        if message == "first":
            gate.wait()
            log.append("first ends")
            raise ValueError("of an incarnation that is dead already")

    ref = started(dispatcher, "worker", work, blocking=True, parent=parent)
    ref.tell("first")
    wait_for(lambda: log == ["first begins"])
    ref.kill()
    ref.start()
    ref.tell("second")
    wait_for(lambda: len(reports) == 1)
    assert log == ["first begins"]
    gate.set()
    wait_for(lambda: "second begins" in log)
    assert log == ["first begins", "first ends", "second begins"]
    assert [getattr(report, "reason", None) for report in reports] == [
        ExitReason.KILLED
    ]
    assert ref.is_alive


def test_stopping_ends_blocking_turns_that_do_not_end_by_themselves() -> None:
    dispatcher = GeventDispatcher(pool_size=2)
    dispatcher.start()
    never, inside = Event(), Event()

    def hang(_message: object) -> None:
        inside.set()
        never.wait()

    started(dispatcher, "hangs", hang, blocking=True).tell(1)
    assert inside.wait(timeout=60)
    dispatcher.stop(timeout_s=0.01)
    assert dispatcher._pool.free_count() == 2


def test_a_turn_ends_with_the_message_in_which_its_time_is_over(
    dispatcher: GeventDispatcher,
) -> None:
    """A thousand payments are made in one message; 32 of these are no turn."""
    order: list[object] = []

    def long_work(number: object) -> None:
        order.append(number)
        until = time.perf_counter() + 2 * SLICE_S
        while time.perf_counter() < until:
            pass

    busy = started(dispatcher, "busy", long_work)
    other = started(dispatcher, "other", order.append)
    for number in range(4):
        busy.tell(number)
        other.tell("other")
    wait_for(lambda: len(order) == 8)
    assert order.index("other") <= 2


def test_sockets_are_looked_at_after_each_message_that_takes_long(
    dispatcher: GeventDispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four slices of one long message each were 50 ms at a start of 20,000."""
    story: list[object] = []
    look = yield_to_hub

    def looked() -> None:
        story.append("sockets")
        look()

    monkeypatch.setattr("engine.runtime.dispatcher.yield_to_hub", looked)

    def long_work(number: object) -> None:
        story.append(number)
        until = time.perf_counter() + SOCKETS_EVERY_S
        while time.perf_counter() < until:
            pass

    busy = started(dispatcher, "busy", long_work)
    for number in range(3):
        busy.tell(number)
    wait_for(lambda: len(story) == 6)
    assert story == [0, "sockets", 1, "sockets", 2, "sockets"]


def test_its_numbers_keep_others_from_waiting() -> None:
    """The benches were taken with these: what they stand for is in bench/RESULTS.md."""
    assert (TURN_MESSAGES, SLICE_S, SOCKETS_EVERY_S) == (32, 0.003, 0.010)
    assert SLOW_TURN_S == 0.05
    assert GeventDispatcher()._pool.size == 256


def test_blocking_turns_are_given_a_second_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dispatcher, waits = GeventDispatcher(), list[float | None]()

    def waited(timeout: float | None) -> None:
        waits.append(timeout)

    monkeypatch.setattr(dispatcher._pool, "join", waited)
    monkeypatch.setattr(dispatcher._pool, "kill", waited)
    dispatcher.stop()
    assert waits == [1.0, 1.0]


def test_a_slow_turn_is_counted_and_told(
    dispatcher: GeventDispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(_message: object) -> None:
        until = time.perf_counter() + SLOW_TURN_S
        while time.perf_counter() <= until:
            pass

    started(dispatcher, "slow", slow).tell(1)
    wait_for(lambda: dispatcher.slow_turns >= 1)
    assert "slow.turn actor=slow" in caplog.text


def test_a_dispatcher_that_was_stopped_may_be_started_again() -> None:
    dispatcher, got = GeventDispatcher(), list[object]()
    dispatcher.start()
    dispatcher.stop()
    started(dispatcher, "later", got.append).tell(1)
    gevent.idle()
    assert got == []
    dispatcher.start()
    wait_for(lambda: got == [1])
    dispatcher.stop()
