"""Sealing: only this key, for this owner; and nothing to see in a repr."""

import base64

import pytest

from engine.errors import WrongKey
from engine.secrets.vault import Vault

KEY, OTHER = b"k" * 32, b"o" * 32
SECRET = b"whsec of a shop"


def test_what_is_sealed_opens_for_its_owner() -> None:
    sealed = Vault(KEY).seal(SECRET, "ch_1")
    assert Vault(KEY).open(sealed, "ch_1") == SECRET
    assert SECRET not in base64.b64decode(sealed)


def test_the_same_secret_is_never_sealed_alike() -> None:
    vault = Vault(KEY)
    assert vault.seal(SECRET, "ch_1") != vault.seal(SECRET, "ch_1")


@pytest.mark.parametrize(("key", "owner"), [(OTHER, "ch_1"), (KEY, "ch_2")])
def test_another_key_or_owner_opens_nothing(key: bytes, owner: str) -> None:
    sealed = Vault(KEY).seal(SECRET, "ch_1")
    with pytest.raises(WrongKey, match=rf"{owner} was sealed with another key"):
        Vault(key).open(sealed, owner)


def test_what_was_tampered_with_or_cut_short_does_not_open() -> None:
    raw = bytearray(base64.b64decode(Vault(KEY).seal(SECRET, "ch_1")))
    raw[-1] ^= 1
    for damaged in (bytes(raw), bytes(raw[:5]), b""):
        with pytest.raises(WrongKey):
            Vault(KEY).open(base64.b64encode(damaged).decode(), "ch_1")
    with pytest.raises(WrongKey):
        Vault(KEY).open("not base64!", "ch_1")


def test_a_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 32 bytes"):
        Vault(b"short")


def test_neither_repr_nor_error_shows_key_or_secret() -> None:
    vault = Vault(KEY)
    assert repr(vault) == "<Vault>"
    sealed = vault.seal(SECRET, "ch_1")
    with pytest.raises(WrongKey) as caught:
        Vault(OTHER).open(sealed, "ch_1")
    assert sealed not in str(caught.value)


def test_a_client_secret_belongs_to_one_payment_of_one_node() -> None:
    vault = Vault(KEY)
    secret = vault.client_secret("pay_1")
    assert secret.startswith("cs_")
    assert len(secret) == 3 + 32
    assert vault.client_secret("pay_1") == secret
    assert vault.is_client_secret("pay_1", secret)
    for wrong in (secret[:-1], "", "cs_ä", vault.client_secret("pay_2")):
        assert not vault.is_client_secret("pay_1", wrong)
    assert not Vault(OTHER).is_client_secret("pay_1", secret)
