"""How many deliveries are in which state: kept by the database, not counted.

Triggers keep one row for each state, in the transaction of whatever changes `outbox`:
no code that writes there can forget it, and no crash comes between.
"""

import sqlite3

__all__ = ["create"]

_KEPT = (
    """CREATE TRIGGER outbox_counts_in AFTER INSERT ON outbox BEGIN
         UPDATE outbox_totals SET deliveries = deliveries + 1 WHERE state = NEW.state;
       END""",
    """CREATE TRIGGER outbox_counts_on AFTER UPDATE OF state ON outbox
         WHEN OLD.state IS NOT NEW.state BEGIN
         UPDATE outbox_totals SET deliveries = deliveries - 1 WHERE state = OLD.state;
         UPDATE outbox_totals SET deliveries = deliveries + 1 WHERE state = NEW.state;
       END""",
    """CREATE TRIGGER outbox_counts_out AFTER DELETE ON outbox BEGIN
         UPDATE outbox_totals SET deliveries = deliveries - 1 WHERE state = OLD.state;
       END""",
)


def create(sql: sqlite3.Connection) -> None:
    """Make the totals and what keeps them, from the deliveries that are there."""
    sql.execute(
        "CREATE TABLE outbox_totals (state TEXT PRIMARY KEY,"
        " deliveries INTEGER NOT NULL) WITHOUT ROWID"
    )
    sql.execute(
        "INSERT INTO outbox_totals VALUES ('pending', 0), ('delivered', 0), ('dead', 0)"
    )
    sql.execute(
        "INSERT OR REPLACE INTO outbox_totals"
        " SELECT state, count(*) FROM outbox GROUP BY state"
    )
    for trigger in _KEPT:
        sql.execute(trigger)
