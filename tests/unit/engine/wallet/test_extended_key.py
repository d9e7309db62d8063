"""Extended public keys at their bounds: which reason is given for what is none."""

import pytest
from embit import base58

from engine.errors import InvalidDescriptor
from engine.wallet.extended_key import read_extended_key
from tests.unit.engine.wallet.wallet_cases import MAIN, TPRV

XPUB = MAIN[84]


def refusal(text: str) -> str:
    with pytest.raises(InvalidDescriptor) as caught:
        read_extended_key(text)
    return str(caught.value)


def test_a_private_key_is_refused_whoever_asks() -> None:
    assert "private key" in refusal(TPRV)


@pytest.mark.parametrize("length", [10, 99, 121])
def test_what_has_not_the_length_of_one_is_no_key(length: int) -> None:
    assert "no extended public key" in refusal("1" * length)


@pytest.mark.parametrize("length", [100, 120])
def test_what_may_be_one_by_its_length_is_looked_into(length: int) -> None:
    assert "bytes, not 82" in refusal("1" * length)


@pytest.mark.parametrize("strange", ["0", "O", "l"])
def test_letters_that_base58_has_not_are_the_reason(strange: str) -> None:
    assert "letters that no xpub has" in refusal(XPUB[:50] + strange + XPUB[51:])


@pytest.mark.parametrize("length", [77, 79])
def test_a_key_of_another_size_is_named_by_its_size(length: int) -> None:
    text = base58.encode_check(bytes.fromhex("0488b21e") + bytes(length - 4))
    assert f"its key has {length + 4} bytes" in refusal("1" * (100 - len(text)) + text)
