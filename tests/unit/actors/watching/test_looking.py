"""What a watcher tells the source of its payment."""

from random import Random

from msgspec.structs import replace

from actors.watching.looking import interest, question
from engine.chain.feed import Tip
from engine.payment.model import Payment
from engine.runtime.ref import Ref, Scope
from engine.runtime.simulation import SimulatedDispatcher
from tests.unit.actor_stage import Inbox
from tests.unit.payment_cases import Told


def made_at(payment: Payment, height: int, block: str) -> Payment:
    terms = replace(payment.terms, tip_height=height, tip_hash=block)
    return replace(payment, terms=terms)


def test_the_tip_that_decides_what_is_older_is_asked_about_from_the_start() -> None:
    scope = Scope(SimulatedDispatcher(Random(1)), lambda _name: Inbox())
    payment, ref = Told().payment, Ref(scope, "p")
    for height, block, since in ((7, "aa", Tip(7, "aa")), (7, "", None)):
        made = made_at(payment, height, block)
        assert interest(made, b"script", ref).since == since
        assert question(made, b"script", 0.0).since == since


def test_who_is_asked_is_told_how_high_the_chain_was_when_the_payment_was_made() -> (
    None
):
    """Kept or not, and of one from before tips were kept: as far back as there is."""
    payment = Told().payment
    assert question(made_at(payment, 7, ""), b"script", 0.0).born == 7
    assert question(payment, b"script", 0.0).born == -1
