"""The address actor: believes what is committed, and never gives up too early."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.messages import (
    Command,
    Deadline,
    Poll,
    Retired,
    ReviewDue,
    Seen,
    Unwatch,
)
from actors.watching.address import AddressActor
from engine.chain.feed import ChainView
from engine.errors import Refused
from engine.payment.model import Payment, Status
from engine.payment.observations import Cancel, ProviderClaim
from engine.runtime.ref import Ref
from engine.store.writes import InboundRow, SourceTip, Unavailable, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import ADDRESS, HOUR_MS, T0, mempool, mined, view

EXPIRY = T0 + HOUR_MS


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


class Watched:
    """One payment and its watcher; the test plays source and supervisor."""

    def __init__(self, stage: ActorStage) -> None:
        self.stage = stage
        payment = stage.create("p", address=ADDRESS)
        self.ref: Ref = stage.start("p", AddressActor(stage.node, payment))
        stage.run()

    def seen(self, shown: ChainView) -> None:
        self.ref.tell(Seen(shown, self.stage.clock.now()))
        self.stage.run()

    def obey(self, command: Command) -> None:
        self.ref.tell(command)
        self.stage.run()

    def polls(self) -> list[Poll]:
        return [m for m in self.stage.source.got if isinstance(m, Poll)]

    def deadline_passes(self) -> None:
        asked = [m for m in self.stage.supervisor.got if isinstance(m, Deadline)]
        wait = max(asked[-1].at - self.stage.clock.now(), 0)
        self.stage.pass_s(wait / 1000)
        self.ref.tell_system(ReviewDue())
        self.stage.run()

    def disk_is_full(self, yes: bool) -> None:
        pages = self.stage.journal.connection.execute("PRAGMA page_count").fetchone()
        limit = pages[0] if yes else 1_000_000
        self.stage.journal.connection.execute(f"PRAGMA max_page_count = {limit}")
        self.stage.journal.connection.execute(f"PRAGMA query_only = {yes}")

    def status(self) -> Status:
        return self.payment.status

    @property
    def payment(self) -> Payment:
        actor = self.ref.actor
        assert isinstance(actor, AddressActor)
        assert actor.payment == self.stage.payment("p")
        return actor.payment


def test_what_a_source_shows_is_believed_once_it_is_committed(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    assert watched.status() is Status.CONFIRMING
    watched.seen(view(mined("t1", 998)))
    assert watched.payment.seq == 4


def test_who_loses_a_block_has_every_source_read_from_there_again(
    stage: ActorStage,
) -> None:
    """The source that says so may be in the wrong, and one that knows better has
    read past that block: it would begin behind it, and never see the money again."""
    watched = Watched(stage)
    marks = (SourceTip("good", 999, "99"), SourceTip("slow", 900, "90"))
    stage.append(Write(rows=marks))
    watched.seen(view(mined("t1", 998)))
    held = watched.payment.receipts[0].block_hash
    assert held is not None
    watched.seen(view(mempool("t1"), source="wrong", off_chain=(held,)))
    assert watched.payment.receipts[0].block_hash is None
    assert stage.store.source_tip("good") == SourceTip("good", 998, held)
    assert stage.store.source_tip("slow") == SourceTip("slow", 900, "90")


def test_it_looks_again_by_itself_and_less_often_with_age(stage: ActorStage) -> None:
    watched = Watched(stage)
    assert len(watched.polls()) == 0  # to be watched is to be looked at first
    stage.pass_s(600)
    assert 10 <= len(watched.polls()) <= 11
    stage.pass_s(6 * 3_600)
    before = len(watched.polls())
    stage.pass_s(3_600)
    assert len(watched.polls()) - before <= 7


def test_who_was_shown_nothing_asks_no_more_while_silence_is_an_answer(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    stage.covered_as_of(stage.clock.now())
    stage.pass_s(61)
    assert len(watched.polls()) == 1  # nothing was shown yet
    watched.seen(view())
    stage.covered_as_of(stage.clock.now() + 599_000)
    stage.pass_s(600)
    assert len(watched.polls()) == 1
    actor = watched.ref.actor
    assert isinstance(actor, AddressActor)
    assert actor.seen_at == stage.complete_as_of
    stage.covered_as_of(None)
    stage.pass_s(61)
    assert len(watched.polls()) == 2


def test_who_has_something_to_lose_asks_whatever_others_hear(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    stage.covered_as_of(stage.clock.now())
    stage.pass_s(600)
    assert len(watched.polls()) >= 10


def test_a_review_asks_though_silence_would_be_an_answer(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.seen(view())
    stage.covered_as_of(EXPIRY + HOUR_MS)
    watched.deadline_passes()
    assert [poll.due for poll in watched.polls()] == [0.0]
    assert watched.status() is Status.PENDING
    watched.seen(view())
    assert watched.status() is Status.EXPIRED


def test_a_release_that_could_not_be_written_is_tried_again(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.deadline_passes()
    watched.seen(view())
    stage.covered_as_of(stage.clock.now())
    watched.deadline_passes()
    watched.disk_is_full(True)
    watched.seen(view())
    watched.disk_is_full(False)
    before = len(watched.polls())
    stage.pass_s(6)
    assert len(watched.polls()) == before + 1
    watched.seen(view())
    assert any(isinstance(m, Retired) for m in stage.supervisor.got)


def test_it_expires_only_by_an_answer_from_after_the_deadline(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.deadline_passes()
    assert watched.status() is Status.PENDING
    assert watched.polls()[-1].due == 0.0
    watched.ref.tell(Seen(view(), EXPIRY - 1))
    stage.run()
    assert watched.status() is Status.PENDING
    watched.seen(view())
    assert watched.status() is Status.EXPIRED


def test_an_answer_that_proves_nothing_absent_lets_nothing_expire(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.deadline_passes()
    watched.seen(view(complete=False))
    assert watched.status() is Status.PENDING
    watched.seen(view())
    assert watched.status() is Status.EXPIRED


def test_who_waits_for_a_verdict_asks_again_soon(stage: ActorStage) -> None:
    """By its age it would ask every two minutes."""
    watched = Watched(stage)
    watched.deadline_passes()
    asked = len(watched.polls())
    watched.seen(view(complete=False))
    stage.pass_s(20)
    assert len(watched.polls()) == asked + 1
    watched.seen(view())
    assert watched.status() is Status.EXPIRED


def test_views_that_never_grow_complete_end_the_wait_after_an_hour(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.deadline_passes()
    for _ in range(3_600 // 15):
        watched.seen(view(complete=False))
        assert watched.status() is Status.PENDING
        stage.pass_s(15)
    watched.seen(view(complete=False))
    assert watched.status() is Status.EXPIRED


def test_a_deadline_long_ago_is_no_proof_of_anything(stage: ActorStage) -> None:
    """The process was away: of all the blocks since, only the first have been read."""
    watched = Watched(stage)
    watched.deadline_passes()
    stage.pass_s(5 * 3_600)
    watched.seen(view(complete=False))
    assert watched.status() is Status.PENDING
    watched.seen(view(mined("t1", 998)))
    assert watched.status() is Status.CONFIRMED


def test_a_receipt_that_one_answer_leaves_out_is_looked_for_twice(
    stage: ActorStage,
) -> None:
    """It may be of another node behind the same address, or of two moments."""
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    before, asked = watched.payment, len(watched.polls())
    watched.seen(view())
    watched.seen(view())
    assert watched.payment == before, "both were asked for at one moment"
    stage.pass_s(3)
    assert [poll.due for poll in watched.polls()[asked:]] == [0.0], "in a hurry"
    watched.seen(view(mempool("t1")))
    assert watched.payment == before
    watched.seen(view())
    stage.pass_s(3)
    watched.seen(view())
    assert watched.payment.receipts == ()
    assert watched.status() is Status.PENDING


def test_a_replacement_takes_the_place_of_a_receipt_at_once(
    stage: ActorStage,
) -> None:
    """Counted together the two would be twice the money."""
    watched = Watched(stage)
    watched.seen(view(mempool("t1", 40_000)))
    watched.seen(view(mempool("t2", 40_000)))
    assert [r.txid for r in watched.payment.receipts] == ["t2"]
    assert watched.payment.received_sat == 40_000


def test_what_paid_the_address_before_is_no_replacement(stage: ActorStage) -> None:
    """An address that was used before lists old money in every answer."""
    watched = Watched(stage)
    old = replace(mined("old", 900), block_time_s=T0 // 1000 - 86_400)
    watched.seen(view(old, mempool("t1")))
    watched.seen(view(old))
    assert [r.txid for r in watched.payment.receipts] == ["t1"]


def test_a_receipt_that_came_back_is_looked_for_twice_again(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    for _ in range(2):
        watched.seen(view())
        stage.pass_s(3)
    assert watched.payment.receipts == ()
    watched.seen(view())
    watched.seen(view(mempool("t1")))
    stage.pass_s(3)
    watched.seen(view())
    assert [r.txid for r in watched.payment.receipts] == ["t1"]


def test_another_receipt_that_is_missing_is_looked_for_twice_too(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1", 100), mempool("t2", 200)))
    watched.seen(view(mempool("t2", 200)))
    stage.pass_s(3)
    watched.seen(view())
    assert len(watched.payment.receipts) == 2
    stage.pass_s(3)
    watched.seen(view())
    assert watched.payment.receipts == ()


def test_nothing_expires_by_the_answer_that_leaves_out_a_receipt(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    watched.deadline_passes()
    watched.seen(view())
    assert watched.status() is Status.CONFIRMING
    stage.pass_s(3)
    watched.seen(view())
    assert watched.status() is Status.EXPIRED


def test_the_source_goes_on_knowing_what_a_killed_watcher_was_shown(
    stage: ActorStage,
) -> None:
    """Its successor asks for it; the blocks may be too old to be read again."""
    watched = Watched(stage)
    watched.ref.kill()
    stage.run()
    assert not [m for m in stage.source.got if isinstance(m, Unwatch)]


def test_what_comes_while_the_release_is_written_tells_nothing_any_more(
    stage: ActorStage,
) -> None:
    """Nobody would watch the payment that it makes: after the next start of the
    process it would wait for ever for money that may be on its way."""
    watched = Watched(stage)
    watched.seen(view(mined("t1", 990)))
    held = watched.payment.receipts[0].block_hash
    assert held is not None
    before = watched.payment
    assert before.status is Status.CONFIRMED
    stage.pass_s((before.terms.monitor_until - stage.clock.now()) / 1000)
    watched.ref.tell_system(ReviewDue())
    stage.run()
    for shown in (view(mined("t1", 990)), view(off_chain=(held,))):
        watched.ref.tell(Seen(shown, stage.clock.now()))
    claim = ProviderClaim("blockonomics", "t2", 50_000)
    watched.ref.tell(Command(claim, lambda _answer: None))
    stage.run()
    assert any(isinstance(m, Retired) for m in stage.supervisor.got)
    assert stage.store.watched() == []
    assert stage.payment("p") == before
    assert watched.ref.is_stopped


def test_what_the_journal_could_not_write_is_decided_again(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.disk_is_full(True)
    watched.seen(view(mempool("t1")))
    assert watched.status() is Status.PENDING
    watched.disk_is_full(False)
    before = len(watched.polls())
    stage.pass_s(6)
    assert len(watched.polls()) == before + 1
    watched.seen(view(mempool("t1")))
    assert watched.status() is Status.CONFIRMING


def test_an_expiry_that_could_not_be_written_is_not_forgotten(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    watched.deadline_passes()
    watched.disk_is_full(True)
    watched.seen(view())
    assert watched.status() is Status.PENDING
    watched.disk_is_full(False)
    stage.pass_s(6)
    assert watched.polls()[-1].due == 0.0
    watched.seen(view())
    assert watched.status() is Status.EXPIRED


def test_a_command_is_answered_with_what_it_led_to(stage: ActorStage) -> None:
    watched = Watched(stage)
    answers: list[Any] = []
    watched.obey(Command(Cancel("ann"), answers.append))
    watched.obey(Command(Cancel("ann"), answers.append))
    assert [a.status for a in answers] == [Status.CANCELLED] * 2


def test_a_refusal_changes_nothing(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.seen(view(mempool("t1")))
    answers: list[Any] = []
    watched.obey(Command(Cancel("ann"), answers.append))
    assert isinstance(answers[0], Refused)
    assert watched.payment.seq == 2


def test_a_command_that_cannot_be_written_says_so(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.disk_is_full(True)
    answers: list[Any] = []
    watched.obey(Command(Cancel("ann"), answers.append))
    assert isinstance(answers[0], Unavailable)
    watched.disk_is_full(False)
    assert watched.status() is Status.PENDING


def test_a_claim_makes_it_look_at_the_chain_at_once(stage: ActorStage) -> None:
    watched = Watched(stage)
    answers: list[Any] = []
    claim = ProviderClaim("blockonomics", "t1", 50_000)
    watched.obey(Command(claim, answers.append))
    assert answers[0].claims
    assert watched.polls()[-1].due == 0.0


def test_the_deadline_is_armed_anew_after_each_commit_that_moves_it(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    claim = ProviderClaim("blockonomics", "t1", 50_000, window_s=60)
    watched.obey(Command(claim, lambda _answer: None))

    def armed() -> int:
        return [m.at for m in stage.supervisor.got if isinstance(m, Deadline)][-1]

    assert armed() == stage.clock.now() + 60_000, "then the claim is withdrawn"
    stage.pass_s(1)
    watched.seen(view(mempool("t1")))
    assert armed() == T0 + 24 * HOUR_MS, "it is paid: it cannot expire any more"


def test_a_write_that_can_never_succeed_is_a_crash_that_people_see(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    answers: list[Any] = []
    poison = InboundRow("btc", "key", 1 << 70, "p", "claimed", b"{}")
    watched.obey(Command(Cancel("ann"), answers.append, poison))
    assert len(answers) == 1
    assert not watched.ref.is_alive
    assert stage.payment("p").status is Status.PENDING
