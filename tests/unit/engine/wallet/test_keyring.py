"""Wallets' secrets: sealed, opened by their passphrase, and never shown."""

import hmac
import json
import pickle
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.bitcoin.address import parse_address
from engine.errors import KeyFileError, SigningError, WalletLocked, WrongKey
from engine.wallet.coin import Coin
from engine.wallet.drawn_key import (
    DrawnKey,
    DrawnKind,
    Opener,
    draw_key,
    open_drawn,
)
from engine.wallet.drawn_source import DrawnSource
from engine.wallet.keyring import Keyring
from engine.wallet.sealed_wallet import (
    SealedWallet,
    decode_wallet,
    encode_wallet,
    new_keys_wallet,
    new_seed_wallet,
    open_account,
    open_opener,
)
from engine.wallet.secret_key import SecretKey
from tests.unit.engine.wallet.test_seed import ABANDON

PASSPHRASE = "correct horse battery"
OTHER = "another battery horse"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing is cheap here, and so are the tests."""
    monkeypatch.setattr("engine.secrets.passphrase._COST", 2)


def nothing(wallet: str, script: bytes) -> bytes | None:
    return None


def seed(wallet: str = "wal_seed", passphrase: str = PASSPHRASE) -> SealedWallet:
    made, _ = new_seed_wallet(wallet, ABANDON, "", "p2wpkh", "mainnet", passphrase)
    return made


def keys(wallet: str = "wal_keys", kind: DrawnKind = "p2pkh") -> SealedWallet:
    return new_keys_wallet(wallet, kind, "regtest", PASSPHRASE)


def coin_of(wallet: str, script: bytes, index: int = 0) -> Coin:
    return Coin(
        txid="ab" * 32,
        vout=0,
        amount_sat=1_000,
        script=script,
        wallet=wallet,
        index=index,
        payment_id="pay_1",
        merchant="shop",
        height=1,
    )


def test_a_seed_opens_with_its_passphrase_and_signs_for_its_addresses() -> None:
    ring = Keyring(nothing)
    ring.add([decode_wallet(encode_wallet(seed()))])
    address = "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"  # BIP 84, index 1
    coin = coin_of("wal_seed", parse_address(address, "mainnet").script, 1)
    with pytest.raises(WalletLocked, match="no passphrase was given"):
        ring.key_of(coin)
    assert not ring.can_sign("wal_seed")
    assert ring.holds("wal_seed")
    assert ring.unlock(PASSPHRASE) == {}
    assert ring.can_sign("wal_seed")
    assert ring.key_of(coin).script("p2wpkh") == coin.script


def test_a_locked_wallet_draws_keys_that_open_when_it_is_unlocked() -> None:
    sealed = keys()
    source = DrawnSource(sealed)
    addresses = source.addresses(0, 3)
    assert len({*addresses}) == 3
    assert source.path(0) == ""
    rows = {parse_address(a, "regtest").script: source.drawn(a) for a in addresses}
    ring = Keyring(lambda wallet, script: getattr(rows.get(script), "sealed", None))
    ring.add([sealed])
    assert ring.sealed_wallet("wal_keys") == sealed
    with pytest.raises(WalletLocked):
        ring.key_of(coin_of("wal_keys", next(iter(rows))))
    assert ring.unlock(PASSPHRASE) == {}
    for script in rows:
        assert ring.key_of(coin_of("wal_keys", script)).script("p2pkh") == script
    source.used(addresses[0])
    assert [source.drawn(a) is None for a in addresses] == [True, False, False]


def test_a_key_that_the_database_does_not_have_is_said_to_be_lost() -> None:
    ring = Keyring(nothing)
    ring.add([keys()])
    ring.unlock(PASSPHRASE)
    with pytest.raises(SigningError, match="after the backup"):
        ring.key_of(coin_of("wal_keys", b"\x00"))
    with pytest.raises(SigningError, match="watched only"):
        ring.key_of(coin_of("wal_else", b"\x00"))
    assert not ring.holds("wal_else")
    assert not ring.can_sign("wal_else")
    assert ring.sealed_wallet("wal_else") is None


def test_each_wallet_opens_with_its_own_passphrase_and_says_why_it_does_not() -> None:
    ring = Keyring(nothing)
    ring.add([seed(), seed("wal_two", OTHER)])
    ring.add([seed()])  # told twice
    assert repr(ring) == "<Keyring 0 of 2 open>"
    assert ring.unlock(PASSPHRASE) == {"wal_two": "the passphrase is wrong"}
    assert repr(ring) == "<Keyring 1 of 2 open>"
    assert ring.unlock(OTHER) == ring.locked() == {}
    ring.add([seed()])
    assert ring.can_sign("wal_seed")  # it stays open
    ring.add([keys()])
    ring.unlock(PASSPHRASE)
    assert repr(ring) == "<Keyring 3 of 3 open>"


def test_a_wallet_whose_secret_cannot_be_read_stays_locked_and_says_why() -> None:
    ring = Keyring(nothing)
    ring.add_damaged("wal_torn", "its row is damaged")
    assert ring.holds("wal_torn")
    assert ring.unlock(PASSPHRASE) == {"wal_torn": "its row is damaged"}
    assert not ring.can_sign("wal_torn")
    with pytest.raises(WalletLocked, match="wal_torn is locked: its row is damaged"):
        ring.key_of(coin_of("wal_torn", b"\x00"))


@pytest.mark.parametrize("made", [seed, keys], ids=["seed", "keys"])
@pytest.mark.parametrize(
    "changed",
    [
        {"wallet": "wal_evil"},
        {"network": "signet"},
        {"script_kind": "p2sh-p2wpkh"},
        {"account": 7},
        {"sealer": b"x" * 32},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_row_that_was_changed_says_so(made: Any, changed: dict[str, Any]) -> None:
    row = msgspec.structs.replace(made(), **changed)
    ring = Keyring(nothing)
    ring.add([row])
    (why,) = ring.unlock(PASSPHRASE).values()
    assert "passphrase is right" in why
    assert "changed or damaged" in why


@pytest.mark.parametrize("field", ["salt", "nonce", "sealed", "check"])
def test_a_seal_that_was_changed_opens_nothing(field: str) -> None:
    row = seed()
    text = json.loads(row.sealed)
    text[field] = ("B" if text[field][0] == "A" else "A") + text[field][1:]
    row = msgspec.structs.replace(row, sealed=json.dumps(text).encode())
    with pytest.raises(KeyFileError, match=r"changed or damaged|passphrase is wrong"):
        open_account(row, PASSPHRASE)


def test_a_row_that_is_none_is_refused() -> None:
    for state in (b"", b"{}", b'{"wallet":1}', b"\xff"):
        with pytest.raises(KeyFileError, match="cannot be read"):
            decode_wallet(state)


def test_a_short_passphrase_seals_nothing() -> None:
    with pytest.raises(KeyFileError, match="12 characters"):
        seed(passphrase="short")
    long_enough = "x" * 12
    opened = open_account(seed(passphrase=long_enough), long_enough)
    assert opened.descriptor == open_account(seed(), PASSPHRASE).descriptor


def test_a_drawn_key_opens_for_its_wallet_and_script_only() -> None:
    sealed = keys()
    opener = open_opener(sealed, PASSPHRASE)
    drawn = draw_key("wal_keys", "p2sh-p2wpkh", sealed.sealer)
    assert open_drawn("wal_keys", drawn, opener).script("p2sh-p2wpkh") == drawn.script
    flipped = bytearray(drawn.sealed)
    flipped[-1] ^= 1
    version = b"\x02" + drawn.sealed[1:]
    wrong = [
        ("wal_two", drawn),
        ("wal_keys", DrawnKey(b"\x00" + drawn.script[1:], drawn.sealed)),
        ("wal_keys", DrawnKey(drawn.script, bytes(flipped))),
        ("wal_keys", DrawnKey(drawn.script, version)),
        ("wal_keys", DrawnKey(drawn.script, b"")),
        ("wal_keys", DrawnKey(drawn.script, drawn.sealed[:20])),
    ]
    for wallet, row in wrong:
        with pytest.raises(WrongKey, match=f"a key of wallet {wallet} does not open"):
            open_drawn(wallet, row, opener)
    with pytest.raises(WrongKey):
        open_drawn("wal_keys", drawn, Opener(bytes(32)))


def test_a_drawn_key_is_sealed_by_hkdf_of_both_points_and_its_purpose() -> None:
    """Rows stay for years: what seals them may not change unseen. RFC 5869 by hand."""
    opener = Opener(bytes(range(32)))
    drawn = draw_key("wal_keys", "p2pkh", opener.sealer)
    point, sealed = drawn.sealed[1:33], drawn.sealed[33:]
    between = hmac.digest(point + opener.sealer, opener.shared(point), "sha256")
    purpose = b"paybell.drawn-key.1"
    made = AESGCM(hmac.digest(between, purpose + b"\x01", "sha256"))
    about = b"wal_keys\0" + drawn.script
    secret = made.decrypt(bytes(12), sealed, about)
    assert SecretKey(secret).script("p2pkh") == drawn.script


def test_nothing_secret_shows() -> None:
    sealed, ring = keys(), Keyring(nothing)
    opener = open_opener(sealed, PASSPHRASE)
    ring.add([sealed, seed()])
    ring.unlock(PASSPHRASE)
    drawn = draw_key("wal_keys", "p2pkh", sealed.sealer)
    key = open_drawn("wal_keys", drawn, opener)
    things = (sealed, seed(), ring, vars(ring), opener, drawn, key)
    shown = " ".join(repr(thing) + str(thing) for thing in things)
    shown += str(encode_wallet(sealed)) + str(encode_wallet(seed()))
    assert key.secret().hex() not in shown
    assert repr(key.secret())[2:-1] not in shown
    assert "abandon" not in shown
    for thing in (ring, opener):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(thing)
