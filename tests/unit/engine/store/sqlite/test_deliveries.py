"""What a payment's channels were told costs nothing by what channels others have."""

from pathlib import Path

from engine.store.sqlite.deliveries import deliveries_of
from engine.store.sqlite.journal import Journal
from engine.store.writes import FIRST
from tests.unit.journal_cases import channel, creation

OTHERS = 300


def steps(journal: Journal, merchant: str | None) -> tuple[int, list[str]]:
    ticks: list[None] = []
    sql = journal.connection
    sql.set_progress_handler(lambda: ticks.append(None), 1)
    found = deliveries_of(sql, "p", merchant, FIRST, 9)
    sql.set_progress_handler(None, 0)
    return len(ticks), [one.channel_id for one in found]


def test_a_payments_deliveries_are_found_past_thousands_of_others_channels(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "node.db", synchronous="OFF")
    journal.commit([channel("own", "ann"), channel("all"), creation("p", "ann")])
    for merchant, told in (("ann", ["own"]), (None, ["all", "own"])):
        alone, found = steps(journal, merchant)
        assert found == told
        others = range(OTHERS)
        journal.commit([channel(f"{merchant} {n}", f"shop {n}") for n in others])
        beside, found = steps(journal, merchant)
        assert found == told
        assert beside < alone + 50, merchant
    journal.close()
