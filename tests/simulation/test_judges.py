"""That the judges judge: by themselves, every event, and not by the engine's rules."""

import sys

from engine.payment.model import EventType
from tests.simulation.judges import JUDGES
from tests.tools import children

NOT_YET = {
    EventType.TOKEN_SAVED,
    EventType.REFUNDED,
}
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
