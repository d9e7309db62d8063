"""The database schema, as migrations that run in order and only once: up to m022.

Schema changes are appended in `schema_people.py`, never edited.
"""

import time

import sqlite_utils

from engine.store.epochs import new_epoch
from engine.store.sqlite import counts, moments
from engine.store.sqlite.checksum import row_crc
from engine.store.sqlite.migration_set import migrations

__all__: list[str] = []


@migrations()
def m001_journal(db: sqlite_utils.Database) -> None:
    """The journal, and the payments as its projection."""
    db.execute(
        """CREATE TABLE events (
            "offset" INTEGER PRIMARY KEY,
            payment_id TEXT NOT NULL,
            seq INTEGER NOT NULL,
            type TEXT NOT NULL,
            at INTEGER NOT NULL,
            merchant TEXT NOT NULL,
            body BLOB NOT NULL,
            UNIQUE (payment_id, seq)
        )"""
    )
    db.execute(
        """CREATE TABLE payments (
            id TEXT PRIMARY KEY,
            rank INTEGER NOT NULL UNIQUE,
            merchant TEXT NOT NULL,
            address TEXT NOT NULL,
            external_id TEXT,
            status TEXT NOT NULL,
            seq INTEGER NOT NULL,
            watched INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            state BLOB NOT NULL
        ) WITHOUT ROWID"""
    )
    db.execute("CREATE UNIQUE INDEX watched ON payments (address) WHERE watched = 1")
    db.execute("CREATE INDEX payments_by_address ON payments (address, rank)")
    db.execute("CREATE INDEX payments_by_external ON payments (external_id, rank)")
    db.execute("CREATE INDEX payments_by_status ON payments (status, rank)")
    db.execute("CREATE INDEX payments_by_merchant ON payments (merchant, rank)")


@migrations()
def m002_edges(db: sqlite_utils.Database) -> None:
    """What the edges must remember: keys, replays, webhooks heard, sources' tips."""
    db.execute(
        """CREATE TABLE api_keys (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, merchant TEXT,
            hash BLOB NOT NULL UNIQUE, created_at INTEGER NOT NULL, revoked_at INTEGER
        )"""
    )
    db.execute(
        """CREATE TABLE idempotency (
            scope TEXT NOT NULL, key TEXT NOT NULL, request_hash BLOB NOT NULL,
            status INTEGER NOT NULL, body BLOB NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (scope, key)
        ) WITHOUT ROWID"""
    )
    db.execute("CREATE INDEX idempotency_by_age ON idempotency (at)")
    db.execute(
        """CREATE TABLE inbound (
            id INTEGER PRIMARY KEY, provider TEXT NOT NULL, dedupe TEXT NOT NULL,
            at INTEGER NOT NULL, payment_id TEXT, verdict TEXT NOT NULL,
            body BLOB NOT NULL, UNIQUE (provider, dedupe)
        )"""
    )
    db.execute(
        """CREATE TABLE source_tips (
            source TEXT PRIMARY KEY, height INTEGER NOT NULL, hash TEXT NOT NULL
        )"""
    )


@migrations()
def m003_delivery(db: sqlite_utils.Database) -> None:
    """Outbound channels, the outbox and its attempts."""
    db.execute(
        """CREATE TABLE channels (
            id TEXT PRIMARY KEY, merchant TEXT NOT NULL, enabled INTEGER NOT NULL,
            types TEXT NOT NULL, created_at INTEGER NOT NULL, state BLOB NOT NULL
        )"""
    )
    db.execute(
        """CREATE TABLE outbox (
            channel_id TEXT NOT NULL, "offset" INTEGER NOT NULL,
            payment_id TEXT NOT NULL, seq INTEGER NOT NULL,
            state TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER NOT NULL,
            PRIMARY KEY (channel_id, payment_id, "offset")
        ) WITHOUT ROWID"""
    )
    db.execute(
        """CREATE INDEX outbox_pending ON outbox (channel_id, payment_id, "offset")
           WHERE state = 'pending'"""
    )
    db.execute(
        """CREATE TABLE attempts (
            id INTEGER PRIMARY KEY, channel_id TEXT NOT NULL, "offset" INTEGER NOT NULL,
            payment_id TEXT NOT NULL, seq INTEGER NOT NULL, attempt INTEGER NOT NULL,
            at INTEGER NOT NULL, latency_ms INTEGER NOT NULL, status INTEGER,
            outcome TEXT NOT NULL, error TEXT
        )"""
    )
    db.execute("CREATE INDEX attempts_by_channel ON attempts (channel_id, id)")


@migrations()
def m004_checksums(db: sqlite_utils.Database) -> None:
    """What an event or a payment says, as a number; see `checksum.py`."""
    db.execute("ALTER TABLE events ADD COLUMN crc INTEGER")
    db.execute("ALTER TABLE payments ADD COLUMN crc INTEGER")


