"""Where a node's blocks begin: found with few questions."""

from hypothesis import given
from hypothesis import strategies as st

from transport.chain.block_search import first_present


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_the_first_block_that_is_there_is_found_by_halves(low: int, more: int) -> None:
    first = low + more
    asked: list[int] = []

    def is_missing(height: int) -> bool:
        assert height > low
        asked.append(height)
        return height < first

    assert first_present(is_missing, low) == first
    assert len(asked) <= 3 * more.bit_length() + 2
