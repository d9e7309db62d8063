"""One watch of an address where refunds are to arrive, by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import Poll, PollNow, Seen, Unwatch, Watch
from actors.money.refund_watch import RefundWatch, watch_of
from engine.bitcoin.address import parse_address
from engine.chain.feed import ChainView
from engine.runtime.clock import TimersDue
from engine.runtime.ref import Ref
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import ADDRESS, mempool, view

SCRIPT = parse_address(ADDRESS, "regtest").script


class Watched:
    def __init__(self, stage: ActorStage) -> None:
        self.stage = stage
        self.shown: list[tuple[str, ChainView]] = []
        actor = RefundWatch(
            stage.node, ADDRESS, "ann", lambda a, v: self.shown.append((a, v))
        )
        self.ref: Ref = stage.start("watch", actor)
        stage.run()

    def polls(self) -> list[Poll]:
        return [m for m in self.stage.source.got if isinstance(m, Poll)]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    stage = ActorStage(tmp_path)
    yield Watched(stage)
    stage.close()


def test_the_source_is_told_of_it_at_its_start_and_at_its_end(
    watched: Watched,
) -> None:
    told = Watch(SCRIPT, ADDRESS, watched.ref, (), "ann")
    assert watched.stage.source.got == [told]
    assert watch_of(watched.stage.node, ADDRESS, "ann", watched.ref) == told
    watched.ref.stop()
    watched.stage.run()
    assert watched.stage.source.got[1:] == [Unwatch(SCRIPT, watched.ref)]
    assert RefundWatch.mailbox_limit == 20


def test_it_looks_once_a_minute_and_when_it_is_told_to(watched: Watched) -> None:
    watched.stage.pass_s(59)
    assert watched.polls() == []
    watched.stage.pass_s(2)
    (poll,) = watched.polls()
    assert (poll.script, poll.blocks) == (SCRIPT, ())
    assert poll.due == pytest.approx(watched.stage.clock.monotonic(), abs=2)
    watched.stage.pass_s(600)
    assert 10 <= len(watched.polls()) <= 11
    before = len(watched.polls())
    watched.ref.tell(PollNow())
    watched.ref.tell(TimersDue(-1))
    watched.stage.run()
    assert len(watched.polls()) == before + 1


def test_what_it_is_shown_it_shows(watched: Watched) -> None:
    shown = view(mempool("t1"))
    watched.ref.tell(Seen(shown, 0))
    watched.stage.run()
    assert watched.shown == [(ADDRESS, shown)]
