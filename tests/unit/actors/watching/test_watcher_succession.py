"""When the supervisor starts anew, each payment has one watcher: the new one."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from actors.messages import Command, Seen, Unwatch, Watch
from actors.watching.address import AddressActor
from actors.watching.supervisor import SupervisorActor
from engine.payment.model import Payment
from engine.payment.observations import ProviderClaim
from engine.runtime.ref import ActorScope, Ref
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import mined, terms, view

ADDRESS = terms().address

Held = list[Callable[[], None]]


@pytest.fixture(params=range(20))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ActorStage]:
    stage = ActorStage(tmp_path, seed=request.param)
    yield stage
    stage.close()


def test_a_watcher_that_waits_for_a_commit_does_not_go_on_beside_its_successor(
    stage: ActorStage,
) -> None:
    stage.create("p", address=ADDRESS)
    supervisor = _supervised(stage)
    seen = Seen(view(mined("t", 1_000, 1)), stage.clock.now())
    stage.node.watchers["p"].tell(seen)
    stage.run(stage.random.randrange(1, 6))  # somewhere on the way to the commit
    supervisor.kill()
    supervisor.start()
    stage.run()
    assert _whom_the_source_tells(stage) is stage.node.watchers["p"]


@pytest.mark.parametrize("turns", range(1, 8))
def test_it_knows_what_its_predecessor_had_still_to_write(
    stage: ActorStage, turns: int
) -> None:
    """Else it has a claim withdrawn never, or a payment over that is not."""
    stage.create("p", address=ADDRESS)
    writes = _held(stage)
    supervisor = _supervised(stage)
    _tell_claim(stage)
    stage.run(turns)
    supervisor.kill()
    supervisor.start()
    stage.run()  # all that can be done before the disk has answered
    _write(stage, writes)
    assert _watched(stage) == stage.payment("p")


def test_a_watcher_alone_knows_what_it_had_still_to_write(stage: ActorStage) -> None:
    stage.create("p", address=ADDRESS)
    writes = _held(stage)
    _supervised(stage)
    _tell_claim(stage)
    stage.run()
    assert writes, "the claim is on its way to the disk"
    stage.node.watchers["p"].kill()
    stage.pass_s(1)
    _write(stage, writes)
    assert stage.payment("p").claims
    assert _watched(stage) == stage.payment("p")


def test_a_disk_that_refuses_all_keeps_no_payment_unwatched(stage: ActorStage) -> None:
    """What cannot be written will not be: there is nothing more to wait for."""
    stage.create("p", address=ADDRESS)
    supervisor = _supervised(stage)
    stage.journal.connection.execute("PRAGMA query_only = 1")
    _tell_claim(stage)
    stage.run(3)
    supervisor.kill()
    supervisor.start()
    stage.run()
    assert stage.booted.now
    assert _watched(stage) == stage.payment("p")


def _supervised(stage: ActorStage) -> Ref:
    scope = ActorScope(
        stage.dispatcher,
        lambda _name: SupervisorActor(stage.node, stage.book, stage.booted),
    )
    stage.node.supervisor = supervisor = Ref(scope, "supervisor")
    supervisor.start()
    stage.run()
    return supervisor


def _tell_claim(stage: ActorStage) -> None:
    claim = ProviderClaim("blockonomics", None, 1_000)
    stage.node.watchers["p"].tell(Command(claim, lambda _answer: None))


def _held(stage: ActorStage) -> Held:
    """A slow disk: nothing is written before the test has it done."""
    held: Held = []
    submit = stage.store.submit
    stage.store.submit = lambda *asked: held.append(  # type: ignore[method-assign]
        partial(submit, *asked)
    )
    return held


def _write(stage: ActorStage, held: Held) -> None:
    """In the order in which it was handed in, as the one writer does."""
    while held:
        held.pop(0)()
        stage.run()


def _watched(stage: ActorStage) -> Payment:
    watcher = stage.node.watchers["p"].actor
    assert isinstance(watcher, AddressActor)
    return watcher.payment


def _whom_the_source_tells(stage: ActorStage) -> Ref | None:
    told: Ref | None = None
    for message in stage.source.got:
        if isinstance(message, Watch):
            told = message.ref
        elif isinstance(message, Unwatch) and message.ref is told:
            told = None
    return told
