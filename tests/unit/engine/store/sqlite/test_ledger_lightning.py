"""The books of payments that Lightning paid, as `run.py ledger check` sees them."""

from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from engine.payment.events import opening
from engine.payment.model import Status, Terms
from engine.payment.observations import Observation
from engine.payment.rules import decide, evolve
from engine.store.sqlite.checksum import state_crc
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.ledger_check import findings
from engine.store.writes import Committed, Entry, Write
from tests.tools.direct_store import DirectStore
from tests.unit.payment_cases import (
    EXPIRY,
    T0,
    both_terms,
    gone,
    lightning_terms,
    mempool,
    mined,
    settled,
    view,
)

HALF = 25_000
LOST = view(mempool("t1", HALF), off_chain=(mined("t1", 998).block_hash or "",))
LOST_30 = view(mempool("t1", 30_000), off_chain=(mined("t1", 998).block_hash or "",))


def told(journal: Journal, agreed: Terms, *observations: Observation) -> Status:
    event, payment = opening(agreed)
    journal.commit([Write((Entry(payment, (event,)),))])
    for observation in observations:
        at = EXPIRY if observation == gone() else T0
        events = decide(payment, observation, at)
        for event in events:
            payment = evolve(payment, event)
        if events:
            (outcome,) = journal.commit([Write((Entry(payment, tuple(events)),))])
            assert isinstance(outcome, Committed)
    return payment.status


STORIES: dict[str, tuple[Terms, tuple[Observation, ...], dict[str, int]]] = {
    "paid": (
        lightning_terms(),
        (settled(fee_msat=1_000_000),),
        {"sales": -50_000, "lightning:shop": 49_000, "fees": 1_000},
    ),
    "too little, and over": (
        lightning_terms(),
        (settled(HALF), gone()),
        {"held": -HALF, "lightning:shop": HALF},
    ),
    "half by each way": (
        both_terms(),
        (settled(HALF), view(mined("t1", 998, HALF))),
        {"sales": -50_000, "lightning:shop": HALF, "onchain": HALF},
    ),
    "half by each way, and a reorganisation": (
        both_terms(),
        (settled(HALF, fee_msat=9), view(mined("t1", 998, HALF)), LOST),
        {"sales": 0, "lightning:shop": 0, "onchain": 0, "fees": 0},
    ),
    "unlike parts, and a reorganisation": (
        both_terms(),
        (settled(20_000), view(mined("t1", 998, 30_000)), LOST_30),
        {"sales": 0, "lightning:shop": 0, "onchain": 0},
    ),
    "both in full": (
        both_terms(),
        (view(mined("t1", 998)), settled()),
        {"sales": -100_000, "lightning:shop": 50_000, "onchain": 50_000},
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_each_story_adds_up_and_the_check_finds_nothing(
    tmp_path: Path, story: str
) -> None:
    agreed, observations, wanted = STORIES[story]
    journal = Journal(tmp_path / "ledger.db", synchronous="OFF")
    told(journal, agreed, *observations)
    store = DirectStore(journal)
    assert {
        account: store.balance("default", "sat", account) for account in wanted
    } == wanted
    assert list(findings(journal.connection)) == []
    journal.close()


def test_a_payment_that_did_not_come_by_lightning_is_found(tmp_path: Path) -> None:
    agreed, observations, _ = STORIES["paid"]
    journal = Journal(tmp_path / "ledger.db", synchronous="OFF")
    told(journal, agreed, *observations)
    payment = DirectStore(journal).payment(agreed.id)
    assert payment is not None
    (receipt,) = payment.receipts
    by_chain = replace(receipt, settled=UNSET, confirmations=9)
    state = msgspec.json.encode(replace(payment, receipts=(by_chain,)))
    journal.connection.execute(
        "UPDATE payments SET state = ?, crc = ?", (state, state_crc(state))
    )
    said = "\n".join(findings(journal.connection))
    assert "lightning_sat=0" in said
    assert "lightning_sat=50000" in said
    journal.close()
