"""What channels were told of alerts, and how many orders came in which hour.

Neither is money: a lost row is an alert that is told again, or an hour that counts as
usual no more. Every statement goes by the primary key.
"""

import sqlite3

from engine.store.records import ToldAlert
from engine.store.writes import OrdersRow, ToldRow

__all__ = ["count_orders", "order_hours", "told", "told_alerts"]


def told(sql: sqlite3.Connection, row: ToldRow) -> int:
    key = row.channel_id, row.kind, row.subject
    if row.is_over:
        return sql.execute(
            "DELETE FROM told_alerts WHERE channel_id = ? AND kind = ? AND subject = ?",
            key,
        ).rowcount
    return sql.execute(
        "INSERT INTO told_alerts VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (channel_id, kind, subject) DO UPDATE SET"
        " detail = excluded.detail, since = excluded.since",
        (*key, row.detail, row.since),
    ).rowcount


def count_orders(sql: sqlite3.Connection, row: OrdersRow) -> int:
    """Those of the hour, and no more of those that are too old."""
    sql.execute(
        "DELETE FROM order_hours WHERE merchant = ? AND hour < ?",
        (row.merchant, row.keep_from),
    )
    return sql.execute(
        "INSERT INTO order_hours VALUES (?, ?, ?) ON CONFLICT (merchant, hour)"
        " DO UPDATE SET orders = orders + excluded.orders",
        (row.merchant, row.hour, row.orders),
    ).rowcount


def told_alerts(sql: sqlite3.Connection, channel_id: str) -> list[ToldAlert]:
    rows = sql.execute(
        "SELECT kind, subject, detail, since FROM told_alerts WHERE channel_id = ?",
        (channel_id,),
    )
    return [ToldAlert(*row) for row in rows]


def order_hours(sql: sqlite3.Connection, merchant: str) -> dict[int, int]:
    rows = sql.execute(
        "SELECT hour, orders FROM order_hours WHERE merchant = ? ORDER BY hour",
        (merchant,),
    )
    return dict(rows.fetchall())
