"""Payments from before the search are made findable step by step, and once."""

from contextlib import closing
from pathlib import Path

import pytest

from engine.payment.model import Flag, Payment
from engine.payment.observations import Reviewed
from engine.payment.search import sought
from engine.store.further import Further
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.replay import differences, rebuild
from engine.store.writes import Committed, FillSearch, Write
from tests.tools.direct_store import DirectStore
from tests.unit.journal_cases import creation, decided, stored
from tests.unit.payment_cases import EXPIRY, mempool, view

PAYMENTS = 23
STEP = 5


def filled(path: Path) -> Journal:
    """As an upgrade leaves it: nothing of the search is there yet."""
    journal = Journal(path, synchronous="OFF")
    journal.commit([creation(f"p{n}") for n in range(PAYMENTS)])
    for name in ("p3", "p20"):
        moves = (Reviewed(EXPIRY), view(mempool(f"{name[1:]:0>64}")))
        for observation in moves:
            journal.commit([decided(stored(journal, name), observation, EXPIRY)])
    sql = journal.connection
    sql.execute("DELETE FROM sought")
    sql.execute("UPDATE payments SET flags = 0")
    sql.execute("UPDATE search_left SET below = (SELECT max(rank) + 1 FROM payments)")
    return journal


def step(journal: Journal) -> int:
    (outcome,) = journal.commit([Write(rows=(FillSearch(STEP),))])
    assert isinstance(outcome, Committed)
    return outcome.changed


def found(journal: Journal, further: Further) -> list[str]:
    page = DirectStore(journal).list_payments({}, None, 50, further)
    return [payment.id for payment in page.payments]


@pytest.mark.parametrize("is_reopened", [False, True])
def test_it_goes_on_where_it_was_cut_off(tmp_path: Path, is_reopened: bool) -> None:
    path = tmp_path / "paybell.db"
    journal = filled(path)
    by_txid = Further(sought=sought(f"{3:0>64}", "regtest"))
    assert found(journal, by_txid) == []
    steps = []
    while True:
        steps.append(step(journal))
        if steps[-1] == 0:
            break
        if is_reopened:
            journal.close()
            journal = Journal(path, synchronous="OFF")
        # What comes meanwhile has its keys at once.
        journal.commit([creation(f"new {len(steps)}")])
    with closing(journal):
        assert steps == [5, 5, 5, 5, 3, 0]
        assert DirectStore(journal).search_left() == 0
        assert found(journal, by_txid) == ["p3"]
        assert found(journal, Further(flag=Flag.LATE)) == ["p20", "p3"]
        by_sum = found(journal, Further(sought=sought("50000", "regtest")))
        assert len(by_sum) == PAYMENTS + 5


def test_a_damaged_payment_costs_the_others_nothing(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "paybell.db")) as journal:
        journal.connection.execute(
            "UPDATE payments SET state = x'00ff' WHERE id = 'p20'"
        )
        while step(journal):
            pass
        assert found(journal, Further(sought=sought(f"{3:0>64}", "regtest"))) == ["p3"]


def test_one_that_is_rebuilt_of_its_events_is_found(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "paybell.db")) as journal:
        journal.connection.execute("DELETE FROM payments WHERE id = 'p3'")
        wrong = [one for _, one in differences(journal.connection) if one is not None]
        rebuilt = [one.rebuilt for one in wrong if isinstance(one.rebuilt, Payment)]
        rebuild(journal.connection, rebuilt)
        assert found(journal, Further(sought=sought(f"{3:0>64}", "regtest"))) == ["p3"]
        assert found(journal, Further(flag=Flag.LATE)) == ["p3"]
