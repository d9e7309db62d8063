"""Death at each point between a page, its payments and the cursor: each paid invoice is
confirmed once, whenever the process ends. The same actors and the same journal, in
simulated time; after the crash a new process begins with what is on disk."""

from pathlib import Path
from typing import Any

from engine.payment.events import opening
from engine.payment.lightning_terms import Invoice, lightning_key
from engine.payment.model import EventType
from engine.store.sqlite.journal import Journal
from engine.store.writes import Entry, Write
from tests.unit.actors.lightning.life import Life
from tests.unit.actors.lightning.shop import PlayedNode, hash_of
from tests.unit.payment_cases import EXPIRY, terms

ORDERS = 5


def created(life: Life, number: int) -> None:
    invoice = Invoice(
        node="shop",
        payment_hash=hash_of(number),
        bolt11=f"lnbcrt500u1p{number}",
        amount_msat=50_000_000,
        expires_at=EXPIRY,
    )
    fields: dict[str, Any] = {
        "id": f"p{number}",
        "method": "lightning",
        "address": lightning_key(invoice.payment_hash),
        "confirmations_required": 0,
        "lightning": invoice,
    }
    event, payment = opening(terms(**fields))
    life.stage.append(Write(entries=(Entry(payment, (event,)),)))


def paid_by(lightning: PlayedNode) -> None:
    """With one that is not ours, and one that comes twice."""
    lightning.pay(1, 2, 99, 3, 1, 4, 5)


def counts(life: Life) -> dict[str, int]:
    stored = life.stage.store.events_after(0, 1_000)
    events = [one.event for one in stored]
    return {
        f"p{number}": sum(
            one.type is EventType.CONFIRMED and one.payment_id == f"p{number}"
            for one in events
        )
        for number in range(1, ORDERS + 1)
    }


def test_each_paid_invoice_is_confirmed_once_wherever_the_process_dies(
    tmp_path: Path,
) -> None:
    seed, steps, died = 1, 0, True
    while died:
        lightning = PlayedNode(page=2)
        journal = Journal(tmp_path / f"{seed}-{steps}.db", synchronous="OFF")
        life = Life(tmp_path, journal, lightning, seed)
        for number in range(1, ORDERS + 1):
            created(life, number)
        life.stage.run()
        life.begin()
        assert life.cursor == "#0"
        paid_by(lightning)
        life.nudge()
        died = life.dies_after(steps)
        life = Life(tmp_path, journal, lightning, seed + 1)
        life.begin()
        assert counts(life) == {f"p{number}": 1 for number in range(1, ORDERS + 1)}
        assert life.cursor == "#7"
        journal.close()
        steps += 1 if steps < 30 else 5
    assert steps > 40, "it died at many places"
