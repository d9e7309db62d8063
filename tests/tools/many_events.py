"""A database of millions of events, made in seconds: what a node has after years.

    fill(path, payments=500_000, owner=lambda n: "big", channels={"chn_1": "big"})

Each payment was created, seen, confirmed step by step, told to its channels and let go.
The first one is written by the journal itself; the others are copies of its rows with
another name, order number, address, transaction and time, put in past the journal with
the indexes made at the end. `run.py doctor --deep` and `replay --check` find nothing
wrong with it.

    lengthen(path, payment_id, 10_000)

Of one payment so many events, as a chain that is reorganised again and again makes
them; the node that has the database is stopped meanwhile.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from engine.bitcoin.address import script_to_address
from engine.chain.feed import ChainView, Output, Tip
from engine.delivery.channel import Channel, channel_row
from engine.payment.events import Event, encode, opening
from engine.payment.model import Payment, Terms
from engine.payment.rules import decide, evolve
from engine.store.sqlite import moments, queries
from engine.store.sqlite.checksum import event_crc, state_crc
from engine.store.sqlite.journal import Journal
from engine.store.writes import ChannelRow, Entry, Write

__all__ = [
    "EVENTS_EACH",
    "FIRST_AT",
    "STEP_MS",
    "address_of",
    "fill",
    "lengthen",
    "name_of",
    "states",
]

FIRST_AT = 1_700_000_000_000
STEP_MS = 1_000
"""Between two payments."""

_NAME, _TXID = f"pay_{0:022d}", "ab" * 32
_ORDER, _OWNER = "order-of-that-payment", "owner-of-that-payment"


def name_of(number: int) -> str:
    """Payment ids sort by time."""
    return f"pay_{number:022d}"


def address_of(number: int) -> str:
    script = b"\0\x14" + number.to_bytes(20, "big")
    address = script_to_address(script, "regtest")
    assert address is not None
    return address


def _story() -> tuple[list[Event], Payment]:
    """Created; in the mempool; in a block; as deep as was asked for."""
    terms = Terms(
        id=_NAME,
        network="regtest",
        address=address_of(0),
        amount_sat=50_000,
        confirmations_required=2,
        created_at=FIRST_AT,
        expires_at=FIRST_AT + 3_600_000,
        monitor_until=FIRST_AT + 90_000_000,
        external_id=_ORDER,
        merchant=_OWNER,
    )
    event, payment = opening(terms)
    events = [event]
    block = f"{101:064x}"
    for tip, place in ((100, ()), (101, (block, 101)), (102, (block, 101))):
        output = Output(_TXID, 0, 50_000, *place)
        view = ChainView("made", Tip(tip, f"{tip:064x}"), (output,))
        for event in decide(payment, view, FIRST_AT + 500):
            events.append(event)
            payment = evolve(payment, event)
    return events, payment


_STORY, _PAYMENT = _story()

EVENTS_EACH = len(_STORY)
"""Events of one payment."""


def _template(text: bytes) -> bytes:
    """With places for what differs from payment to payment."""
    for field, value in _fields(0, _OWNER).items():
        text = text.replace(value, b"%%(%b)b" % field)
    return text


def _fields(number: int, owner: str) -> dict[bytes, bytes]:
    made = (FIRST_AT + number * STEP_MS) // 1000
    fields = {
        b"name": name_of(number),
        b"order": _ORDER if owner == _OWNER else f"order-{number}",
        b"owner": owner,
        b"txid": _TXID if owner == _OWNER else f"{number:064x}",
        b"address": address_of(number),
        b"made_s": str(made),
        b"expires_s": str(made + 3_600),
        b"monitor_s": str(made + 90_000),
        b"made": datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
    }
    return {name: value.encode() for name, value in fields.items()}


class _Rows:
    """The rows of all payments, as SQLite takes them."""

    def __init__(self, owner: Callable[[int], str]) -> None:
        self._owner = owner
        self._bodies = [_template(encode(event, _PAYMENT.terms)) for event in _STORY]
        self._kinds = [(e.type.value, e.at - FIRST_AT) for e in _STORY]
        self._state = _template(msgspec.json.encode(_PAYMENT))

    def events(self, numbers: range) -> Iterator[tuple[object, ...]]:
        for n in numbers:
            name, owner, made = name_of(n), self._owner(n), FIRST_AT + n * STEP_MS
            fields = _fields(n, owner)
            for seq, (body, (kind, later)) in enumerate(
                zip(self._bodies, self._kinds, strict=True), 1
            ):
                offset, at = n * EVENTS_EACH + seq, made + later
                text = body % fields
                crc = event_crc(offset, name, seq, kind, at, owner, text)
                yield offset, name, seq, kind, at, owner, text, crc

    def payments(self, numbers: range) -> Iterator[tuple[object, ...]]:
        for n in numbers:
            fields = _fields(n, self._owner(n))
            state, address = self._state % fields, fields[b"address"].decode()
            yield (
                n + 1, name_of(n), self._owner(n), address, f"order-{n}",
                _PAYMENT.status.value, EVENTS_EACH, 0, FIRST_AT + n * STEP_MS, state,
                state_crc(state),
            )  # fmt: skip

    def outbox(self, numbers: range, owner: str | None) -> Iterator[tuple[object, ...]]:
        for n in numbers:
            if owner in {None, self._owner(n)}:
                for seq in range(1, EVENTS_EACH + 1):
                    yield n * EVENTS_EACH + seq, name_of(n), seq


def states(owner: Callable[[int], str]) -> Callable[[int], bytes]:
    """What a payment's row holds in the end, by its number."""
    template = _template(msgspec.json.encode(_PAYMENT))
    return lambda number: template % _fields(number, owner(number))


