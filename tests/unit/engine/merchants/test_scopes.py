"""Rights of keys: which a key has, and which must be asked for."""

import pytest

from engine.errors import InvalidInput
from engine.merchants.scopes import Scope, default_scopes, scopes_of


def test_a_key_without_words_can_what_keys_always_could_and_moves_no_money() -> None:
    assert default_scopes("ann") == ("read", "create", "confirm", "settings")
    assert default_scopes(None) == (*default_scopes("ann"), "operator")
    assert Scope.REFUND not in default_scopes(None)


def test_scopes_are_read_once_each_and_in_their_order() -> None:
    found = scopes_of(["refund", "read", "refund"], "ann")
    assert found == (Scope.READ, Scope.REFUND)
    assert scopes_of(["operator"], None) == (Scope.OPERATOR,)


@pytest.mark.parametrize(
    ("words", "merchant", "said"),
    [
        ([], None, "at least one"),
        (["read", "write"], None, "there is no scope 'write'; scopes: read, create"),
        (["operator"], "ann", "only for a key of the whole node"),
    ],
)
def test_what_is_no_right_is_told(
    words: list[str], merchant: str | None, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        scopes_of(words, merchant)
