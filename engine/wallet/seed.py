"""Wallets of one seed: words (BIP 39), and the account whose addresses are given out.

All keys of such a wallet follow from its words, so they are on the paper that these are
written on, whatever becomes of the database. The account's public descriptor is what
addresses are derived from; nothing secret is needed for that.

No error here repeats a word. Pure but for the random numbers of new words.
"""

import os
import unicodedata
from typing import Final, NoReturn

from embit import bip39
from embit.bip32 import HARDENED_INDEX, HDKey
from embit.descriptor.checksum import add_checksum
from embit.networks import NETWORKS
from embit.wordlists.bip39 import WORDLIST

from engine.errors import InvalidInput
from engine.wallet.coin import SpendKind
from engine.wallet.secret_key import SecretKey

__all__ = ["SeedAccount", "account_of", "checked_words", "new_words"]

_WORDS: Final = frozenset(WORDLIST)
_COUNTS: Final = (12, 15, 18, 21, 24)

#: BIP 44, 49, 84 and 86: the purpose says which addresses an account has.
_PURPOSES: Final[dict[SpendKind, int]] = {
    "p2pkh": 44,
    "p2sh-p2wpkh": 49,
    "p2wpkh": 84,
    "p2tr": 86,
}
_FORMS: Final[dict[SpendKind, str]] = {
    "p2pkh": "pkh({})",
    "p2sh-p2wpkh": "sh(wpkh({}))",
    "p2wpkh": "wpkh({})",
    "p2tr": "tr({})",
}


class SeedAccount:
    """One account of a seed, with its private key; `repr` shows the path only."""

    __slots__ = ("_key", "descriptor", "path")

    def __init__(self, key: HDKey, path: str, descriptor: str) -> None:
        self._key = key
        self.path = path  # m/84'/0'/0'
        self.descriptor = descriptor  # public, with its checksum

    def __repr__(self) -> str:
        return f"<Account {self.path}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("private keys are not pickled")

    def key(self, index: int) -> SecretKey:
        """Of the address at this index (chain 0, what is given out)."""
        assert 0 <= index < HARDENED_INDEX, "no index of an address"
        return SecretKey(self._key.derive([0, index]).secret)


def new_words(count: int = 24) -> str:
    """Random ones: 24 words are 256 bits, 12 are 128."""
    if count not in _COUNTS:
        raise InvalidInput(f"there are seeds of {_COUNTS} words, not of {count}")
    words: str = bip39.mnemonic_from_bytes(os.urandom(count // 3 * 4))
    return words


def checked_words(text: str) -> str:
    """The words as they are kept. Raises `InvalidInput`, which names places only."""
    words = unicodedata.normalize("NFKD", text).lower().split()
    if len(words) not in _COUNTS:
        raise InvalidInput(f"a seed has 12, 15, 18, 21 or 24 words, not {len(words)}")
    for place, word in enumerate(words, 1):
        if word not in _WORDS:
            raise InvalidInput(f"word {place} is none of the English list of BIP 39")
    joined = " ".join(words)
    if not bip39.mnemonic_is_valid(joined):
        raise InvalidInput(
            "the words do not fit together: one is wrong, or two are exchanged"
        )
    return joined


def account_of(
    words: str, extra: str, kind: SpendKind, network: str, number: int = 0
) -> SeedAccount:
    """The account `m/purpose'/coin'/number'` of these words. `extra`: the passphrase of
    BIP 39 that some wallets add to the words; else empty."""
    extra = unicodedata.normalize("NFKD", extra)
    seed = bip39.mnemonic_to_seed(words, extra)
    names = NETWORKS["main" if network == "mainnet" else "test"]
    root = HDKey.from_seed(seed, version=names["xprv"])
    steps = (_PURPOSES[kind], names["bip32"], number)
    key = root.derive([HARDENED_INDEX + step for step in steps])
    origin = "/".join(f"{step}'" for step in steps)
    public = f"[{root.my_fingerprint.hex()}/{origin}]{key.to_public().to_base58()}/0/*"
    return SeedAccount(key, f"m/{origin}", add_checksum(_FORMS[kind].format(public)))
