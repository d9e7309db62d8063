"""One damaged row of money: it is set aside by name, and everybody else's goes on."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.actors.money.refund_stage import RefundStage

ROUND_S = 40


class Damaging(RefundStage):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self._path,) = folder.glob("*.db")

    def damage(self, table: str, row_id: str) -> None:
        """Something else is on the disk than what was written."""
        change = f"UPDATE {table} SET crc = crc + 1 WHERE id = ?"  # noqa: S608
        with sqlite3.connect(self._path) as sql:
            assert sql.execute(change, (row_id,)).rowcount == 1

    def swept(self) -> set[str]:
        """Payments whose coins are in a transaction that can be read."""
        found = set()
        for name in ("pay_1", "pay_2", "pay_3"):
            if self.told(name):
                found.add(name)
        return found

    def subjects(self, kind: str) -> list[str]:
        standing = self.node.alerts.standing()
        return [one.subject for one in standing if one.kind == kind]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Damaging]:
    stage = Damaging(tmp_path)
    yield stage
    stage.close()


def test_a_damaged_payment_keeps_no_other_from_being_sent_on(stage: Damaging) -> None:
    stage.paid("pay_1", 50_000)
    stage.paid("pay_2", 60_000, index=1)
    stage.damage("payments", "pay_1")
    stage.pass_s(ROUND_S)
    assert stage.swept() == {"pay_2"}
    assert stage.subjects("payment.damaged") == ["pay_1"]


def test_a_damaged_transaction_keeps_no_other_from_arriving(stage: Damaging) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    (damaged,) = stage.outgoing()
    stage.damage("outgoing", damaged.id)
    stage.paid("pay_2", 60_000, index=1)
    stage.pass_s(ROUND_S)
    assert stage.swept() == {"pay_1", "pay_2"}
    stage.mine(*stage.way.pool, blocks=1)
    stage.pass_s(ROUND_S)
    assert stage.told("pay_2") == ["forwarding", "forwarded"]
    assert stage.told("pay_1") == ["forwarding"]
    assert stage.subjects("forward.damaged") == [damaged.id]


def test_whose_transaction_is_damaged_is_not_swept_again_and_others_are(
    stage: Damaging,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.pass_s(ROUND_S)
    (damaged,) = stage.outgoing()
    stage.damage("outgoing", damaged.id)
    stage.pay("pay_1", 70_000)  # more came, and which coins are spent is not known
    stage.paid("pay_2", 60_000, index=1)
    stage.pass_s(ROUND_S)
    assert stage.told("pay_2") == ["forwarding"]
    assert len(stage.way.pool) == 2
    (why,) = (
        a.detail for a in stage.node.alerts.standing() if a.kind == "forward.waits"
    )
    assert why.startswith("pay_1: ")


def test_of_two_refunds_the_damaged_one_waits_and_the_other_is_paid(
    stage: Damaging,
) -> None:
    stage.paid("pay_1", 50_000)
    stage.paid("pay_2", 60_000, index=1)
    stage.gives_back("pay_1", 10_000, number=1)
    stage.gives_back("pay_2", 10_000, number=2)
    stage.damage("refunds", "ref_1")
    stage.pass_s(ROUND_S)
    assert stage.refund(2).state == "paying"
    assert stage.subjects("refund.damaged") == ["ref_1"]
    assert stage.told("pay_1") == [], "which of its coins go back is not known"
