"""What the watch of a refund's address shows: whose money it is; and it goes on."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import RefundsWatched, Seen, Watch
from actors.money.refunds import RefundsActor
from engine.chain.feed import Output
from engine.payment.refund import Refund, RefundState
from engine.runtime.ref import Ref
from engine.store.writes import NewOutgoing, OpenRefund, Write
from engine.wallet.outgoing import OutgoingKind
from tests.unit.actor_stage import ActorStage
from tests.unit.engine.store.outgoing_cases import coin, outgoing
from tests.unit.engine.store.refund_cases import refund
from tests.unit.journal_cases import creation
from tests.unit.payment_cases import T0, block, view

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
SAT = 20_000


class Watches(ActorStage):
    """Two pending refunds of one sum, to one payer's address."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.append(creation("p1", "ann"))
        for number in (1, 2):
            made = refund(
                number,
                "p1",
                state=RefundState.PENDING,
                amount_sat=SAT,
                address=ADDRESS,
                is_by_link=False,
                expires_at=0,
                claimed_at=number,
                after_height=990,
            )
            self.append(Write(rows=(OpenRefund(made, 1, 99_999, 9, 9_999),)))
        self.watches: dict[str, Ref] = {}
        self.refunds = self.start("refunds", RefundsActor(self.node, self.watches))
        self.run()

    def shows(self, *txids: str) -> None:
        """The source shows outputs of these transactions in blocks."""
        outputs = [
            Output(txid, 0, SAT, block(995), 995, verified_by_source=True)
            for txid in txids
        ]
        self.watches[ADDRESS].tell(Seen(view(*outputs), 0))
        self.run()

    def paid(self) -> list[Refund]:
        found = self.store.refunds_of("p1")
        return [one for one in found if one.state is RefundState.PAID]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Watches]:
    watches = Watches(tmp_path)
    yield watches
    watches.close()


def test_a_source_is_told_of_all_addresses_before_it_may_read(stage: Watches) -> None:
    told = [one for one in stage.source.got if isinstance(one, Watch | RefundsWatched)]
    first, then, *_ = told
    assert isinstance(first, Watch)
    assert first.address == ADDRESS
    assert then == RefundsWatched(stage.refunds.incarnation)


def damage(folder: Path, where: str) -> int:
    """Something else is on the disk than what was written; how many rows."""
    (path,) = folder.glob("*.db")
    with sqlite3.connect(path) as sql:
        return sql.execute(f"UPDATE refunds SET crc = crc + 1 WHERE {where}").rowcount  # noqa: S608


def test_the_chain_is_read_though_a_refund_is_damaged(
    stage: Watches, tmp_path: Path
) -> None:
    assert damage(tmp_path, "true") == 2
    stage.source.got.clear()
    again = stage.start("refunds again", RefundsActor(stage.node, {}))
    stage.run()
    assert again.is_alive
    assert stage.source.got == [RefundsWatched(again.incarnation)]
    standing = stage.node.alerts.standing()
    assert [(one.kind, one.subject) for one in standing] == [
        ("refund.damaged", refund(number).id) for number in (1, 2)
    ]


def test_behind_a_damaged_refund_the_others_are_watched_and_their_links_end(
    stage: Watches, tmp_path: Path
) -> None:
    links = [refund(number, "p1", expires_at=T0 + 60_000) for number in (3, 4)]
    for link in links:
        stage.append(Write(rows=(OpenRefund(link, 1, 99_999, 9, 9_999),)))
    stage.run()
    assert damage(tmp_path, f"id IN ('{refund(1).id}', '{refund(3).id}')") == 2
    watches: dict[str, Ref] = {}
    stage.start("refunds again", RefundsActor(stage.node, watches))
    stage.run()
    assert [*watches] == [ADDRESS]
    stage.watches = watches
    stage.shows("ab" * 32)
    stage.pass_s(61)
    second, fourth = (stage.store.refund(refund(number).id) for number in (2, 4))
    assert second is not None
    assert second.state is RefundState.PAID
    assert fourth is not None
    assert fourth.state is RefundState.EXPIRED


def test_what_another_wallet_sent_pays_one_of_them(stage: Watches) -> None:
    stage.shows("ab" * 32)
    assert [one.txid for one in stage.paid()] == ["ab" * 32]


def test_what_we_sent_for_one_refund_pays_no_other_of_the_same_sum(
    stage: Watches,
) -> None:
    """It is told when the forwarder sees it arrive, of the one that it was made for."""
    ours = outgoing(1, coin(1))
    stage.append(Write(rows=(NewOutgoing(ours),)))
    stage.run()
    stage.shows(ours.txid)
    assert stage.paid() == []
    stage.shows(ours.txid, "ab" * 32)
    assert [one.txid for one in stage.paid()] == ["ab" * 32]


def test_what_was_given_up_and_mined_all_the_same_pays_its_own(stage: Watches) -> None:
    spent = coin(1, amount_sat=SAT + 1_000)
    ours = outgoing(1, spent, cause=refund(2).id, kind=OutgoingKind.REFUND)
    stage.append(Write(rows=(NewOutgoing(ours),)))
    stage.run()
    stage.shows(ours.txid)
    stage.pass_s(10)
    stage.shows(ours.txid)
    assert [(one.id, one.outgoing_id) for one in stage.paid()] == [
        (refund(2).id, ours.id)
    ]


def test_a_watch_that_crashed_goes_on(stage: Watches) -> None:
    watch = stage.watches[ADDRESS]
    watch.kill()
    stage.run()
    assert not watch.is_alive
    stage.source.got.clear()
    stage.pass_s(60)
    assert watch.is_alive
    assert [one.address for one in stage.source.got if isinstance(one, Watch)] == [
        ADDRESS
    ]
