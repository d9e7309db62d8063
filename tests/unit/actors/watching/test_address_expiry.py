"""The address actor at a deadline: what lets a payment expire, and what does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.messages import (
    Command,
    Deadline,
    Seen,
)
from engine.payment.model import Status
from engine.payment.observations import ProviderClaim
from engine.payment.review import LONG_WAIT_S
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.watching.watched import EXPIRY, Watched
from tests.unit.payment_cases import HOUR_MS, T0, mempool, mined, view


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


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


@pytest.mark.parametrize("shown", [{"complete": False}, {"is_current": False}])
def test_views_that_prove_nothing_end_no_wait_and_a_person_is_told(
    stage: ActorStage, shown: dict[str, bool]
) -> None:
    watched = Watched(stage)
    watched.deadline_passes()
    blind = view(**shown)  # type: ignore[arg-type]
    for _ in range(8 * 3_600 // 300):
        watched.seen(blind)
        assert watched.status() is Status.PENDING
        assert len(stage.node.alerts) == (watched.waited_s() >= LONG_WAIT_S)
        stage.pass_s(300)
    (alert,) = stage.node.alerts.standing()
    assert (alert.kind, alert.subject) == ("payment.waits", "p")
    assert alert.detail == watched.report().last_error
    watched.seen(view())
    assert watched.status() is Status.EXPIRED
    assert len(stage.node.alerts) == 0
    assert watched.report().last_error is None


def test_sources_that_do_not_answer_are_told_of_as_well(stage: ActorStage) -> None:
    watched = Watched(stage)
    watched.deadline_passes()
    asked = len(watched.polls())
    assert watched.report().last_error == "no source has answered since its deadline"
    stage.pass_s(LONG_WAIT_S + 120)
    assert len(watched.polls()) >= asked + 10
    (alert,) = stage.node.alerts.standing()
    assert alert.detail == "no source has answered since its deadline"
    watched.ref.stop()
    stage.run()
    assert len(stage.node.alerts) == 0, "nobody watches it any more"


def test_an_address_that_no_source_reads_whole_is_told_of_at_once_and_alerted_later(
    stage: ActorStage,
) -> None:
    watched = Watched(stage)
    partly = replace(view(complete=False, source="esplora"), gap="over 1000 outputs")
    for _ in range(3):
        watched.seen(partly)
        assert len(stage.node.alerts) == 0
        stage.pass_s(LONG_WAIT_S / 3)
    why = "esplora cannot read all of it: over 1000 outputs"
    assert watched.report().last_error == why
    own = stage.node.unread.of("p")
    assert own is not None
    assert own.reason is not None
    assert (own.source, own.live, own.since_when) == ("esplora", False, T0)
    assert own.reason.startswith("esplora cannot read all of this address")
    watched.seen(partly)
    (alert,) = stage.node.alerts.standing()
    assert (alert.kind, alert.detail) == ("address.unreadable", why)
    watched.deadline_passes()
    watched.seen(partly)
    assert watched.status() is Status.PENDING
    assert watched.report().last_error == (
        "esplora cannot tell what is not there: over 1000 outputs"
    )
    watched.seen(view(source="other"))
    assert watched.status() is Status.EXPIRED
    assert len(stage.node.alerts) == 0
    assert watched.report().last_error is None
    assert stage.node.unread.of("p") is None


def test_of_what_nobody_waits_for_no_alert_is_raised(stage: ActorStage) -> None:
    """It waits for a proof that nothing came late, and is watched until then."""
    watched = Watched(stage)
    watched.deadline_passes()
    watched.seen(view())
    watched.deadline_passes()
    stage.pass_s(3 * LONG_WAIT_S)
    watched.seen(view(is_current=False))
    assert watched.status() is Status.EXPIRED
    assert watched.report().last_error == (
        "node is behind: what it does not show proves nothing"
    )
    assert len(stage.node.alerts) == 0


def test_a_deadline_long_ago_is_no_proof_of_anything(stage: ActorStage) -> None:
    """The process was away: of all the blocks since, only the first have been read."""
    watched = Watched(stage)
    watched.deadline_passes()
    stage.pass_s(5 * 3_600)
    watched.seen(view(complete=False))
    assert watched.status() is Status.PENDING
    watched.seen(view(mined("t1", 998)))
    assert watched.status() is Status.CONFIRMED


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
