"""Wallets whose keys a node holds, put into its database before it starts."""

from pathlib import Path

from engine.store.sqlite.journal import Journal
from engine.store.wallet_writes import WalletRecord
from engine.store.writes import Committed, Row, WalletSecretRow, Write
from engine.wallet.coin import SpendKind
from engine.wallet.descriptor import read_descriptor
from engine.wallet.drawn_key import DrawnKind
from engine.wallet.sealed_wallet import encode_wallet, new_keys_wallet, new_seed_wallet
from engine.wallet.seed import new_words

__all__ = ["DRAWN", "KINDS", "PASSPHRASE", "make_wallets"]

PASSPHRASE = "a passphrase of the tests"

KINDS: tuple[SpendKind, ...] = ("p2pkh", "p2sh-p2wpkh", "p2wpkh", "p2tr")
"""Each is the wallet of a merchant of that name."""


DRAWN: dict[str, DrawnKind] = {
    "drawn-p2pkh": "p2pkh",
    "drawn-p2sh-p2wpkh": "p2sh-p2wpkh",
}
"""Merchants whose keys are drawn one by one, and what they are for."""


def make_wallets(db: Path, kinds: tuple[SpendKind, ...] = KINDS) -> None:
    """A new database with a seed for each, and two wallets of drawn keys."""
    journal = Journal(db)
    rows: list[Row] = []
    for number, kind in enumerate(kinds):
        name = f"wal_{number:012}"
        sealed, text = new_seed_wallet(
            name, new_words(12), "", kind, "regtest", PASSPHRASE
        )
        identity = read_descriptor(text, "regtest").identity
        rows.append(WalletRecord(name, kind, "seed", text, identity, 0, 1))
        rows.append(WalletSecretRow(name, encode_wallet(sealed)))
    for name, drawn in DRAWN.items():
        keys = new_keys_wallet(f"wal_{name}", drawn, "regtest", PASSPHRASE)
        rows.append(WalletRecord(keys.wallet, name, "keys", "", name, 0, 1))
        rows.append(WalletSecretRow(keys.wallet, encode_wallet(keys)))
    (outcome,) = journal.commit([Write(rows=tuple(rows))])
    assert isinstance(outcome, Committed), outcome
    journal.close()
