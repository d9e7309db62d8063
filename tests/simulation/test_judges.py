"""That the judges judge: by themselves, every event, and not by the engine's rules."""

import json
import sys
from random import Random

import pytest

from engine.chain.feed import ChainView, SourceStatus
from engine.payment.events import Change, Event
from engine.payment.model import EventType, Status
from tests.simulation.chain import SimChain
from tests.simulation.judge_cases import SCRIPT, TERMS
from tests.simulation.judges import JUDGES
from tests.simulation.judges.book import Book
from tests.simulation.judges.case import Case
from tests.simulation.judges.deadlines import expired
from tests.simulation.judges.views import is_not_as_served
from tests.simulation.record import Record, Shown
from tests.tools import children

OF_CARDS = {EventType.TOKEN_SAVED}
"""No payment on the chain is told these, so that in its worlds they break a rule. They
are judged in worlds of payments by card (`tests/simulation/test_cards.py`)."""


def test_every_event_has_its_judge() -> None:
    assert JUDGES.keys() | OF_CARDS == set(EventType)
    assert not JUDGES.keys() & OF_CARDS


#: Of `engine.payment`, what is only a record or a name of something.
NOUNS = {
    "changed",
    "events",
    "forwarding",
    "lightning_terms",
    "model",
    "money_terms",
    "observations",
    "order",
    "times",
}
FOR_MONEY = NOUNS | {"history", "refund"}
FOR_A_TILL = {"forwarding", "lightning_terms", "model", "money_terms"}

#: Formats: how an address, a transaction or a time is written.
FORMATS = {
    "decode_tx",
    "iso",
    "make_tx",
    "pack",
    "parse_address",
    "parse_tx",
    "script_to_address",
}


@pytest.mark.parametrize(
    ("judge", "nouns"),
    [
        ("judges", NOUNS),
        ("money_judge", FOR_MONEY),
        ("refund_judge", FOR_MONEY),
        ("till_judge", FOR_A_TILL),
    ],
)
def test_the_judges_know_nothing_of_the_engines_rules(
    judge: str, nouns: set[str]
) -> None:
    """What they import, directly or not, holds none of the judged code; and no function
    of the engine is called by them but those that read a format."""
    program = f"""
import json, sys, types, tests.simulation.{judge}
loaded = dict(sys.modules)
ours = [m for name, m in loaded.items() if name.startswith("tests.simulation.")]
called = {{
    value.__name__
    for module in ours
    for value in vars(module).values()
    if isinstance(value, types.FunctionType)
    and value.__module__.startswith(("engine.", "actors."))
}}
print(json.dumps([list(loaded), list(called)]))
"""
    answer = children.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded, called = map(set, json.loads(answer.stdout))
    judged = {name for name in loaded if name.startswith("engine.payment.")}
    assert judged == {f"engine.payment.{noun}" for noun in nouns}
    assert not [name for name in loaded if name.startswith("actors.")]
    assert called <= FORMATS


@pytest.mark.parametrize(
    ("served", "named", "is_right"),
    [
        ("here, there, here", "there", True),
        ("here, there, here", "here", False),
        ("here", "here", False),
    ],
)
def test_a_branch_that_came_and_went_within_a_round_hides_what_it_had_mined(
    served: str, named: str, is_right: bool
) -> None:
    """If it was there when the mempool was named (money, world 3910): if not, the money
    was named (world 77914)."""
    chain = SimChain(1_760_000_000)
    tx = chain.pay([(SCRIPT, 1_000)])
    here, there = chain.now, chain.rival(Random(4))
    assert tx.txid not in there.pool
    assert chain.has(there, tx.txid)
    at = {"here": here, "there": there}
    record = Record(chain)
    for name in served.split(", "):
        record.on_answer("source0", 7, at[name])
    record.on_names("source0", at[named])
    for _ in range(2):
        record.on_status("source0", 7, SourceStatus(here.tip))
    view = ChainView("source0", here.tip, ())
    wrong = is_not_as_served(record, SCRIPT, TERMS, view, 7)
    assert (wrong is None) == is_right, wrong
    assert (expired(_expiry(record)) is None) == is_right


def _expiry(record: Record) -> Case:
    """It expires at 7, by what was asked for then."""
    event = Event(
        payment_id="p",
        seq=2,
        type=EventType.EXPIRED,
        at=7,
        status=Status.EXPIRED,
        flags=(),
        received_sat=0,
        confirmations=0,
        txid=None,
        data=Change(),
    )
    shown = [Shown("source0", 7, 7, 7)]
    book = Book(TERMS)
    return Case(record, SCRIPT, book, event, [], shown, shown)
