"""Names of merchants: what is one, and that `*` is none."""

import pytest

from engine.errors import InvalidInput, InvalidMerchant
from engine.merchants.name import EVERYBODY, MAX_NAME, merchant_name


@pytest.mark.parametrize("name", ["a", "A9", "cafe.lisboa_2-b", "x" * MAX_NAME])
def test_a_name_is_letters_digits_and_three_marks(name: str) -> None:
    assert merchant_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        EVERYBODY,
        "",
        " ",
        "a b",
        "-a",
        ".a",
        "_a",
        "a\n",
        "a/b",
        "café",
        "a\x1b[31m",
        "a\u202eb",
        "١",
        "x" * (MAX_NAME + 1),
    ],
)
def test_everything_else_is_no_name(name: str) -> None:
    with pytest.raises(InvalidMerchant, match="1 to 64 letters") as caught:
        merchant_name(name)
    assert isinstance(caught.value, InvalidInput)
