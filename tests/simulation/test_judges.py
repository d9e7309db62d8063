"""That the judges judge: by themselves, every event, and not by the engine's rules."""

import sys
from random import Random

from engine.chain.feed import ChainView
from engine.payment.model import EventType, Terms
from tests.simulation.chain import SimChain, address_of, script_of
from tests.simulation.judges import JUDGES
from tests.simulation.judges.views import is_not_as_served
from tests.simulation.record import Record
from tests.tools import children

NOT_YET = {EventType.TOKEN_SAVED}
"""No payment on the chain is told these today; in a world such an event is a broken
rule."""


def test_every_event_has_its_judge() -> None:
    assert JUDGES.keys() | NOT_YET == set(EventType)
    assert not JUDGES.keys() & NOT_YET


def test_the_judges_know_nothing_of_the_engines_rules() -> None:
    """What they import, directly or not, holds none of the judged code."""
    program = (
        "import sys, tests.simulation.judges\n"
        "print(*(m for m in sys.modules if m.startswith(('engine.', 'actors.'))))"
    )
    answer = children.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = set(answer.stdout.split())
    judged = {name for name in imported if name.startswith("engine.payment.")}
    nouns = {
        f"engine.payment.{noun}"
        for noun in (
            "changed",
            "events",
            "forwarding",
            "lightning_terms",
            "model",
            "money_terms",
            "observations",
            "order",
            "times",
        )
    }
    assert judged == nouns
    assert not [name for name in imported if name.startswith("actors.")]


def test_a_branch_that_came_and_went_within_a_round_hides_what_it_had_mined() -> None:
    """Of that moment only the mempool was asked for (money, world 3910)."""
    chain = SimChain(1_760_000_000)
    script = script_of("order")
    tx = chain.pay([(script, 1_000)])
    here = chain.now
    there = chain.rival(Random(4))
    assert tx.txid not in there.pool
    assert chain.has(there, tx.txid)
    view = ChainView("source0", here.tip, ())
    for served, is_right in (((here, there, here), True), ((here,), False)):
        record = Record(chain)
        for seen in served:
            record.on_answer("source0", 7, seen)
        wrong = is_not_as_served(record, script, _terms(), view, 7)
        assert (wrong is None) == is_right, wrong


def _terms() -> Terms:
    return Terms(
        id="p",
        network="regtest",
        address=address_of("order"),
        amount_sat=1_000,
        tolerance_sat=0,
        confirmations_required=1,
        created_at=0,
        expires_at=0,
        monitor_until=0,
        poll_interval_s=30,
    )
