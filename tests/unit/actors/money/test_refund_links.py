"""When links of refunds run out, and that nobody asks for them all the time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import RefundMoved
from actors.money.refunds import RefundsActor
from engine.payment.refund import Refund, RefundState
from engine.store.records import DamagedRow
from engine.store.writes import OpenRefund, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.engine.store.refund_cases import refund
from tests.unit.journal_cases import creation
from tests.unit.payment_cases import T0

HOUR_MS = 3_600_000


class Links(ActorStage):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.append(creation("p1", "ann"))
        self.asked = 0
        ask = self.store.refunds_due

        def counted(before: int, limit: int = 100) -> list[Refund | DamagedRow]:
            self.asked += 1
            return ask(before, limit)

        self.store.refunds_due = counted  # type: ignore[method-assign]

    def begin(self) -> None:
        self.refunds = self.start("refunds", RefundsActor(self.node, {}))
        self.run()

    def link(self, number: int, lives_ms: int) -> None:
        made = refund(number, "p1", expires_at=T0 + lives_ms)
        self.append(Write(rows=(OpenRefund(made, 1, 99_999, 9, 9_999),)))
        self.run()

    def state(self, number: int) -> RefundState:
        found = self.store.refund(refund(number).id)
        assert found is not None
        return found.state


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Links]:
    links = Links(tmp_path)
    yield links
    links.close()


def test_a_node_without_links_looks_once_an_hour(stage: Links) -> None:
    stage.begin()
    stage.pass_s(24 * 3_600)
    assert 0 < stage.asked <= 26


def test_each_link_runs_out_at_its_time_the_one_that_came_last_too(
    stage: Links,
) -> None:
    stage.link(1, 3 * HOUR_MS)
    stage.begin()
    stage.link(2, 60_000)  # after the start, and sooner than the first look
    stage.refunds.tell(RefundMoved(refund(2).id))
    stage.run()
    stage.pass_s(59)
    assert stage.state(2) is RefundState.OPEN
    stage.pass_s(2)
    assert stage.state(2) is RefundState.EXPIRED
    stage.pass_s(3 * 3_600 - 62)
    assert stage.state(1) is RefundState.OPEN
    stage.pass_s(2)
    assert stage.state(1) is RefundState.EXPIRED
    assert stage.asked < 12
