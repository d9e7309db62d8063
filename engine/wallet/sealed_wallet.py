"""A wallet's secret as it is kept: sealed under a passphrase, bound to all that is said
of it. Pure but for random numbers.

Of a `seed` wallet the words are sealed; of a `keys` wallet what opens its drawn keys
(`drawn_key.py`). With the database alone, with its `.key` even, nobody spends.
"""

from typing import Final, Literal

import msgspec

from engine.errors import KeyFileError
from engine.secrets.passphrase import check_passphrase, seal, unseal
from engine.wallet.coin import SpendKind
from engine.wallet.drawn_key import DrawnKind, Opener, new_secret
from engine.wallet.seed import SeedAccount, account_of

__all__ = [
    "SealedWallet",
    "WalletKind",
    "decode_wallet",
    "encode_wallet",
    "new_keys_wallet",
    "new_seed_wallet",
    "open_account",
    "open_opener",
]

WalletKind = Literal["seed", "keys"]

_WHAT: Final = (
    "wallet of Paybell, sealed: AES-256-GCM under scrypt(passphrase, r=8, p=1)"
)
_SEALED: Final = "sealed wallet"


class SealedWallet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of one. Everything but `sealed` may be shown, and is bound to it."""

    wallet: str  # id
    kind: WalletKind
    script_kind: SpendKind
    network: str
    account: int = 0
    sealer: bytes = b""  # of `keys`: the public half that seals drawn keys
    sealed: bytes = b""

    def __repr__(self) -> str:
        return f"SealedWallet({self.wallet}, {self.kind}, {self.script_kind})"

    @property
    def about(self) -> bytes:
        """What the seal is bound to."""
        return b"paybell.wallet.1 " + msgspec.json.encode(
            msgspec.structs.replace(self, sealed=b"")
        )


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed of a seed."""

    words: str
    extra: str

    def __repr__(self) -> str:
        return "<_Words>"


def new_seed_wallet(
    wallet: str,
    words: str,
    extra: str,
    kind: SpendKind,
    network: str,
    passphrase: str,
    account: int = 0,
) -> tuple[SealedWallet, str]:
    """A wallet of these words (`seed.checked_words`), and its public descriptor.

    Raises `KeyFileError` for a passphrase that is too short.
    """
    bare = SealedWallet(
        wallet=wallet, kind="seed", script_kind=kind, network=network, account=account
    )
    opened = account_of(words, extra, kind, network, account)
    secret = msgspec.json.encode(_Words(words, extra))
    return _sealed(bare, secret, passphrase), opened.descriptor


def new_keys_wallet(
    wallet: str, kind: DrawnKind, network: str, passphrase: str
) -> SealedWallet:
    """A wallet whose keys are drawn one by one. Raises `KeyFileError`, as above."""
    secret = new_secret()
    bare = SealedWallet(
        wallet=wallet,
        kind="keys",
        script_kind=kind,
        network=network,
        sealer=Opener(secret).sealer,
    )
    return _sealed(bare, secret, passphrase)


def open_account(sealed: SealedWallet, passphrase: str) -> SeedAccount:
    """Of a seed. Raises `KeyFileError`: a wrong passphrase, a changed row."""
    words = _words(sealed, passphrase)
    return account_of(
        words.words, words.extra, sealed.script_kind, sealed.network, sealed.account
    )


def open_opener(sealed: SealedWallet, passphrase: str) -> Opener:
    """Of `keys`. Raises `KeyFileError`, as above."""
    assert sealed.kind == "keys", "a seed has no opener"
    opener = Opener(unseal(sealed.sealed, passphrase, sealed.about, _SEALED))
    assert opener.sealer == sealed.sealer, "what is bound to it fits"
    return opener


def encode_wallet(sealed: SealedWallet) -> bytes:
    """The row's state."""
    return msgspec.json.encode(sealed)


def decode_wallet(state: bytes) -> SealedWallet:
    """Raises `KeyFileError` for what is none."""
    try:
        return msgspec.json.decode(state, type=SealedWallet)
    except msgspec.MsgspecError as error:
        raise KeyFileError(f"a wallet's row cannot be read: {error}") from error


def _words(sealed: SealedWallet, passphrase: str) -> _Words:
    assert sealed.kind == "seed", "drawn keys have no words"
    content = unseal(sealed.sealed, passphrase, sealed.about, _SEALED)
    return msgspec.json.decode(content, type=_Words)


def _sealed(bare: SealedWallet, secret: bytes, passphrase: str) -> SealedWallet:
    check_passphrase(passphrase)
    content = seal(secret, passphrase, bare.about, _WHAT, check=True)
    return msgspec.structs.replace(bare, sealed=content)
