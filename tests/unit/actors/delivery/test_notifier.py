"""Notifiers: in order per payment, each channel by itself, and never forgetting."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.delivery.notifier import NotifierActor
from actors.delivery.notifiers import NotifiersActor
from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.channel import Channel, channel_row
from engine.payment.model import EventType
from engine.runtime.ref import Ref, Scope
from engine.secrets.vault import Vault
from engine.store.writes import RemoveChannel, Requeue, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import T0, mined, view

VAULT = Vault(b"k" * 32)
SECRET = b"a secret of the shop"


class _Event(msgspec.Struct):
    payment_id: str
    seq: int
    id: str


class _Body(msgspec.Struct):
    type: str
    data: _Event


class Shop:
    """The sender's port: every endpoint answers as the test says."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, int]] = []  # host, payment, seq
        self.ids: list[str] = []
        self.bodies: list[bytes] = []
        self.answer: Callable[[str, str, int], AttemptOutcome] = lambda *_: (
            AttemptOutcome.DELIVERED
        )
        self.retry_after_s: float | None = None

    def send(
        self,
        url: str,
        secrets: tuple[bytes, ...],
        msg_id: str,
        body: bytes,
        now_s: int,
        timeout_s: float,
    ) -> SendResult:
        assert secrets == (SECRET,)
        assert T0 // 1000 <= now_s < T0 // 1000 + 1_000_000, "seconds"
        assert timeout_s == 15.0
        event = msgspec.json.decode(body, type=_Body).data
        assert msg_id == event.id
        host = url.removeprefix("https://")
        self.sent.append((host, event.payment_id, event.seq))
        self.ids.append(msg_id)
        self.bodies.append(body)
        outcome = self.answer(host, event.payment_id, event.seq)
        good = outcome is AttemptOutcome.DELIVERED
        retry_after_s = (
            self.retry_after_s if outcome is AttemptOutcome.THROTTLED else None
        )
        error = None if good else "500"
        return SendResult(outcome, 200 if good else 500, error, retry_after_s, 3.0)

    def to(self, host: str, payment: str | None = None) -> list[tuple[str, int]]:
        return [(p, s) for h, p, s in self.sent if h == host and payment in {None, p}]


class Street:
    """The stage with notifiers, and channels to shops."""

    def __init__(self, stage: ActorStage) -> None:
        self.stage = stage
        self.shop = Shop()
        scope = Scope(
            stage.dispatcher,
            lambda _name: NotifiersActor(stage.node, VAULT, self.shop),
            mailbox_limit=10_000,
        )
        self.ref = Ref(scope, "notifiers")
        stage.node.notifiers = self.ref
        self.ref.start()
        stage.run()

    def channel(self, name: str, **changes: object) -> Channel:
        base: dict[str, object] = {
            "id": name,
            "url": f"https://{name}",
            "secret": VAULT.seal(SECRET, name),
            "created_at": T0,
            "schedule_s": (0.0, 5.0, 60.0),
        }
        channel = Channel(**(base | changes))  # type: ignore[arg-type]
        self.change(Write(rows=(channel_row(channel),)))
        return channel

    def change(self, write: Write) -> None:
        """Nobody but the journal tells the notifiers: who asked may be gone by then."""
        self.stage.append(write)
        self.stage.run()

    def grow(self, payment: str, times: int = 1) -> None:
        """At least one event more for each time."""
        for _ in range(times):
            seq = self.stage.payment(payment).seq
            self.stage.observe(payment, view(mined(f"n{seq}", 1000, 1)))
            self.stage.run()

    def story(self, payment: str) -> list[tuple[str, int]]:
        last = self.stage.payment(payment).seq
        return [(payment, seq) for seq in range(1, last + 1)]

    def state(self, name: str) -> Channel:
        for record in self.stage.store.channels():
            if record.id == name:
                return msgspec.json.decode(record.state, type=Channel)
        raise KeyError(name)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    stage = ActorStage(tmp_path)
    yield Street(stage)
    stage.close()


def test_every_event_reaches_the_shop_in_order_and_once(street: Street) -> None:
    street.channel("ann")
    for name in ("p", "q"):
        street.stage.create(name)
        street.grow(name, 3)
    for name in ("p", "q"):
        assert street.shop.to("ann", name) == street.story(name)


def test_a_channel_gets_only_what_it_asked_for(street: Street) -> None:
    street.channel("ann", merchant="ann")
    street.channel("deep", types=(EventType.CONFIRMING,))
    street.stage.create("p", merchant="bob")
    street.grow("p")
    assert street.shop.to("ann") == []
    kinds = [msgspec.json.decode(b, type=_Body).type for b in street.shop.bodies]
    assert set(kinds) == {"payment.confirming"}


