"""A mempool's names, read some at a time."""

import json

import pytest

from engine.errors import SourceGarbage
from transport.chain import hash_list
from transport.chain.hash_list import NAMES_PER_STEP, read_hashes

WHERE = "node: getrawmempool"


def names(count: int) -> list[str]:
    return [f"{number:064x}" for number in range(count)]


def compact(listed: list[str]) -> bytes:
    """As Bitcoin Core and bcoin write it."""
    return json.dumps(listed, separators=(",", ":")).encode()


@pytest.mark.parametrize("count", [0, 1, 2, NAMES_PER_STEP, NAMES_PER_STEP + 1])
def test_all_names_are_read(count: int) -> None:
    assert read_hashes(compact(names(count)), WHERE) == frozenset(names(count))


def test_others_have_their_turn_after_so_many_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    yields: list[None] = []
    monkeypatch.setattr(hash_list, "yield_to_hub", lambda: yields.append(None))
    read_hashes(compact(names(3 * NAMES_PER_STEP + 1)), WHERE)
    assert len(yields) == 4
    assert NAMES_PER_STEP == 5_000


def test_names_that_are_written_otherwise_are_read_as_well() -> None:
    text = json.dumps(names(3), indent=2).encode()
    assert read_hashes(text, WHERE) == frozenset(names(3))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"[", b"{"),
        (b"]", b","),
        (b'0","0', b'0", "0'[:5]),
        (b"1", b"g"),
        (b"1", b"A"),
        (b'2",', b'2"]'),
        (b'2",', b'2"}'),
        (b'2","', b'2",,"'),
        (b'1"', b"1\\"),
    ],
)
def test_what_is_no_list_of_hashes_is_garbage(right: bytes, wrong: bytes) -> None:
    text = compact(names(4))
    assert right in text
    with pytest.raises(SourceGarbage, match="getrawmempool"):
        read_hashes(text.replace(right, wrong, 1), WHERE)


def test_a_name_of_another_length_is_garbage() -> None:
    with pytest.raises(SourceGarbage, match="64 hex digits"):
        read_hashes(compact(["0" * 63, "0" * 65]), WHERE)
