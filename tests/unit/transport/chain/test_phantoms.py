"""Names without transactions: what is asked for again, and when."""

from transport.chain.phantoms import AGAIN_S, MAX_MISSED, Phantoms


def test_what_has_left_in_between_is_no_phantom() -> None:
    phantoms = Phantoms(lambda: 0.0)
    names = frozenset({"a", "b"})
    assert phantoms.taken_from(names) is names
    phantoms.missed("a")
    assert phantoms.taken_from(frozenset({"b"})) == {"b"}
    assert phantoms.taken_from(names) == names, "it came back"


def test_what_is_named_again_is_asked_for_once_more() -> None:
    """It may have come back between two lists: a block that took it was undone, or
    what had replaced it left."""
    phantoms = Phantoms(lambda: 0.0)
    names = frozenset({"a", "b"})
    phantoms.missed("a")
    assert phantoms.taken_from(names) == names
    phantoms.found("a")
    phantoms.missed("a")
    assert phantoms.taken_from(names) == names, "it was there in between"


def test_what_is_missed_twice_is_left_out_for_a_while() -> None:
    clock = [100.0]
    phantoms = Phantoms(lambda: clock[0])
    names = frozenset({"a", "b"})
    phantoms.missed("a")
    assert phantoms.taken_from(names) == names
    assert phantoms.taken_from(names) == names, "it was not asked for again"
    phantoms.missed("a")
    assert phantoms.taken_from(names) == {"b"}
    clock[0] += AGAIN_S / 2
    assert phantoms.taken_from(names) == {"b"}
    clock[0] += AGAIN_S / 2
    assert phantoms.taken_from(names) == names, "to be asked for anew"
    phantoms.missed("a")
    assert phantoms.taken_from(names) == {"b"}, "it is known by now"


def test_no_more_is_remembered_than_is_named() -> None:
    phantoms = Phantoms(lambda: 0.0)
    names = frozenset(map(str, range(1_000)))
    for left in (names, frozenset()):
        for name in names:
            phantoms.missed(name)
        assert phantoms.taken_from(names) == left
    assert phantoms.taken_from(frozenset({"1", "x"})) == {"x"}
    assert phantoms.taken_from(names) == names - {"1"}


def test_what_was_missed_and_is_found_is_no_phantom() -> None:
    phantoms = Phantoms(lambda: 0.0)
    phantoms.missed("a")
    phantoms.found("a")
    phantoms.found("b")
    assert phantoms.taken_from(frozenset({"a", "b"})) == {"a", "b"}


def test_what_is_missed_without_a_list_is_bounded() -> None:
    phantoms = Phantoms(lambda: 0.0)
    for number in range(MAX_MISSED + 10):
        phantoms.missed(str(number))
    assert len(phantoms._missed) == MAX_MISSED
