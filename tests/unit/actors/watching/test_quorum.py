"""A payment with a quorum, its watcher, and three explorers of which one may lie."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import Seen
from actors.watching.address import AddressActor
from engine.chain.feed import Output, SourceStatus, Tip
from engine.errors import SourceUnavailable
from engine.payment.events import opening
from engine.payment.model import Payment, Status
from engine.payment.review import LONG_WAIT_S
from engine.runtime.ref import ActorScope, Ref
from engine.store.writes import Entry, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.sources.market import TIP, Explorer, Market
from tests.unit.payment_cases import ADDRESS, terms

PAID = Output("t", 0, 50_000, "b998", 998, None)


class Bank(Explorer):
    """Shows what it is told to; knows its chain by name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.shows: tuple[Output, ...] = (PAID,)
        self.tip = TIP

    def status(self) -> SourceStatus:
        super().status()
        return SourceStatus(self.tip)

    def outputs(self, address: str, script: bytes) -> tuple[Output, ...]:
        super().outputs(address, script)
        return self.shows

    def in_best_chain(self, block_hash: str, height: int | None = None) -> bool | None:
        super().in_best_chain(block_hash, height)
        return False if block_hash in self.off_chain else None


class Desk:
    """A watcher of 50,000 sat that wants two sources above 10,000, and its sources."""

    def __init__(self, stage: ActorStage, *names: str) -> None:
        self.stage = stage
        self.banks = [Bank(name) for name in names]
        self.market = Market(stage, feeds=self.banks)
        stage.node.operators = {bank.name: bank.name for bank in self.banks}
        event, payment = opening(terms(quorum_above_sat=10_000))
        stage.append(Write(entries=(Entry(payment, (event,)),)))
        stage.run()
        actor = AddressActor(stage.node, payment)
        scope = ActorScope(stage.dispatcher, lambda _name: actor, mailbox_limit=100)
        self.watcher = Ref(scope, payment.id)
        self.watcher.start()
        stage.node.source.tell_system(actor.interest(self.watcher))

    @property
    def payment(self) -> Payment:
        return self.stage.payment("pay_1")

    def status(self) -> Status:
        return self.payment.status

    def alerts(self) -> list[tuple[str, str]]:
        return [(a.kind, a.subject) for a in self.stage.node.alerts.standing()]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def test_a_second_source_is_asked_when_the_first_would_confirm(
    stage: ActorStage,
) -> None:
    desk = Desk(stage, "one", "two")
    one, two = desk.banks
    one.shows = (Output("t", 0, 50_000, "b1000", 1_000),)
    stage.pass_s(20)
    assert (desk.payment.confirmations, two.asked) == (1, []), "it is not yet time"
    one.shows = two.shows = (PAID,)
    stage.pass_s(90)
    assert desk.status() is Status.CONFIRMED
    assert two.asked == [ADDRESS]
    assert desk.alerts() == []


def test_as_long_as_the_second_does_not_show_it_as_deep_it_waits(
    stage: ActorStage,
) -> None:
    desk = Desk(stage, "one", "two")
    _one, two = desk.banks
    two.shows = ()
    stage.pass_s(120)
    assert desk.status() is Status.CONFIRMING
    assert len(two.asked) > 2, "it is asked again"
    two.shows = (PAID,)
    stage.pass_s(60)
    assert desk.status() is Status.CONFIRMED


def test_a_second_source_that_is_down_holds_the_payment_and_nothing_else(
    stage: ActorStage,
) -> None:
    desk = Desk(stage, "one", "two")
    _one, two = desk.banks
    two.down = SourceUnavailable("connection refused")
    stage.pass_s(300)
    assert desk.status() is Status.CONFIRMING
    assert two.requests < 30
    stage.pass_s(LONG_WAIT_S)
    assert ("payment.waits", "pay_1") in desk.alerts()
    two.down = None
    stage.pass_s(180)
    assert desk.status() is Status.CONFIRMED
    assert desk.alerts() == []


@pytest.mark.parametrize("liar", [0, 1, 2])
def test_of_three_the_one_that_contradicts_the_others_is_named_and_set_aside(
    stage: ActorStage, liar: int
) -> None:
    desk = Desk(stage, "one", "two", "three")
    lie = Output("t", 0, 50_000, "other", 997)
    for number, bank in enumerate(desk.banks):
        if number == liar:
            bank.shows = (lie,)
        else:
            bank.off_chain = {"other"}
    stage.pass_s(180)
    assert desk.status() is Status.CONFIRMED
    assert [r.block_hash for r in desk.payment.receipts] == ["b998"]
    if liar == 2:
        assert desk.banks[2].asked == [], "two agreed"
        return
    name = desk.banks[liar].name
    assert ("source.contradicts", name) in desk.alerts()
    state = desk.market.state(name)
    assert "contradicts" in (state.reason or "")
    assert stage.published.now.freshness.source != name
    assert stage.published.now.freshness.live


def test_of_two_that_contradict_one_another_nothing_is_confirmed(
    stage: ActorStage,
) -> None:
    desk = Desk(stage, "one", "two")
    one, two = desk.banks
    two.off_chain = {"b998"}
    two.shows = ()
    stage.pass_s(120)
    assert desk.status() is Status.CONFIRMING
    assert [r.block_hash for r in desk.payment.receipts] == ["b998"]
    assert desk.alerts() == [("payment.contradicted", "pay_1")]
    assert "reorged" not in desk.payment.flags
    two.off_chain = set()
    two.shows = one.shows
    stage.pass_s(60)
    assert desk.status() is Status.CONFIRMED
    assert desk.alerts() == []


def test_a_source_that_is_behind_gives_no_second_word(stage: ActorStage) -> None:
    desk = Desk(stage, "one", "two")
    _one, two = desk.banks
    two.tip = Tip(900, "b900")
    stage.pass_s(120)
    assert desk.status() is Status.CONFIRMING
    assert not any(isinstance(m, Seen) for m in stage.supervisor.got)
    two.tip = TIP
    stage.pass_s(60)
    assert desk.status() is Status.CONFIRMED
