"""What was to pay a refund before, and may yet be mined: what pays it now excludes."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors.money.refund_payer import excludes, is_too_soon, of_tries_first


def coin(name: str) -> Any:
    return SimpleNamespace(outpoint=(name, 0))


def plan(*names: str) -> Any:
    return SimpleNamespace(coins=tuple(coin(name) for name in names))


def tried(*names: str, lost: tuple[str, ...] = ()) -> Any:
    return SimpleNamespace(plan=plan(*names), lost=tuple((n, 0) for n in lost))


@pytest.mark.parametrize(
    ("now", "tries", "is_safe"),
    [
        (plan("a"), [], True),
        (plan("a"), [tried("a", "b")], True),
        (plan("c"), [tried("a", "b")], False),
        (plan("a", "c"), [tried("a"), tried("b")], False),
        (plan("a", "b"), [tried("a"), tried("b")], True),
        (plan("c"), [tried("a", lost=("a",))], True),
        (plan("c"), [tried("a", lost=("a",)), tried("b")], False),
    ],
)
def test_no_earlier_try_can_be_mined_beside_it(
    now: Any, tries: Any, is_safe: bool
) -> None:
    assert excludes(now, tries) is is_safe


def test_what_an_earlier_try_spends_is_taken_first() -> None:
    coins = [coin(name) for name in "abcd"]
    first = of_tries_first(coins, [tried("c"), tried("d")])
    assert [one.outpoint[0] for one in first] == ["c", "d", "a", "b"]


def test_bytes_that_no_node_takes_are_tried_again_ever_more_seldom() -> None:
    """A day of a node that does not change its mind is some rows, not a thousand."""
    tries: list[Any] = [SimpleNamespace(txid="another", at=0)]
    for minute in range(24 * 60):
        if not is_too_soon("t", tries, minute * 60_000):
            tries.append(SimpleNamespace(txid="t", at=minute * 60_000))
    minutes = [one.at // 60_000 for one in tries[1:]]
    assert minutes == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
