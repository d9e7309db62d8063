"""What becomes of the message that a watcher crashed on: once more, then no more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import CreatePayments, Poll, RestartDue, Retired, Seen, Watch
from actors.watching.address import AddressActor
from actors.watching.supervisor import SupervisorActor
from engine.chain.feed import ChainView
from engine.payment.model import Status
from engine.runtime.ref import ActorScope, Ref
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import mempool, mined, terms, view

POISON = view(mempool("t1"))
HARMLESS = view(mined("t1", 1_000))


class Crashes:
    """A supervised watcher that crashes on `POISON` so many times."""

    def __init__(self, stage: ActorStage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage = stage
        self.left = 0
        self.handled: list[ChainView] = []
        on_seen = AddressActor._on_seen

        def seen(actor: AddressActor, shown: Any, asked_at: int) -> None:
            if shown is POISON and self.left:
                self.left -= 1
                raise RuntimeError("a bug")
            self.handled.append(shown)
            on_seen(actor, shown, asked_at)

        monkeypatch.setattr(AddressActor, "_on_seen", seen)
        scope = ActorScope(
            stage.dispatcher,
            lambda _name: SupervisorActor(stage.node, stage.book, stage.booted),
        )
        self.supervisor = stage.node.supervisor = Ref(scope, "supervisor")
        self.supervisor.start()
        self.supervisor.tell(CreatePayments((terms(id="p"),), lambda _answer: None))
        stage.run()

    @property
    def watcher(self) -> Ref:
        return self.stage.node.watchers["p"]

    def show(self, *shown: ChainView) -> None:
        for one in shown:
            self.watcher.tell(Seen(one, self.stage.clock.now()))
        self.stage.run()

    def wake(self, how: str) -> None:
        if how == "alone":
            self.supervisor.tell(RestartDue("p"))
        else:
            self.supervisor.kill()
            self.supervisor.start()

    @property
    def parked(self) -> int:
        return self.stage.dispatcher.dead_letters["Seen"]


@pytest.fixture(params=range(3))
def crashes(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Crashes]:
    stage = ActorStage(tmp_path, seed=request.param)
    yield Crashes(stage, monkeypatch)
    stage.close()


def test_a_message_that_crashed_a_watcher_once_is_handled_after_all(
    crashes: Crashes,
) -> None:
    crashes.left = 1
    crashes.show(POISON)
    assert (crashes.handled, crashes.watcher.is_alive) == ([], False)
    trouble = crashes.stage.node.watchers.trouble_of("p")
    assert trouble is not None
    assert not trouble.quarantined, "it is about to start anew"
    crashes.stage.pass_s(1)
    assert crashes.handled == [POISON]
    assert crashes.stage.payment("p").status is Status.CONFIRMING
    assert (crashes.watcher.incarnation, crashes.parked) == (2, 0)


def test_a_watcher_that_starts_anew_goes_on_looking_at_the_chain(
    crashes: Crashes,
) -> None:
    crashes.left = 1
    crashes.show(POISON)
    crashes.stage.pass_s(1)
    asked = crashes.stage.source.got
    asked.clear()
    crashes.stage.pass_s(2 * terms().poll_interval_s)
    assert any(isinstance(message, Poll) for message in asked)
    assert crashes.stage.book.deadline_of("p") is not None


def test_a_watcher_that_starts_anew_is_shown_its_address_as_it_is(
    crashes: Crashes,
) -> None:
    """With what the journal has of it by now: it has forgotten what it was shown."""
    crashes.show(HARMLESS)
    crashes.left = 1
    crashes.show(POISON)
    crashes.stage.source.got.clear()
    crashes.stage.pass_s(1)
    (watch,) = [one for one in crashes.stage.source.got if isinstance(one, Watch)]
    assert (watch.address, watch.ref) == (terms().address, crashes.watcher)
    assert [output.txid for output in watch.known] == ["t1"]


def test_it_comes_before_the_mail_that_waited_behind_it(crashes: Crashes) -> None:
    crashes.left = 1
    crashes.show(POISON, HARMLESS)
    crashes.stage.pass_s(1)
    assert crashes.handled == [POISON, HARMLESS]


def test_a_message_that_crashed_a_watcher_twice_is_parked(crashes: Crashes) -> None:
    crashes.left = 100
    crashes.show(POISON, HARMLESS)
    crashes.stage.pass_s(10)
    assert crashes.handled == [HARMLESS]
    assert (crashes.left, crashes.parked) == (98, 1)
    assert (crashes.watcher.incarnation, crashes.watcher.is_alive) == (3, True)
    trouble = crashes.stage.node.watchers.trouble_of("p")
    assert trouble is not None
    assert "a bug" in trouble.last_error
    assert not trouble.quarantined


def test_a_watcher_that_keeps_crashing_is_put_aside_and_no_other_is(
    crashes: Crashes,
) -> None:
    crashes.left = 100
    for _ in range(6):
        crashes.show(POISON)
        crashes.stage.pass_s(3)
    assert not crashes.watcher.is_alive
    assert crashes.stage.node.watchers.quarantined == 1
    assert crashes.stage.node.counters["watchers.quarantined"] == 1
    assert crashes.stage.node.counters["watchers.crashes"] == 6


@pytest.mark.parametrize("how", ["alone", "with all others"])
def test_a_watcher_that_is_put_aside_is_an_alert_of_its_merchant_until_it_is_woken(
    crashes: Crashes, how: str
) -> None:
    alerts, counters = crashes.stage.node.alerts, crashes.stage.node.counters
    crashes.left = 100
    for _ in range(6):
        assert len(alerts.standing()) == counters["watchers.quarantined"]
        crashes.show(POISON)
        crashes.stage.pass_s(3)
    (alert,) = alerts.standing()
    assert (alert.kind, alert.subject) == ("watcher.quarantined", "p")
    assert alert.merchant == terms().merchant
    assert "keeps crashing" in alert.detail
    crashes.left = 0
    crashes.wake(how)
    crashes.stage.run()
    assert crashes.watcher.is_alive
    assert alerts.standing() == ()


def test_one_that_is_over_before_its_watcher_would_start_anew_stays_so(
    crashes: Crashes,
) -> None:
    crashes.left = 1
    crashes.show(POISON)
    crashes.supervisor.tell_system(Retired("p", terms().address))
    crashes.stage.pass_s(10)
    assert len(crashes.stage.book) == 0
    assert (crashes.supervisor.is_alive, crashes.supervisor.incarnation) == (True, 1)


def test_a_payment_that_is_over_leaves_no_trace(crashes: Crashes) -> None:
    crashes.left = 1
    crashes.show(POISON)
    crashes.stage.pass_s(1)
    watcher, address = crashes.watcher, terms().address
    crashes.supervisor.tell_system(Retired("p", address))
    crashes.stage.run()
    book = crashes.stage.book
    assert (len(book), list(book), book.at(address)) == (0, [], None)
    assert (book.trouble_of("p"), book.deadline_of("p")) == (None, None)
    assert watcher.is_stopped
