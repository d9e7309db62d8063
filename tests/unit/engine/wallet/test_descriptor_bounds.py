"""Descriptors at their very bounds, and what a second library says of them."""

from typing import Any

import bdkpython as bdk
import pytest

from engine.errors import InvalidDescriptor
from engine.wallet.descriptor import MAX_LENGTH, Descriptor, read_descriptor
from engine.wallet.extended_key import HARDENED
from engine.wallet.output_script import output_script
from tests.unit.engine.wallet.wallet_cases import MAIN, TPUB, VPUB, YPUB, ZPUB

XPUB = MAIN[84]
ONE = f"wpkh({XPUB}/0/*)"


def read(text: str, network: str = "mainnet") -> Descriptor:
    return read_descriptor(text, network)


def refusal(text: str, network: str = "mainnet") -> str:
    with pytest.raises(InvalidDescriptor) as caught:
        read_descriptor(text, network)
    return str(caught.value)


def test_the_last_index_has_an_address_and_no_other_is_behind_it() -> None:
    made, last = read(ONE), HARDENED - 1
    assert made.address(last) == made.addresses(last - 1, 2)[1]
    with pytest.raises(AssertionError, match="no more addresses"):
        made.address(HARDENED)


def test_it_may_be_so_long_and_no_longer() -> None:
    assert read(ONE.ljust(MAX_LENGTH)) == read(ONE)
    assert "longer than" in refusal(ONE.ljust(MAX_LENGTH + 1))


@pytest.mark.parametrize("strange", ["é", "\x07", " "])
def test_a_letter_that_no_descriptor_has_is_named_as_the_reason(strange: str) -> None:
    assert "letters, digits and" in refusal(ONE.replace("/0", f"/{strange}0"))


@pytest.mark.parametrize("mark", ["<", ">", ";"])
def test_each_mark_of_several_paths_is_known_by_itself(mark: str) -> None:
    assert "several paths" in refusal(f"wpkh({XPUB}/0{mark}/*)")


@pytest.mark.parametrize(
    "text",
    ["wsh(multi(1,{}/0/*)", "wsh(multi(1,{}/0/*)))", "sh(wsh(multi(1,{}/0/*))))"],
)
def test_brackets_of_several_keys_are_counted_too(text: str) -> None:
    assert "brackets" in refusal(text.format(XPUB))


@pytest.mark.parametrize(("form", "most"), [("sh", 15), ("wsh", 20)])
def test_as_many_keys_as_a_script_can_have_are_taken(form: str, most: int) -> None:
    def of(count: int) -> str:
        keys = ",".join(f"{XPUB}/{number}/*" for number in range(count))
        return f"{form}(multi(1,{keys}))"

    assert len(read(of(most)).parents) == most
    assert f"of {most} at most" in refusal(of(most + 1))


@pytest.mark.parametrize("count", [16, 17])
def test_the_last_number_with_an_opcode_and_the_first_without(count: int) -> None:
    keys = ",".join(f"{XPUB}/{number}/*" for number in range(count))
    assert read(f"wsh(multi({count},{keys}))").needed == count


def test_there_is_no_script_of_one_key_for_a_form_of_several() -> None:
    with pytest.raises(AssertionError, match="no script of one key"):
        output_script("wsh", bytes(33))


def test_all_of_the_keys_may_be_needed() -> None:
    assert read(f"wsh(multi(2,{XPUB}/0/*,{XPUB}/1/*))").needed == 2


def test_the_path_of_several_keys_is_that_below_the_first() -> None:
    assert read(f"wsh(multi(1,{XPUB}/3/4/*,{XPUB}/5/*))").path(7) == "3/4/7"
    assert read(f"wsh(multi(1,{XPUB}/*,{XPUB}/5/*))").path(7) == "*/7"


def test_a_key_that_was_given_alone_has_its_path_below_itself() -> None:
    assert read(f"wpkh({XPUB}/*)").path(7) == "*/7"
    assert read(ZPUB).path(7) == "m/84'/0'/0'/0/7"
    assert read(YPUB).path(7) == "m/49'/0'/0'/0/7"


def test_a_key_of_another_network_is_said_to_be_of_which() -> None:
    assert "its key is of testnet, signet or regtest" in refusal(VPUB)
    assert "its key is of mainnet" in refusal(ZPUB, "regtest")
    assert "its key is of mainnet" in refusal(ONE, "testnet")
    assert "is of testnet, signet" in refusal(f"wsh(multi(1,{TPUB}/0/*))")


def test_an_identity_has_32_digits() -> None:
    identity = read(ONE).identity
    assert len(identity) == 32
    int(identity, 16)


# -- the second opinion ----------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1, 1_000])
def test_a_library_that_derives_one_other_address_has_it_refused(
    index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = bdk.Descriptor

    class Another:
        def __init__(self, text: str, kind: Any) -> None:
            self._right = right(text, kind)

        def derive_address(self, asked: int, network: Any) -> Any:
            other = asked + 1 if asked == index else asked
            return self._right.derive_address(other, network)

    monkeypatch.setattr(bdk, "Descriptor", Another)
    assert "derive different addresses" in refusal(ONE)


def test_what_a_second_library_refuses_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Strange(bdk.DescriptorError):  # type: ignore[misc]  # it has no types
        pass

    def refuses(_text: str, _kind: Any) -> Any:
        raise Strange

    monkeypatch.setattr(bdk, "Descriptor", refuses)
    assert "a second library refuses it (Strange)" in refusal(ONE)
