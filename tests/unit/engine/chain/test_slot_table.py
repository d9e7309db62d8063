"""Numbers by a hash: as a dict of sets has them, whatever meets."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.chain.slot_table import CROWD, SlotTable

ALIKE = 5  # the bits by which the run is chosen


def key(upper: int) -> int:
    """One of many that share a run."""
    return upper << 32 | ALIKE


def test_what_was_added_under_a_hash_is_found_and_nothing_else() -> None:
    table = SlotTable()
    for number, one in enumerate((1, -1, 1 << 62, -(1 << 63), key(1), key(2))):
        table.add(one, number)
    table.add(1, 2**32 - 1)
    assert list(table.of(1)) == [0, 2**32 - 1]
    assert list(table.of(-1)) == [1]
    assert list(table.of(-(1 << 63))) == [3]
    assert 1 << 62 in table
    assert key(3) not in table
    assert list(table.of(key(3))) == []
    table.discard(1, 0)
    assert list(table.of(1)) == [2**32 - 1]


def test_bytes_that_stand_across_two_entries_are_no_entry() -> None:
    table = SlotTable()
    table.add(key(ALIKE), 7)  # its second half and its number are key(7)
    table.add(key(9), 1)
    assert key(7) not in table
    table.discard(key(7), ALIKE)  # and with what follows this entry
    assert list(table.of(key(ALIKE))) == [7]
    assert list(table.of(key(9))) == [1]
    table.add(key(7), ALIKE)
    assert list(table.of(key(7))) == [ALIKE]
    table.discard(key(7), ALIKE)
    assert key(7) not in table
    assert list(table.of(key(ALIKE))) == [7]
    assert list(table.of(key(9))) == [1]


def test_many_under_one_hash_do_not_burden_the_others_of_the_run() -> None:
    table = SlotTable()
    table.add(key(1), 1)
    for number in range(10 * CROWD):
        table.add(key(2), number)
    assert set(table.of(key(2))) == set(range(10 * CROWD))
    assert max(map(len, table._buckets)) < 12 * (CROWD + 2)
    for number in range(10 * CROWD):
        assert number in table.of(key(2))
        table.discard(key(2), number)
    assert key(2) not in table
    assert not table._crowds
    assert list(table.of(key(1))) == [1]


def test_a_table_that_grows_keeps_all_it_had_and_a_small_one_is_small() -> None:
    table = SlotTable()
    crowd = {*range(2 * CROWD)}
    for number in crowd:
        table.add(key(1), number)
    table.discard(key(1), 0)
    small = SlotTable()
    small.add(1, 1)
    assert len(small._buckets) < 100
    for number in range(5_000):
        table.add(number * 0x9E3779B97F4A7C15 % 2**63, number)
    assert len(table._buckets) > 10_000
    for number in range(5_000):
        assert list(table.of(number * 0x9E3779B97F4A7C15 % 2**63)) == [number]
    assert set(table.of(key(1))) == crowd - {0}
    assert max(map(len, table._buckets)) < 12 * CROWD


KEYS = (key(ALIKE), key(7), key(9), key(1), -1)
STEPS = st.tuples(
    st.sampled_from(("add", "add", "add", "discard", "many")),
    st.sampled_from(KEYS),
    st.sampled_from((0, 1, ALIKE, 7, 9, 2**32 - 1)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_any_history_is_that_of_a_dict_of_sets(
    steps: list[tuple[str, int, int]],
) -> None:
    table = SlotTable()
    model: dict[int, set[int]] = {one: set() for one in KEYS}
    for step, one, number in steps:
        if step == "discard":
            table.discard(one, number)
            model[one].discard(number)
        new = {*range(100, 101 + CROWD)} if step == "many" else {number}
        for number in sorted(new - model[one]) if step != "discard" else ():
            table.add(one, number)
            model[one].add(number)
        for known, numbers in model.items():
            found = list(table.of(known))
            assert (len(found), set(found)) == (len(numbers), numbers)
            assert (known in table) == bool(numbers)
