"""A subscription: what is held, what is read again, and never a gap or a repetition."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from actors.live.subscription import FollowStage, JournalSubscription, Subscription
from engine.errors.codes import StreamCode
from engine.payment.events import CommittedEvent, opening
from engine.payment.model import Payment
from engine.ports import Freshness
from tests.unit.payment_cases import terms

LIMIT = 3


class Wire:
    """Takes everything until it is `full`."""

    def __init__(self) -> None:
        self.told: list[int] = []  # offsets
        self.closed: list[tuple[int, str]] = []
        self.full = False

    def has_room(self, again: Callable[[], None]) -> bool:
        return True

    def state(self, payment: Payment, since: int | None) -> bool:
        return True

    def event(self, event: CommittedEvent) -> bool:
        if not self.full:
            self.told.append(event.offset)
        return not self.full

    def freshness(self, freshness: Freshness) -> bool:
        return True

    def problem(self, code: StreamCode, message: str) -> bool:
        return True

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


class Session:
    """Stands in for the session: counts how often it is stopped."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.stopped = 0

    def stop(self) -> None:
        self.stopped += 1

    def follows(self, seq: int) -> Subscription:
        """A payment of which `seq` was told last, and everything."""
        subscription = Subscription(self.wire, self.stop, LIMIT, 1)
        subscription.seq = seq
        subscription.caught_up()
        return subscription

    def catches_up(self, seq: int = 1) -> Subscription:
        subscription = Subscription(self.wire, self.stop, LIMIT, 1)
        subscription.seq = seq
        return subscription


def event(seq: int, offset: int | None = None) -> CommittedEvent:
    made = replace(opening(terms())[0], seq=seq)
    return CommittedEvent(seq if offset is None else offset, made, "default", b"{}")


def test_who_knows_everything_is_told_at_once() -> None:
    session = Session()
    subscription = session.follows(1)
    for seq in (2, 3):
        subscription.on_event(event(seq))
    assert session.wire.told == [2, 3]
    assert (subscription.seq, session.stopped) == (3, 0)


@pytest.mark.parametrize("seq", [1, 4, 5])
def test_what_was_told_already_is_passed_over(seq: int) -> None:
    session = Session()
    subscription = session.follows(5)
    subscription.on_event(event(seq))
    assert (session.wire.told, subscription.seq, session.stopped) == ([], 5, 0)


@pytest.mark.parametrize("seq", [7, 8, 100])
def test_a_gap_is_not_told_but_ends_the_session(seq: int) -> None:
    session = Session()
    subscription = session.follows(5)
    subscription.on_event(event(seq))
    assert session.wire.told == []
    assert [code for code, _ in session.wire.closed] == [1011]
    assert (subscription.stage, session.stopped) == (FollowStage.OVER, 1)
    subscription.on_event(event(6))
    assert session.wire.told == []


def test_a_wire_that_takes_no_more_ends_the_session_once() -> None:
    session = Session()
    subscription = session.follows(1)
    session.wire.full = True
    subscription.on_event(event(2))
    session.wire.full = False
    subscription.on_event(event(3))
    assert (session.wire.told, session.stopped) == ([], 1)


def test_what_happens_while_a_backlog_is_read_is_held_in_order() -> None:
    session = Session()
    subscription = session.catches_up()
    held = [event(seq) for seq in (2, 3)]
    for one in held:
        subscription.on_event(one)
    assert session.wire.told == []
    assert not subscription.must_read_on(more=False)
    assert subscription.take_held() == held
    assert subscription.take_held() == []


def test_as_long_as_the_journal_holds_more_it_is_read() -> None:
    subscription = Session().catches_up()
    assert subscription.must_read_on(more=True)
    assert subscription.stage is FollowStage.CATCHING_UP


def test_no_more_is_held_than_the_limit_and_the_rest_is_read_again() -> None:
    subscription = Session().catches_up()
    for seq in range(2, 2 + LIMIT):
        subscription.on_event(event(seq))
    assert subscription.stage is FollowStage.CATCHING_UP
    for seq in range(2 + LIMIT, 1_000):
        subscription.on_event(event(seq))
        assert subscription.stage.name == "OVERFLOWED"
    assert subscription.must_read_on(more=False)
    assert subscription.stage is FollowStage.CATCHING_UP
    assert subscription.take_held() == []
    assert not subscription.must_read_on(more=False)


def test_what_happens_after_an_overflow_is_held_again_from_the_next_reading_on() -> (
    None
):
    subscription = Session().catches_up()
    for seq in range(2, 3 + LIMIT):
        subscription.on_event(event(seq))
    subscription.must_read_on(more=False)
    last = event(3 + LIMIT)
    subscription.on_event(last)
    assert subscription.take_held() == [last]


def test_what_is_over_holds_nothing_and_tells_nothing() -> None:
    session = Session()
    subscription = session.catches_up()
    subscription.on_event(event(2))
    subscription.end()
    subscription.on_event(event(3))
    assert subscription.take_held() == []
    assert session.wire.told == []


def test_the_journal_is_told_by_offsets_and_has_gaps() -> None:
    session = Session()
    subscription = JournalSubscription(session.wire, session.stop, LIMIT, 10, None, 1)
    subscription.caught_up()
    for offset in (9, 10, 11, 11, 15, 12):
        subscription.on_event(event(1, offset))
    assert session.wire.told == [11, 15]
    assert subscription.tell(event(1, 15)), "it is passed over, and the rest follows"
    assert (subscription.seq, session.wire.closed) == (15, [])


def test_a_back_office_whose_wire_is_full_is_let_go() -> None:
    session = Session()
    subscription = JournalSubscription(session.wire, session.stop, LIMIT, 0, "ann", 1)
    subscription.caught_up()
    session.wire.full = True
    subscription.on_event(event(1))
    assert (subscription.stage, session.stopped) == (FollowStage.OVER, 1)
    assert subscription.merchant == "ann"