def fill(
    path: Path,
    *,
    payments: int,
    owner: Callable[[int], str],
    channels: Mapping[str, str],
    seal: Callable[[str], str] = lambda _id: "unreadable",
) -> None:
    """Make the database at `path`. `owner` says whose the n-th payment is; `channels`
    are of that merchant ('*': of all), and were told everything; `seal` gives the
    sealed secret of a channel. A channel's dead letters are each hundredth delivery."""
    journal = Journal(path, synchronous="OFF")
    journal.commit(
        [Write(rows=(_channel(i, m, seal(i)),)) for i, m in channels.items()]
    )
    sql = journal.connection
    kept = _without_indexes(sql)
    rows, numbers = _Rows(owner), range(payments)
    sql.execute("BEGIN")
    _insert(sql, "events", 8, rows.events(numbers))
    columns = "rank, id, merchant, address, external_id, status, seq, watched,"
    columns += " created_at, state, crc"
    _insert(sql, f"payments ({columns})", 11, rows.payments(numbers))
    for channel_id, merchant in sorted(channels.items()):
        owed = rows.outbox(numbers, None if merchant == "*" else merchant)
        sql.executemany(
            'INSERT INTO outbox (channel_id, "offset", payment_id, seq, state,'
            " attempts, next_at) VALUES (?, ?, ?, ?, ?, 1, 0)",
            ((channel_id, *o, "delivered" if o[0] % 100 else "dead") for o in owed),  # type: ignore[operator]
        )
    for statement in kept:
        sql.execute(statement)
    sql.execute("DROP TABLE moments")
    moments.create(sql)
    sql.execute(
        "INSERT OR REPLACE INTO outbox_totals"
        " SELECT state, count(*) FROM outbox GROUP BY state"
    )
    sql.execute("COMMIT")
    sql.close()


def lengthen(path: Path, payment_id: str, events: int) -> Payment:
    """A payment that was only created gets at least so many events, of which the last
    confirms it; nobody watches its address from then on. How it stands then."""
    journal = Journal(path, synchronous="OFF")
    payment = queries.payment(journal.connection, payment_id)
    assert payment is not None
    told: list[Event] = []
    for view in _restless(payment.terms, events):
        for event in decide(payment, view, payment.terms.created_at + view.tip.height):
            told.append(event)
            payment = evolve(payment, event)
    journal.commit([Write(entries=(Entry(payment, tuple(told)),))])
    sql = journal.connection
    sql.execute("UPDATE payments SET watched = 0 WHERE id = ?", (payment_id,))
    sql.close()
    assert payment.seq >= events
    return payment


def _restless(terms: Terms, views: int) -> Iterator[ChainView]:
    """Its transaction in a block, and out of it again, one event each time; at the end
    as deep as was asked for."""
    last = views + terms.confirmations_required - 1
    for height in range(1, last + 1):
        block = min(height, views)
        is_in = height >= views or height % 2 == 0
        place = (f"{block:064x}", block) if is_in else ()
        output = Output(_TXID, 0, terms.amount_sat or 1_000, *place)
        yield ChainView("made", Tip(height, f"{height:064x}"), (output,))


def _channel(channel_id: str, merchant: str, secret: str) -> ChannelRow:
    return channel_row(
        Channel(
            id=channel_id,
            url="http://127.0.0.1:59999/",
            secret=secret,
            created_at=FIRST_AT,
            merchant=merchant,
        )
    )


def _insert(
    sql: sqlite3.Connection, into: str, width: int, rows: Iterator[tuple[object, ...]]
) -> None:
    places = ", ".join("?" * width)
    sql.executemany(f"INSERT INTO {into} VALUES ({places})", rows)  # noqa: S608


def _without_indexes(sql: sqlite3.Connection) -> list[str]:
    """Take indexes and triggers away; the statements that make them again."""
    found = sql.execute(
        "SELECT type, name, sql FROM sqlite_master"
        " WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
    ).fetchall()
    for kind, name, _ in found:
        sql.execute(f"DROP {kind} {name}")
    return [statement for _, _, statement in found]
