"""Seeds and their accounts, by the vectors that the BIPs and their lists give."""

import copy
import pickle
from hashlib import sha256

import pytest
from bit.format import bytes_to_wif
from embit import bip39
from embit.bip32 import HDKey

from engine.bitcoin.address import script_to_address
from engine.errors import InvalidInput
from engine.wallet.coin import SpendKind
from engine.wallet.descriptor import read_descriptor
from engine.wallet.seed import account_of, checked_words, new_words

ABANDON = " ".join(["abandon"] * 11 + ["about"])
ART = " ".join(["abandon"] * 23 + ["art"])


def address(kind: SpendKind, network: str, index: int, words: str = ABANDON) -> str:
    account = account_of(words, "", kind, network)
    shown = script_to_address(account.key(index).script(kind), network)
    assert shown is not None
    return shown


@pytest.mark.parametrize(
    ("words", "seed"),
    [  # github.com/trezor/python-mnemonic, vectors.json, passphrase TREZOR
        (
            ABANDON,
            "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a698"
            "7599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
        ),
        (
            ART,
            "bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d"
            "73245cafa9c3cca8d561a7c3de6f5d4a10be8ed2a5e608d68f92fcc8",
        ),
    ],
)
def test_words_give_the_seeds_of_bip39(words: str, seed: str) -> None:
    assert bip39.mnemonic_to_seed(checked_words(words), "TREZOR").hex() == seed


def test_a_seed_gives_the_keys_of_bip32() -> None:
    root = HDKey.from_seed(bytes(range(16)))  # BIP 32, test vector 1
    assert root.to_base58() == (
        "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6"
        "LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"
    )
    assert root.derive("m/0h").to_base58() == (
        "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYU"
        "hd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7"
    )


def test_the_account_of_bip84() -> None:
    account = account_of(ABANDON, "", "p2wpkh", "mainnet")
    assert account.path == "m/84'/0'/0'"
    assert address("p2wpkh", "mainnet", 0) == (
        "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
    )
    assert address("p2wpkh", "mainnet", 1) == (
        "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"
    )
    wif = bytes_to_wif(account.key(0).secret(), version="main", compressed=True)
    assert wif == "KyZpNDKnfs94vbrwhJneDi77V6jF64PWPF8x5cdJb8ifgg2DUc9d"


def test_the_account_of_bip86() -> None:
    assert address("p2tr", "mainnet", 0) == (
        "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"
    )
    assert address("p2tr", "mainnet", 1) == (
        "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh"
    )


def test_the_account_of_bip49_on_testnet() -> None:
    account = account_of(ABANDON, "", "p2sh-p2wpkh", "testnet")
    assert account.path == "m/49'/1'/0'"
    assert address("p2sh-p2wpkh", "testnet", 0) == "2Mww8dCYPUpKHofjgcXcBCEGmniw9CoaiD2"
    wif = bytes_to_wif(account.key(0).secret(), version="test", compressed=True)
    assert wif == "cULrpoZGXiuC19Uhvykx7NugygA3k86b3hmdCeyvHYQZSxojGyXJ"


def test_the_account_of_bip44() -> None:
    assert address("p2pkh", "mainnet", 0) == "1LqBGSKuX5yYUonjxT5qGfpUsXKYYWeabA"


@pytest.mark.parametrize("kind", ["p2pkh", "p2sh-p2wpkh", "p2wpkh", "p2tr"])
@pytest.mark.parametrize("network", ["mainnet", "regtest"])
def test_its_public_descriptor_gives_the_same_addresses(
    kind: SpendKind, network: str
) -> None:
    account = account_of(ABANDON, "more", kind, network, 3)
    public = read_descriptor(account.descriptor, network)
    for index in (0, 1, 77):
        key = account.key(index)
        assert public.address(index) == script_to_address(key.script(kind), network)
        assert public.path(index) == f"{account.path}/0/{index}"


def test_the_passphrase_of_bip39_makes_another_wallet() -> None:
    plain = account_of(ABANDON, "", "p2wpkh", "mainnet")
    other = account_of(ABANDON, "é", "p2wpkh", "mainnet")
    same = account_of(ABANDON, "e\u0301", "p2wpkh", "mainnet")  # NFKD, as BIP 39 wants
    assert plain.descriptor != other.descriptor == same.descriptor


@pytest.mark.parametrize("count", [12, 15, 18, 21, 24])
def test_new_words_are_random_and_fit_together(count: int) -> None:
    words = new_words(count)
    assert len(words.split()) == count
    assert checked_words(f"  {words.upper()}\n") == words
    assert words != new_words(count)


def test_seeds_of_other_lengths_are_refused() -> None:
    for count in (0, 11, 13, 25):
        with pytest.raises(InvalidInput, match="words"):
            new_words(count)
        with pytest.raises(InvalidInput, match=f"not {count}"):
            checked_words(" ".join(["abandon"] * count))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (ABANDON.replace("about", "abbout"), "word 12 is none"),
        (ABANDON.replace("about", "ability"), "do not fit together"),
        (" ".join(["zoo"] * 12), "do not fit together"),
    ],
)
def test_what_is_wrong_with_words_is_said_without_a_word(words: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        checked_words(words)
    shown = {*str(caught.value).split()}
    assert not shown & {*words.split()}
    assert caught.value.__context__ is None


def test_an_account_does_not_show_and_is_not_copied_out() -> None:
    account = account_of(ABANDON, "", "p2wpkh", "regtest")
    assert repr(account) == "<Account m/84'/1'/0'>"
    assert repr(account.key(0)) == str(account.key(0)) == "<SecretKey>"
    for thing in (account, account.key(0)):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(thing)
        with pytest.raises(TypeError, match="pickled"):
            copy.copy(thing)
    assert "prv" not in account.descriptor
    assert sha256(account.key(0).secret()).digest()  # for whoever signs
