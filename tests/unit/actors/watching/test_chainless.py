"""What the actors of payments without a chain share, one by itself on a stage."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.messages import (
    Command,
    Deadline,
    DescribeWatcher,
    LookUpInvoice,
    Retired,
    ReviewDue,
    WatcherReport,
)
from actors.watching.chainless import ChainlessActor
from actors.watching.external import ExternalActor
from actors.watching.invoice import InvoiceActor, look_up
from engine.errors import Refused
from engine.payment.model import EXTERNAL, Payment, Status, external_key
from engine.payment.observations import (
    Cancel,
    ConfirmByHand,
    GatewayMeaning,
    GatewayWord,
)
from engine.runtime.ref import Ref
from engine.store.writes import Conflict, InboundWebhook, Unavailable, Write
from tests.unit.actor_stage import ActorStage, Inbox
from tests.unit.payment_cases import (
    EXPIRY,
    HOUR_MS,
    INVOICE_HASH,
    T0,
    alone,
    gone,
    invoice,
    lightning_terms,
    settled,
)

SUCCESS = GatewayWord(
    gateway="stripe", word=GatewayMeaning("SUCCESS"), amount_minor=1_000, currency="EUR"
)


@pytest.fixture
def stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[ActorStage]:
    caplog.set_level(logging.INFO, "paybell.payment")
    stage = ActorStage(tmp_path)
    yield stage
    stage.close()


def card(stage: ActorStage) -> Payment:
    return stage.create(
        "p",
        merchant="cafe",
        address=external_key("cafe", "stripe", "INV"),
        method=EXTERNAL,
        asset="EUR",
        decimals=2,
        gateway="stripe",
        amount_sat=None,
        amount_minor=1_000,
        external_id="INV",
        monitor_until=T0 + 3 * HOUR_MS,
    )


class Watched:
    """A payment by card and who waits for it; the test plays the supervisor."""

    def __init__(self, stage: ActorStage, deadline: int | None = None) -> None:
        self.stage = stage
        payment = card(stage)
        self.ref: Ref = stage.start("p", ExternalActor(stage.node, payment, deadline))
        stage.run()

    def obey(self, observation: Any, beside: Any = None) -> Any:
        answers: list[Any] = []
        self.ref.tell(Command(observation, answers.append, beside))
        self.stage.run()
        (answer,) = answers
        return answer

    def review(self) -> None:
        self.ref.tell_system(ReviewDue())
        self.stage.run()

    def deadlines(self) -> list[int]:
        return [m.at for m in self.stage.supervisor.got if isinstance(m, Deadline)]

    def disk_is_full(self, yes: bool) -> None:
        self.stage.journal.connection.execute(f"PRAGMA query_only = {yes}")


def test_it_asks_for_its_deadline_unless_that_is_known(stage: ActorStage) -> None:
    assert Watched(stage).deadlines() == [EXPIRY]


def test_a_deadline_that_is_known_is_not_asked_for_again(stage: ActorStage) -> None:
    watched = Watched(stage, EXPIRY)
    assert watched.deadlines() == []
    assert ChainlessActor.mailbox_limit == 100


def test_it_shows_its_payment_as_it_is_committed(stage: ActorStage) -> None:
    watched = Watched(stage)
    assert watched.ref.shown == stage.payment("p")
    after = watched.obey(SUCCESS)
    assert after.status is Status.CONFIRMED
    assert watched.ref.shown == after == stage.payment("p")
    assert stage.node.counters["payments.confirmed"] == 1
    reports: list[WatcherReport] = []
    watched.ref.tell(DescribeWatcher(reports.append))
    stage.run()
    assert reports == [WatcherReport(after, None, None, None)]


def test_one_that_starts_without_a_payment_reads_it(stage: ActorStage) -> None:
    payment = card(stage)
    ref = stage.start("p", ExternalActor(stage.node))
    stage.run()
    assert ref.shown == payment
    assert Deadline("p", EXPIRY) in stage.supervisor.got


@pytest.mark.parametrize("answer", [None, RuntimeError("what is this"), "no payment"])
def test_one_that_cannot_be_read_is_a_crash(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    def read(_ask: object, reply: Callable[[Any], None]) -> None:
        reply(answer)

    card(stage)
    monkeypatch.setattr(stage.node, "read_written", read)
    ref = stage.start("p", ExternalActor(stage.node))
    stage.run()
    assert not ref.is_alive
    assert ref.shown is None


def test_a_word_that_changes_nothing_is_answered_without_a_commit(
    stage: ActorStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(stage)
    first = watched.obey(SUCCESS)
    written: list[Write] = []
    append = stage.node.append

    def noted(write: Write, reply: Any) -> None:
        written.append(write)
        append(write, reply)

    monkeypatch.setattr(stage.node, "append", noted)
    assert watched.obey(SUCCESS) == first
    assert written == []
    row = InboundWebhook("stripe", "evt", T0, "p", "taken", b"{}")
    assert watched.obey(SUCCESS, row) == first
    assert [write.rows for write in written] == [(row,)]
    assert [write.entries for write in written] == [()]
    heard = watched.obey(SUCCESS, row)
    assert isinstance(heard, Conflict)
    assert heard.what not in {"seq", "other"}
    assert watched.ref.is_alive


def test_a_refusal_is_answered_and_changes_nothing(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.obey(SUCCESS)
    assert isinstance(watched.obey(Cancel("api")), Refused)
    assert stage.payment("p").status is Status.CONFIRMED


def test_a_deadline_is_judged_by_time_alone_and_the_next_one_asked_for(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    stage.pass_s(HOUR_MS / 1000 - 1)
    watched.review()
    assert stage.payment("p").status is Status.PENDING
    assert watched.deadlines() == [EXPIRY, EXPIRY], "it came too soon: asked for again"
    stage.pass_s(1)
    watched.review()
    assert stage.payment("p").status is Status.EXPIRED
    assert watched.deadlines()[2:] == [T0 + 3 * HOUR_MS]
    stage.pass_s(2 * HOUR_MS / 1000)
    watched.review()
    assert watched.ref.is_stopped
    assert any(isinstance(m, Retired) for m in stage.supervisor.got)
    assert stage.store.watched() == []


def test_the_same_deadline_is_told_once(stage: ActorStage) -> None:
    watched = Watched(stage)
    pending = replace(SUCCESS, word=GatewayMeaning("PENDING"), amount_minor=None)
    for number in range(3):
        row = InboundWebhook("stripe", f"evt{number}", T0, "p", "taken", b"{}")
        watched.obey(pending, row)
    assert watched.deadlines() == [EXPIRY, T0 + 3 * HOUR_MS]


def test_a_deadline_whose_commit_failed_is_looked_at_in_five_seconds(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    stage.pass_s(HOUR_MS / 1000)
    watched.disk_is_full(True)
    watched.review()
    assert watched.deadlines()[1:] == [stage.clock.now() + 5_000]
    watched.disk_is_full(False)
    stage.pass_s(30)
    watched.review()
    assert stage.payment("p").status is Status.EXPIRED


def test_a_command_whose_commit_failed_leaves_the_deadline_as_it_is(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.disk_is_full(True)
    assert isinstance(watched.obey(ConfirmByHand("api")), Unavailable)
    watched.disk_is_full(False)
    assert watched.deadlines() == [EXPIRY]
    assert watched.ref.shown == stage.payment("p")


def test_a_release_whose_commit_failed_is_tried_in_five_seconds(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.obey(SUCCESS)
    stage.pass_s(3 * HOUR_MS / 1000)
    watched.disk_is_full(True)
    watched.review()
    assert not watched.ref.is_stopped
    assert watched.deadlines()[-1] == stage.clock.now() + 5_000
    watched.disk_is_full(False)
    stage.pass_s(30)
    watched.review()
    assert watched.ref.is_stopped


def test_a_write_that_can_never_succeed_is_answered_and_a_crash(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    poison = InboundWebhook("stripe", "evt", 1 << 70, "p", "taken", b"{}")
    answer = watched.obey(SUCCESS, poison)
    assert isinstance(answer, Conflict)
    assert not watched.ref.is_alive


# -- of a Lightning invoice ------------------------------------------------------------


class Account:
    """Where invoices are looked up."""

    def __init__(self, stage: ActorStage, name: str = "shop") -> None:
        self.inbox = Inbox()
        self.ref = stage.start(f"upstream {name}", self.inbox)
        stage.node.upstreams[name] = self  # type: ignore[assignment]

    def asked(self) -> list[LookUpInvoice]:
        return [m for m in self.inbox.got if isinstance(m, LookUpInvoice)]


class Waiting:
    """A payment that Lightning alone can pay, and who waits for it."""

    def __init__(self, stage: ActorStage) -> None:
        self.stage, self.account = stage, Account(stage)
        agreed = lightning_terms(id="p", merchant="ann")
        fields = {
            name: getattr(agreed, name)
            for name in ("method", "confirmations_required", "lightning")
        }
        payment = stage.create("p", "ann", agreed.address, **fields)
        self.ref = stage.start("p", InvoiceActor(stage.node, payment))
        stage.run()

    def review(self) -> None:
        self.ref.tell_system(ReviewDue())
        self.stage.run()

    def waits(self) -> list[float]:
        """The deadlines that it asked for, in s from now."""
        now = self.stage.clock.now()
        got = self.stage.supervisor.got
        return [(m.at - now) / 1000 for m in got if isinstance(m, Deadline)]

    def doubt(self) -> str | None:
        reports: list[WatcherReport] = []
        self.ref.tell(DescribeWatcher(reports.append))
        self.stage.run()
        return reports[0].last_error

    def obey(self, observation: Any) -> None:
        self.ref.tell(Command(observation, lambda _answer: None))
        self.stage.run()


def test_its_node_is_asked_with_growing_patience(stage: ActorStage) -> None:
    waiting = Waiting(stage)
    assert waiting.doubt() is None
    stage.pass_s(HOUR_MS / 1000)
    waiting.review()
    assert waiting.account.asked() == [LookUpInvoice(INVOICE_HASH, "p")]
    assert waiting.waits()[-1] == 15.0
    assert "Lightning node has not said" in str(waiting.doubt())
    stage.pass_s(200)
    waiting.review()
    assert waiting.waits()[-1] == 25.0
    assert len(waiting.account.asked()) == 2
    stage.pass_s(5_000)
    waiting.review()
    assert waiting.waits()[-1] == 300.0


def test_after_ten_minutes_its_merchant_is_told_until_the_node_speaks(
    stage: ActorStage,
) -> None:
    waiting = Waiting(stage)
    stage.pass_s(HOUR_MS / 1000)
    waiting.review()
    stage.pass_s(599)
    waiting.review()
    assert stage.node.alerts.standing() == ()
    stage.pass_s(1)
    waiting.review()
    (alert,) = stage.node.alerts.standing()
    assert (alert.kind, alert.subject, alert.merchant) == ("payment.waits", "p", "ann")
    assert (alert.since, alert.detail) == (stage.clock.now(), waiting.doubt())
    waiting.obey(gone(stage.clock.now()))
    assert stage.payment("p").status is Status.EXPIRED
    assert stage.node.alerts.standing() == ()
    assert waiting.doubt() is None


def test_a_new_wait_is_measured_from_its_own_beginning(stage: ActorStage) -> None:
    waiting = Waiting(stage)
    stage.pass_s(HOUR_MS / 1000)
    waiting.review()
    waiting.obey(settled())
    assert waiting.doubt() is None
    assert stage.payment("p").status is Status.CONFIRMED


def test_nobody_is_asked_of_what_is_not_waited_for(stage: ActorStage) -> None:
    account, payment = Account(stage), alone().payment
    look_up(stage.node, payment)
    stage.run()
    assert account.asked() == [], "its time is not over"
    stage.pass_s(HOUR_MS / 1000)
    look_up(stage.node, payment)
    stage.run()
    assert account.asked() == [LookUpInvoice(INVOICE_HASH, payment.id)]
    chain_only = replace(payment, terms=replace(payment.terms, lightning=None))
    look_up(stage.node, chain_only)
    elsewhere = replace(payment.terms, lightning=invoice(node="another"))
    look_up(stage.node, replace(payment, terms=elsewhere))
    stage.run()
    assert len(account.asked()) == 1
