"""How often something became owed anew, of whom."""

from actors.facts.redeliveries import Redeliveries


def test_a_merchant_is_concerned_by_its_own_and_by_those_of_all() -> None:
    counts = Redeliveries()
    assert counts.of("ann") == 0
    counts.count("ann")
    counts.count("ann")
    counts.count(None)
    assert (counts.of("ann"), counts.of("bob")) == (3, 1)