def test_what_fails_is_tried_again_before_anything_later(street: Street) -> None:
    street.channel("ann")
    answers = [AttemptOutcome.DELIVERED, AttemptOutcome.RETRY, AttemptOutcome.RETRY]
    street.shop.answer = lambda _h, _p, seq: (
        answers.pop() if seq == 1 else AttemptOutcome.DELIVERED
    )
    street.stage.create("p")
    street.grow("p", 2)
    assert street.shop.to("ann") == [("p", 1)]
    street.stage.pass_s(120)
    assert street.shop.to("ann")[:3] == [("p", 1)] * 3
    assert street.shop.to("ann")[2:] == street.story("p")
    assert len(set(street.shop.ids[:3])) == 1
    assert len(set(street.shop.bodies[:3])) == 1
    log = street.stage.store.attempts("ann", None, 100)
    assert [a.attempt for a in log if a.seq == 1] == [3, 2, 1]


def test_a_payment_that_cannot_be_delivered_delays_no_other(street: Street) -> None:
    street.channel("ann")
    street.shop.answer = lambda _h, payment, _s: (
        AttemptOutcome.RETRY if payment == "p" else AttemptOutcome.DELIVERED
    )
    for name in ("p", "q"):
        street.stage.create(name)
        street.grow(name, 2)
    assert street.shop.to("ann", "p") == [("p", 1)]
    assert street.shop.to("ann", "q") == street.story("q")


def test_a_dead_endpoint_delays_no_other_channel(street: Street) -> None:
    street.channel("dead")
    street.channel("ann")
    street.shop.answer = lambda host, *_: (
        AttemptOutcome.RETRY if host == "dead" else AttemptOutcome.DELIVERED
    )
    for number in range(30):
        street.stage.create(f"p{number}")
    assert len(street.shop.to("ann")) == 30
    assert len(street.shop.to("dead")) < 30


def test_when_the_schedule_is_used_up_the_next_event_has_its_turn(
    street: Street,
) -> None:
    street.channel("ann")
    street.shop.answer = lambda _h, _p, seq: (
        AttemptOutcome.RETRY if seq == 1 else AttemptOutcome.DELIVERED
    )
    street.stage.create("p")
    street.grow("p")
    street.stage.pass_s(300)
    assert street.shop.to("ann") == [("p", 1)] * 3 + street.story("p")[1:]
    assert street.stage.store.outbox_counts()["dead"] == 1


def test_dead_letters_are_delivered_again_on_demand(street: Street) -> None:
    street.channel("ann")
    street.shop.answer = lambda *_: AttemptOutcome.RETRY
    street.stage.create("p")
    street.stage.pass_s(300)
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.shop.sent.clear()
    now = street.stage.clock.now()
    street.change(Write(rows=(Requeue(payment_id="p", at=now),)))
    street.stage.pass_s(400)
    assert street.shop.to("ann") == street.story("p")


def test_what_was_delivered_can_be_delivered_again_in_order(street: Street) -> None:
    street.channel("ann")
    street.stage.create("p")
    street.grow("p", 2)
    street.shop.sent.clear()
    now = street.stage.clock.now()
    street.change(Write(rows=(Requeue(channel_id="ann", at=now),)))
    street.stage.pass_s(1)
    assert street.shop.to("ann") == street.story("p")


def test_an_endpoint_that_is_gone_disables_its_channel(street: Street) -> None:
    street.channel("ann")
    street.shop.answer = lambda *_: AttemptOutcome.GONE
    street.stage.create("p")
    street.stage.create("q")
    street.stage.pass_s(600)
    ann = street.state("ann")
    assert not ann.enabled
    assert ann.disabled_reason == "the endpoint answered 410 Gone"
    before = len(street.shop.sent)
    street.grow("p")
    street.stage.pass_s(600)
    assert len(street.shop.sent) == before <= 2


