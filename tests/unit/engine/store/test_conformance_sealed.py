"""What any store keeps of wallets' secrets: see `test_conformance.py`."""

from engine.store.key_writes import WalletKeyRow, WalletSecretRow
from engine.store.writes import Conflict, Write
from tests.unit.engine.store.conformance import OpenStore


def test_secrets_of_wallets_are_kept_and_never_written_over(store: OpenStore) -> None:
    assert store.reader.sealed_wallets() == []
    store.commit(Write(rows=(WalletSecretRow("wal_b", b"\x00two"),)))
    store.commit(Write(rows=(WalletSecretRow("wal_a", b"one"),)))
    (outcome,) = store.commit(Write(rows=(WalletSecretRow("wal_a", b"three"),)))
    assert isinstance(outcome, Conflict)
    assert store.reader.sealed_wallets() == [("wal_a", b"one"), ("wal_b", b"\x00two")]


def test_a_drawn_key_is_found_by_wallet_and_script(store: OpenStore) -> None:
    rows = tuple(WalletKeyRow("wal_a", bytes([n]), bytes([n, n])) for n in range(200))
    store.commit(Write(rows=rows))
    store.commit(Write(rows=(WalletKeyRow("wal_b", b"\x07", b"other"),)))
    assert store.reader.sealed_key("wal_a", b"\x07") == b"\x07\x07"
    assert store.reader.sealed_key("wal_b", b"\x07") == b"other"
    assert store.reader.sealed_key("wal_a", b"\xff") is None
    assert store.reader.sealed_key("wal_c", b"\x07") is None


def test_a_drawn_key_is_never_written_over(store: OpenStore) -> None:
    store.commit(Write(rows=(WalletKeyRow("wal_a", b"s", b"first"),)))
    (outcome,) = store.commit(
        Write(
            rows=(WalletKeyRow("wal_a", b"t", b"x"), WalletKeyRow("wal_a", b"s", b"y"))
        )
    )
    assert isinstance(outcome, Conflict)
    assert store.reader.sealed_key("wal_a", b"s") == b"first"
    assert store.reader.sealed_key("wal_a", b"t") is None  # nothing of that write
