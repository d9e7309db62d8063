"""A database that an earlier version wrote is opened as if we had written it.

`old/` holds what a node of commit 79f0f1c left behind when it was stopped: one payment
in each of some states on the dev chain, two channels (one endpoint took everything, one
was never there), a key, an idempotent answer, the key file, and the mark of what was
acknowledged under its former name. `expected.json` is what that version read from it.
"""

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.delivery.channel import channel_of
from engine.payment.model import Payment
from engine.secrets.key_file import node_key
from engine.secrets.vault import Vault
from engine.store.records import PendingPayment
from engine.store.replay import fold
from engine.store.sqlite.high_water_mark import acked
from engine.store.sqlite.journal import Journal
from engine.store.sqlite.offline import OfflineDatabase
from engine.store.writes import Committed
from tests.tools.direct_store import DirectStore
from tests.tools.paybell import paybell
from tests.unit.journal_cases import creation, decided
from tests.unit.payment_cases import mined, view
from transport.http.auth import hash_key
from transport.outbound.webhook import parse_secret

OLD = Path(__file__).parents[1] / "old"

EXPECTED: dict[str, Any] = json.loads((OLD / "expected.json").read_text("utf-8"))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "node.db"
    path.write_bytes(gzip.decompress((OLD / "node.sqlite.gz").read_bytes()))
    shutil.copyfile(OLD / "node.key", tmp_path / "node.db.key")
    (tmp_path / "node.db.key").chmod(0o600)
    shutil.copyfile(OLD / "node.told", tmp_path / "node.db.told")
    return path


@pytest.fixture
def store(database: Path) -> Iterator[DirectStore]:
    journal = Journal(database)
    journal.bind_network("regtest")
    yield DirectStore(journal)
    journal.close()


def test_its_events_are_read_byte_for_byte(store: DirectStore) -> None:
    found = [
        [e.offset, e.payment_id, e.seq, e.merchant, e.wire.decode()]
        for e in store.events_after(0)
    ]
    assert found == EXPECTED["events"]


def test_its_payments_are_the_same_and_the_fold_of_their_events(
    store: DirectStore,
) -> None:
    for name, state in EXPECTED["payments"].items():
        wanted = msgspec.convert(state, Payment)
        assert store.payment(name) == wanted
        assert fold([event.event for event in store.history(name)]) == wanted
    assert [p.id for p in store.watched()] == EXPECTED["watched"]
    states = {k: store.payment(name) for k, name in EXPECTED["names"].items()}
    assert {k: str(p.status) for k, p in states.items() if p is not None} == {
        "pending": "pending",
        "seen": "confirming",
        "confirmed": "confirmed",
        "underpaid": "confirming",
        "cancelled": "cancelled",
        "idempotent": "pending",
    }


def test_what_is_owed_to_its_channels_stays_owed(store: DirectStore) -> None:
    assert store.outbox_counts() == EXPECTED["outbox"]
    for channel_id, owed in EXPECTED["pending"].items():
        found = store.pending_payments(channel_id)
        assert sorted(found, key=lambda p: p.payment_id) == [
            PendingPayment(*one) for one in owed
        ]
        for one in found:
            head = store.next_pending(channel_id, one.payment_id)
            assert head is not None
            assert head.attempts >= 1
            (event,) = store.events_after(head.offset - 1, 1)
            assert head.wire == event.wire
        log = store.attempts(channel_id, None, 100)
        assert len(log) == EXPECTED["attempts"][channel_id]


def test_its_key_file_opens_the_secrets_of_its_channels(
    database: Path, store: DirectStore
) -> None:
    vault = Vault(node_key(str(database), may_make=False))
    opened = {
        record.id: vault.open(channel_of(record).secret, record.id)
        for record in store.channels()
    }
    assert opened == {
        channel["id"]: parse_secret(channel["secret"])
        for channel in EXPECTED["channels"].values()
    }


def test_its_keys_and_its_first_answers_still_count(store: DirectStore) -> None:
    (key,) = store.api_keys()
    assert key.id == EXPECTED["keys"][0]
    assert (key.hash, key.merchant) == (hash_key(EXPECTED["api_key"]), "cafe")
    asked = EXPECTED["idempotent"]
    answer = store.idempotent_answer(asked["scope"], asked["key"], asked["at"])
    assert answer is not None
    asked["answer"].pop("client_secret", None)  # never stored: derived from the key
    assert json.loads(answer.body) == asked["answer"]


def test_it_is_gone_on_with(database: Path, store: DirectStore) -> None:
    """The mark that it had is taken over, and events come after those it has."""
    assert not database.with_name("node.db.told").exists()
    last = len(EXPECTED["events"])
    assert acked(database) == last
    seen = store.payment(EXPECTED["names"]["seen"])
    assert seen is not None
    (receipt,) = seen.receipts
    deep = mined(receipt.txid, 998, receipt.amount_sat, vout=receipt.vout)
    channels = {c["id"] for c in EXPECTED["channels"].values()}
    outcomes = store.journal.commit(
        [creation("new"), decided(seen, view(deep), seen.terms.created_at + 9_000)]
    )
    offsets = [
        event.offset
        for outcome in outcomes
        if isinstance(outcome, Committed)
        for event in outcome.events
    ]
    assert offsets == list(range(last + 1, last + 1 + len(offsets)))
    assert len(offsets) >= 2
    later = [json.loads(e.wire)["id"] for e in store.events_after(last)]
    assert later == [f"evt_{store.journal.epoch}_{at}" for at in offsets]
    assert any(store.next_pending(c, "new") is not None for c in channels)
    assert acked(database) == offsets[-1]


def test_replay_finds_nothing_wrong_with_it(database: Path) -> None:
    with OfflineDatabase(str(database)) as offline:
        differing = [found for _, found in offline.differences() if found is not None]
        assert differing == []
        assert offline.missing_events() == 0
        assert offline.damaged_beside(9) == []
    checked = paybell("replay", "--check", "--db", database)
    assert checked.returncode == 0, checked.stderr
    assert "6 payments, 15 events: 0 differ" in checked.stdout


def test_an_old_database_that_was_cut_off_is_noticed_by_its_old_mark(
    database: Path,
) -> None:
    database.write_bytes(b"")
    refused = paybell("replay", "--check", "--db", database)
    assert refused.returncode == 1
    assert "event 15 was acknowledged" in refused.stderr
    assert "node.db.told" in refused.stderr