def test_a_channel_that_was_gone_comes_back_though_its_end_crashed(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = street.channel("ann")
    street.shop.answer = lambda *_: AttemptOutcome.GONE

    def crash(_self: NotifierActor) -> None:
        raise RuntimeError("in stop")

    monkeypatch.setattr(NotifierActor, "on_stop", crash)
    street.stage.create("p")
    street.stage.pass_s(60)
    assert not street.state("ann").enabled
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.change(Write(rows=(channel_row(ann),)))
    street.stage.create("q")
    street.stage.pass_s(60)
    assert street.shop.to("ann", "q") == [("q", 1)]


def test_an_endpoint_that_asks_for_a_pause_gets_it(street: Street) -> None:
    street.channel("ann")
    street.shop.answer = lambda *_: AttemptOutcome.THROTTLED
    street.shop.retry_after_s = 120.0
    street.stage.create("p")
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.stage.create("q")
    street.stage.pass_s(90)
    assert street.shop.to("ann") == [("p", 1)]
    street.stage.pass_s(90)
    assert sorted(street.shop.to("ann")) == [("p", 1), ("p", 1), ("q", 1)]


def test_an_endpoint_that_has_too_much_and_names_no_time_rests_as_a_failing_one(
    street: Street,
) -> None:
    street.channel("ann", schedule_s=(0.0, *[1.0] * 200))
    street.shop.answer = lambda *_: AttemptOutcome.THROTTLED
    for number in range(20):
        street.stage.create(f"p{number}")
    street.stage.pass_s(4)
    assert len(street.shop.sent) == 10
    assert street.stage.node.counters["notifiers.crashes"] == 0
    assert street.stage.node.counters["webhook.throttled"] == 10


def test_an_endpoint_that_keeps_failing_is_left_to_rest(street: Street) -> None:
    street.channel("ann", schedule_s=(0.0, *[1.0] * 200))
    street.shop.answer = lambda *_: AttemptOutcome.RETRY
    for number in range(20):
        street.stage.create(f"p{number}")
    street.stage.pass_s(100)
    assert len(street.shop.sent) < 60
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.stage.pass_s(900)
    counts = street.stage.store.outbox_counts()
    assert counts == {"delivered": 20}


def test_a_restart_resumes_from_the_outbox(street: Street) -> None:
    street.channel("ann")
    street.shop.answer = lambda *_: AttemptOutcome.RETRY
    street.stage.create("p")
    street.grow("p", 2)
    street.ref.kill()
    street.stage.clock.forget_timers()
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.shop.sent.clear()
    street.ref.start()
    street.grow("p")
    street.stage.pass_s(60)
    assert street.shop.to("ann") == street.story("p")


def test_a_changed_channel_is_used_from_then_on(street: Street) -> None:
    street.channel("ann")
    street.stage.create("p")
    street.channel("ann", url="https://new")
    street.grow("p")
    assert street.shop.to("ann") == [("p", 1)]
    assert street.shop.to("new") == street.story("p")[1:]
    street.change(Write(rows=(RemoveChannel("ann"),)))
    before = len(street.shop.sent)
    street.grow("p")
    assert len(street.shop.sent) == before


def test_a_sender_that_raises_costs_a_pause_and_no_event(street: Street) -> None:
    street.channel("ann")

    def bug(_host: str, _payment: str, _seq: int) -> AttemptOutcome:
        raise KeyError("a bug in the sender")

    street.shop.answer = bug
    street.stage.create("p")
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.grow("p")
    street.stage.pass_s(60)
    assert street.shop.to("ann") == [("p", 1), *street.story("p")]


def test_an_attempt_whose_outcome_could_not_be_written_is_written_later(
    street: Street,
) -> None:
    street.channel("ann")
    sql = street.stage.journal.connection

    def fill_the_disk(*_: object) -> AttemptOutcome:
        sql.execute("PRAGMA query_only = ON")
        return AttemptOutcome.DELIVERED

    street.shop.answer = fill_the_disk
    street.stage.create("p")
    street.stage.pass_s(2)
    assert street.shop.to("ann") == [("p", 1)]
    sql.execute("PRAGMA query_only = OFF")
    street.stage.pass_s(30)
    assert street.shop.to("ann") == [("p", 1)]
    assert street.stage.store.outbox_counts() == {"delivered": 1}


def test_a_channel_sealed_under_another_key_harms_nobody(street: Street) -> None:
    foreign = Vault(b"x" * 32).seal(SECRET, "eve")
    street.channel("eve", secret=foreign)
    street.channel("ann")
    street.stage.create("p")
    street.stage.pass_s(60)
    counters = street.stage.node.counters
    assert (counters["channels.sealed"] > 0, counters["notifiers.crashes"]) == (True, 0)
    assert street.shop.to("ann") == street.story("p")
    assert street.stage.store.outbox_counts()["pending"] == 1


@pytest.fixture
def reads(street: Street, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is asked of the database from now on."""
    asked: list[object] = []
    read = street.stage.node.read

    def count(ask: Callable[[Any], Any], reply: Callable[[Any], None]) -> None:
        asked.append(ask)
        read(ask, reply)

    street.channel("ann")
    monkeypatch.setattr(street.stage.node, "read", count)
    return asked


def test_an_event_is_sent_as_it_was_committed_and_nothing_is_read(
    street: Street, reads: list[object]
) -> None:
    for name in ("p", "q"):
        street.stage.create(name)
    assert sorted(street.shop.to("ann")) == [("p", 1), ("q", 1)]
    assert reads == []


def test_two_events_of_one_commit_are_sent_and_nothing_is_read(
    street: Street, reads: list[object]
) -> None:
    street.stage.create("p")
    street.stage.observe("p", view(mined("t", 1000)))
    street.stage.run()
    assert street.shop.to("ann") == street.story("p")
    assert len(street.story("p")) == 3
    assert reads == []


def test_what_came_while_one_was_under_way_is_read_once_for_each(
    street: Street, reads: list[object]
) -> None:
    street.shop.answer = lambda *_: AttemptOutcome.RETRY
    street.stage.create("p")
    street.grow("p", 3)
    street.shop.answer = lambda *_: AttemptOutcome.DELIVERED
    street.stage.pass_s(30)
    assert len(set(street.shop.to("ann"))) == len(street.story("p"))
    assert len(reads) == len(street.story("p"))
