"""What concerns any number of deliveries is done a bounded number at a time."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from engine.store.sqlite import outbox
from engine.store.sqlite.audit import damaged_rows
from engine.store.sqlite.journal import Journal
from engine.store.writes import (
    Committed,
    DeliveryResult,
    ForgetIdempotency,
    KeptAnswer,
    PurgeDeliveries,
    RemoveChannel,
    Requeue,
    Row,
    Write,
)
from tests.unit.engine.store.sqlite.test_bulk import some_write
from tests.unit.journal_cases import channel, creation, decided, stored
from tests.unit.payment_cases import T0, mempool, mined, view

CHANNELS = ("all", "ann", "off", "zoe")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "paybell.db", synchronous="OFF")
    yield opened
    opened.close()


def done(journal: Journal, row: Row) -> Committed:
    (outcome,) = journal.commit([Write(rows=(row,))])
    assert isinstance(outcome, Committed), outcome
    return outcome


def fill(journal: Journal, payments: int = 30) -> None:
    """Payments of two merchants, one each ms; all deliveries are done or dead."""
    owners = {"ann": "ann", "zoe": "zoe"}
    journal.commit([channel(name, owners.get(name, "*")) for name in CHANNELS])
    journal.commit([_made_at(n) for n in range(payments)])
    deliveries = journal.connection.execute(
        'SELECT channel_id, "offset", payment_id FROM outbox'
    ).fetchall()
    journal.commit([Write(rows=(_result(*one),)) for one in deliveries])
    journal.commit([channel("off", enabled=False)])


def _made_at(n: int) -> Write:
    (entry,) = creation(f"p{n}", ("ann", "bob")[n % 2]).entries
    (event,) = entry.events
    return Write((replace(entry, events=(replace(event, at=T0 + n),)),))


def _result(name: str, offset: int, payment_id: str) -> DeliveryResult:
    state = "dead" if offset % 3 else "delivered"
    return DeliveryResult(
        name, payment_id, offset, 1, 1, T0, 1, 500, "x", None, state, 0
    )


def pending(journal: Journal) -> list[tuple[str, int]]:
    return journal.connection.execute(
        'SELECT channel_id, "offset" FROM outbox'
        " WHERE state = 'pending' ORDER BY 1, 2"
    ).fetchall()


REQUEUES = [
    Requeue(at=T0),
    Requeue(merchant="ann", at=T0),
    Requeue(channel_id="all", dead_only=True, at=T0),
    Requeue(since=T0 + 9, until=T0 + 20, at=T0),
    Requeue(payment_id="p4", at=T0),
    Requeue(offset=7, at=T0),
    Requeue(merchant="zoe", since=T0, at=T0),
]


@pytest.mark.parametrize("limit", [1, 2, 7, 29])
@pytest.mark.parametrize("request_", REQUEUES)
def test_in_steps_as_much_is_owed_again_as_at_once(
    tmp_path: Path, request_: Requeue, limit: int
) -> None:
    at_once, in_steps = (
        Journal(tmp_path / f"{name}.db", synchronous="OFF") for name in "ab"
    )
    for journal in (at_once, in_steps):
        fill(journal)
    whole = done(at_once, request_)
    assert whole.more_after is None
    changed, row = 0, replace(request_, limit=limit)
    for _ in range(200):
        step = done(in_steps, row)
        assert step.changed <= limit + len(CHANNELS), "a step is bounded"
        changed += step.changed
        if step.more_after is None:
            break
        assert step.more_after > row.after, "it goes on"
        row = replace(row, after=step.more_after)
    assert changed == whole.changed
    assert pending(in_steps) == pending(at_once)
    for journal in (at_once, in_steps):
        journal.close()


def test_of_a_payment_with_many_events_a_step_takes_no_channel_too_many(
    journal: Journal,
) -> None:
    """What was put back counts against the limit, all of it."""
    journal.commit([channel(name) for name in CHANNELS])
    journal.commit([creation("p")])
    for seen in (mempool("t1"), mined("t1", 998)):
        journal.commit([decided(stored(journal, "p"), view(seen))])
    deliveries = journal.connection.execute(
        'SELECT channel_id, "offset", payment_id FROM outbox'
    ).fetchall()
    each = len(deliveries) // len(CHANNELS)
    assert each > 2
    journal.commit([Write(rows=(_result(*one),)) for one in deliveries])
    first = done(journal, Requeue(payment_id="p", at=T0, limit=2))
    assert (first.changed, first.more_after) == (each, (CHANNELS[1], 0))


def test_a_merchant_without_channels_has_nothing_looked_at(journal: Journal) -> None:
    fill(journal)
    heard: list[str] = []
    journal.connection.set_trace_callback(heard.append)
    assert done(journal, Requeue(merchant="dora", since=0, at=T0)) == Committed()
    assert not [text for text in heard if "outbox" in text or "events" in text]


def test_a_removed_channel_goes_at_once_and_its_deliveries_in_steps(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "paybell.db", synchronous="OFF")
    fill(journal)
    removed = done(journal, RemoveChannel("all", limit=10))
    assert (removed.changed, removed.more_after) == (1, ("all", 0))
    assert "all" not in {c.id for c in outbox.channels(journal.connection)}
    assert [*damaged_rows(journal.connection)] == [], "what is left is no damage"
    journal.close()
    journal = Journal(tmp_path / "paybell.db", synchronous="OFF")  # a crash between
    sizes = []
    more = True
    while more:
        step = done(journal, PurgeDeliveries(limit=10))
        sizes.append(step.changed)
        more = step.more_after is not None
    assert sizes == [10, 10, 0]
    left = journal.connection.execute("SELECT DISTINCT channel_id FROM outbox")
    assert {name for (name,) in left} == {"ann", "off"}
    assert done(journal, PurgeDeliveries()) == Committed()
    journal.close()


def test_two_removed_channels_are_purged_one_after_the_other(journal: Journal) -> None:
    fill(journal)
    for name in ("all", "ann"):
        done(journal, RemoveChannel(name, limit=1))
    for _ in range(20):
        if done(journal, PurgeDeliveries(limit=9)).more_after is None:
            break
    left = journal.connection.execute("SELECT DISTINCT channel_id FROM outbox")
    assert left.fetchall() == [("off",)]


def test_a_delivery_of_no_channel_at_all_is_damage(journal: Journal) -> None:
    fill(journal)
    journal.connection.execute("DELETE FROM channels WHERE id = 'ann'")
    assert len([*damaged_rows(journal.connection)]) == 15


def test_old_answers_are_forgotten_a_few_at_a_time(journal: Journal) -> None:
    rows = [KeptAnswer("s", f"k{n:03}", b"h", 201, b"", T0 + n) for n in range(90)]
    journal.commit([Write(rows=(row,)) for row in rows])
    assert done(journal, ForgetIdempotency(T0 + 60)).changed == 4
    named = ForgetIdempotency(T0 + 60, "s", "k050", limit=2)
    assert done(journal, named).changed == 3
    assert done(journal, ForgetIdempotency(T0 + 60, "s", "k070")).changed == 4
    left = journal.connection.execute("SELECT key FROM idempotency ORDER BY key")
    kept = [key for (key,) in left]
    assert kept == [f"k{n:03}" for n in range(10, 90) if n != 50]
    again = KeptAnswer("s", "k050", b"h2", 201, b"", T0 + 99)
    done(journal, again)


# -- counts ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_counts_that_are_kept_are_those_that_would_be_counted(
    tmp_path: Path, seed: int
) -> None:
    """After whatever was written, conflicts among it, and after a restart."""
    random = Random(seed)
    journal = Journal(tmp_path / "paybell.db", synchronous="OFF")
    journal.commit([channel("all")])
    for number in range(30):
        batch = [some_write(random, {}, journal.last_offset) for _ in range(8)]
        journal.commit(batch)
        assert outbox.outbox_counts(journal.connection) == counted(journal)
        if number % 10 == 9:
            journal.close()
            journal = Journal(tmp_path / "paybell.db", synchronous="OFF")
    assert counted(journal)
    journal.connection.execute("DELETE FROM outbox")
    assert outbox.outbox_counts(journal.connection) == {}
    journal.close()


def counted(journal: Journal) -> dict[str, int]:
    query = "SELECT state, count(*) FROM outbox GROUP BY state"
    return dict(journal.connection.execute(query).fetchall())