@migrations()
def m005_identity(db: sqlite_utils.Database) -> None:
    """What the database is bound to: its network."""
    db.execute("CREATE TABLE identity (name TEXT PRIMARY KEY, value TEXT NOT NULL)")


@migrations()
def m006_locality(db: sqlite_utils.Database) -> None:
    """Fewer trees to write into, and new rows at the end of most of them.

    A page of the database is written whole, to the WAL and then to the file, for each
    tree and each place in it that a commit touches.
    """
    db.execute(
        """CREATE TABLE ordered (
            rank INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            merchant TEXT NOT NULL,
            address TEXT NOT NULL,
            external_id TEXT,
            status TEXT NOT NULL,
            seq INTEGER NOT NULL,
            watched INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            state BLOB NOT NULL,
            crc INTEGER
        )"""
    )
    columns = (
        "rank, id, merchant, address, external_id, status, seq, watched, created_at,"
        " state, crc"
    )
    db.execute(
        f"INSERT INTO ordered ({columns})"  # noqa: S608 - constants
        f" SELECT {columns} FROM payments ORDER BY rank"
    )
    db.execute("DROP TABLE payments")
    db.execute("ALTER TABLE ordered RENAME TO payments")
    for index in (
        "UNIQUE INDEX watched ON payments (address) WHERE watched = 1",
        "INDEX payments_at_address ON payments (address) WHERE watched = 0",
        "INDEX payments_open ON payments (watched) WHERE watched = 1",
        "INDEX payments_by_external ON payments (external_id)"
        " WHERE external_id IS NOT NULL",
        "INDEX payments_by_status ON payments (status)",
        "INDEX payments_by_merchant ON payments (merchant)",
    ):
        db.execute(f"CREATE {index}")
    db.execute(
        """CREATE TABLE owed (
            channel_id TEXT NOT NULL, "offset" INTEGER NOT NULL,
            payment_id TEXT NOT NULL, seq INTEGER NOT NULL,
            state TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER NOT NULL,
            PRIMARY KEY (channel_id, "offset")
        ) WITHOUT ROWID"""
    )
    db.execute(
        """INSERT INTO owed SELECT channel_id, "offset", payment_id, seq, state,
             attempts, next_at FROM outbox ORDER BY 1, 2"""
    )
    db.execute("DROP TABLE outbox")
    db.execute("ALTER TABLE owed RENAME TO outbox")
    db.execute(
        """CREATE INDEX outbox_pending ON outbox (channel_id, payment_id, "offset")
           WHERE state = 'pending'"""
    )


