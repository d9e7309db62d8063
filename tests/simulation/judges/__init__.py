"""The judges: why was it told, to whom, and what was left out.

One for every type of event. A judge is given the event, the payment as it was before
(kept by `book.py` from the events alone) and the record of what the sources really
showed, and says what is wrong, or nothing. None knows the engine's rules: this package
imports nothing of `engine.payment` but its nouns (a test checks that).
"""

from tests.simulation.judges.bench import JUDGES, Judges
from tests.simulation.judges.book import Book
from tests.simulation.judges.orders import OrderJudge

__all__ = ["JUDGES", "Book", "Judges", "OrderJudge"]
