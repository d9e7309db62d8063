"""The merkle root, made while the hashes come."""

from hashlib import sha256

import pytest

from engine.bitcoin import merkle
from engine.bitcoin.merkle import LEAVES, MerkleTree, merkle_root


def leaf(number: int) -> bytes:
    return number.to_bytes(32, "little")


def leaves(count: int) -> list[bytes]:
    return [leaf(number) for number in range(count)]


def together(left: bytes, right: bytes) -> bytes:
    return sha256(sha256(left + right).digest()).digest()


def by_levels(nodes: list[bytes]) -> bytes:
    """As Bitcoin Core has it (consensus/merkle.cpp): level by level, to the top."""
    while len(nodes) > 1:
        if len(nodes) % 2:
            nodes.append(nodes[-1])
        nodes = [
            together(nodes[at], nodes[at + 1]) for at in range(0, len(nodes), 2)
        ]  # fmt: skip
    return nodes[0]


@pytest.mark.parametrize(
    "count",
    [
        *range(1, 20),
        *(full + more for full in (LEAVES, 2 * LEAVES, 5 * LEAVES)
          for more in (-1, 0, 1, 2, 3, LEAVES // 2, LEAVES // 2 + 1)),
    ],
)  # fmt: skip
def test_it_is_the_root_that_all_levels_have(count: int) -> None:
    tree = MerkleTree()
    for one in leaves(count):
        tree.add(one)
    assert tree.root() == by_levels(leaves(count)) == merkle_root(leaves(count))
    assert not tree.doubled, "that the last counts twice is no forgery"


@pytest.mark.parametrize("count", [3, 6, LEAVES + 1, LEAVES + 6, 3 * LEAVES])
def test_hashes_that_were_repeated_have_the_same_root_and_are_noticed(
    count: int,
) -> None:
    """CVE-2012-2459: what the odd level repeats by itself is repeated by hand."""
    all_of_them = leaves(count)
    repeated = 1
    while count // repeated % 2 == 0:
        repeated *= 2
    tree = MerkleTree()
    for one in all_of_them + all_of_them[-repeated:]:
        tree.add(one)
    assert tree.root() == merkle_root(all_of_them)
    assert tree.doubled


def test_equal_neighbours_that_are_no_pair_are_no_forgery() -> None:
    tree = MerkleTree()
    for one in (leaf(1), leaf(2), leaf(2), leaf(3)):
        tree.add(one)
    tree.root()
    assert not tree.doubled


def test_no_step_hashes_more_than_one_small_subtree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All at once are as many steps as a block has transactions, up to 60,000."""
    made = 0

    def counted(data: bytes) -> object:
        nonlocal made
        made += 1
        return sha256(data)

    monkeypatch.setattr(merkle, "sha256", counted)
    tree, most = MerkleTree(), 0
    for one in leaves(20 * LEAVES + 5):
        before = made
        tree.add(one)
        most = max(most, made - before)
    before = made
    tree.root()
    most = max(most, made - before)
    assert most <= 2 * LEAVES == 256