@migrations()
def m007_more_checksums(db: sqlite_utils.Database) -> None:
    """What else must not change unnoticed: whose key, what was answered and heard."""
    for table in ("inbound", "idempotency", "api_keys", "channels"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN crc INTEGER")


@migrations()
def m008_checked_tips(db: sqlite_utils.Database) -> None:
    """Where catching up starts: a tip too far would skip blocks."""
    db.execute("ALTER TABLE source_tips ADD COLUMN crc INTEGER")


@migrations()
def m009_epochs(db: sqlite_utils.Database) -> None:
    """Which life of the journal an event is of; those that are there are of none."""
    db.execute(
        """CREATE TABLE epochs (
            first_offset INTEGER NOT NULL, number INTEGER NOT NULL UNIQUE,
            epoch TEXT NOT NULL UNIQUE, crc INTEGER,
            PRIMARY KEY (first_offset, number)
        ) WITHOUT ROWID"""
    )
    (last,) = db.execute('SELECT coalesce(max("offset"), 0) FROM events').fetchone()
    values = last + 1, 1, new_epoch()
    db.execute("INSERT INTO epochs VALUES (?, ?, ?, ?)", (*values, row_crc(values)))


@migrations()
def m010_merchants(db: sqlite_utils.Database) -> None:
    """Merchants, and what a key may: those that there are, what they could before."""
    db.execute(
        """CREATE TABLE merchants (
            name TEXT PRIMARY KEY, version INTEGER NOT NULL,
            updated_at INTEGER NOT NULL, state BLOB NOT NULL, crc INTEGER
        ) WITHOUT ROWID"""
    )
    db.execute("ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT ''")
    columns = "id, name, merchant, hash, created_at, revoked_at, crc"
    for *key, crc in db.execute(f"SELECT {columns} FROM api_keys").fetchall():  # noqa: S608
        scopes = "read create confirm settings" + (
            " operator" if key[2] is None else ""
        )
        if crc is not None and row_crc(key) == crc:  # else damaged, and stays so
            crc = row_crc((*key, scopes))
        values = scopes, crc, key[0]
        db.execute("UPDATE api_keys SET scopes = ?, crc = ? WHERE id = ?", values)


@migrations()
def m011_neighbours(db: sqlite_utils.Database) -> None:
    """What one merchant asks for costs nothing by what others have: indexes by
    merchant, deliveries counted as they change, time found without looking at events.

    A commit of events writes one page more for it, one with deliveries another: the
    index by status went into that by merchant, and times have no index.
    """
    for statement in (
        "CREATE INDEX events_of_merchant ON events (merchant)",
        "DROP INDEX payments_by_merchant",
        "DROP INDEX payments_by_status",
        "CREATE INDEX payments_of_merchant ON payments (merchant, status)",
        "DROP INDEX payments_by_external",
        "CREATE INDEX payments_of_order ON payments (external_id, merchant)"
        " WHERE external_id IS NOT NULL",
        "CREATE TABLE removed_channels (id TEXT PRIMARY KEY) WITHOUT ROWID",
    ):
        db.execute(statement)
    counts.create(db.conn)
    moments.create(db.conn)


@migrations()
def m012_retention(db: sqlite_utils.Database) -> None:
    """What is no longer kept: of which payment, and how much in all (one row).

    A payment's row is the snapshot of its events up to `pruned_seq`, which are gone.
    """
    db.execute("ALTER TABLE payments ADD COLUMN pruned_seq INTEGER NOT NULL DEFAULT 0")
    db.execute(
        """CREATE TABLE retention (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            pruned_events INTEGER NOT NULL, pruned_through INTEGER NOT NULL
        )"""
    )
    db.execute("INSERT INTO retention VALUES (1, 0, 0)")


@migrations()
def m013_channels(db: sqlite_utils.Database) -> None:
    """A merchant's channels are found without those of others."""
    db.execute("CREATE INDEX channels_of_merchant ON channels (merchant)")


@migrations()
def m014_refusals(db: sqlite_utils.Database) -> None:
    """How often an endpoint has refused an event; what was given up, by payment."""
    for column in ("refusals", "refused_at"):
        db.execute(f"ALTER TABLE outbox ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    db.execute(
        "CREATE INDEX outbox_dead ON outbox (channel_id, payment_id)"
        " WHERE state = 'dead'"
    )


@migrations()
def m015_pruned(db: sqlite_utils.Database) -> None:
    """What is no longer kept, of each merchant: one merchant's reader has missed
    nothing when another's events went."""
    db.execute(
        """CREATE TABLE pruned (
            merchant TEXT PRIMARY KEY, events INTEGER NOT NULL,
            through INTEGER NOT NULL
        ) WITHOUT ROWID"""
    )
    db.execute(
        "INSERT INTO pruned SELECT '', pruned_events, pruned_through FROM retention"
        " WHERE pruned_events > 0"
    )
    db.execute("DROP TABLE retention")


@migrations()
def m020_customers(db: sqlite_utils.Database) -> None:
    """The e-mail address of a payment's payer, sealed; beside the payment, whose terms
    stand in its first event and are told."""
    db.execute(
        """CREATE TABLE customers (
            payment_id TEXT PRIMARY KEY, email TEXT NOT NULL, crc INTEGER
        ) WITHOUT ROWID"""
    )


@migrations()
def m021_epoch_times(db: sqlite_utils.Database) -> None:
    """When each epoch began: numbers that rise over all databases of one shop, for ids
    outside of them. Of the earlier ones only which it was is known."""
    db.execute("ALTER TABLE epochs ADD COLUMN began_at INTEGER NOT NULL DEFAULT 0")
    rows = db.execute(
        "SELECT first_offset, number, CAST(epoch AS BLOB), crc FROM epochs"
        " ORDER BY number"
    ).fetchall()
    for first, number, name, crc in rows:
        epoch = bytes(name).decode("ascii", "replace")
        began_at = time.time_ns() // 1_000_000 if number == len(rows) else number
        if crc == row_crc((first, number, epoch)):  # else damaged, and stays so
            crc = row_crc((first, number, epoch, began_at))
        values = began_at, crc, number
        db.execute("UPDATE epochs SET began_at = ?, crc = ? WHERE number = ?", values)


@migrations()
def m022_alerts(db: sqlite_utils.Database) -> None:
    """What channels were told of alerts, and how many orders are usual."""
    db.execute(
        """CREATE TABLE told_alerts (
            channel_id TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
            detail TEXT NOT NULL, since INTEGER NOT NULL,
            PRIMARY KEY (channel_id, kind, subject)
        ) WITHOUT ROWID"""
    )
    db.execute(
        """CREATE TABLE order_hours (
            merchant TEXT NOT NULL, hour INTEGER NOT NULL, orders INTEGER NOT NULL,
            PRIMARY KEY (merchant, hour)
        ) WITHOUT ROWID"""
    )
