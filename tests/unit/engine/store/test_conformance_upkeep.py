"""What the housekeeper asks of any store and has done: see `test_conformance.py`.

And that this suite leaves no question and no row of the port out.
"""

import ast
import typing
from pathlib import Path

from engine.store.port import StoreReader
from engine.store.writes import (
    STEP,
    Committed,
    FillSearch,
    PurgeDeliveries,
    RemoveChannel,
    Row,
    ShrinkFile,
    Write,
)
from tests.unit.engine.store.conformance import OpenStore, committed, whole_journal
from tests.unit.journal_cases import channel, creation
from tests.unit.payment_cases import T0


def test_every_question_and_every_row_of_the_port_is_in_this_suite() -> None:
    named: set[str] = set()
    for file in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                named.add(node.attr)
            elif isinstance(node, ast.Name):
                named.add(node.id)
    questions = {
        name
        for base in StoreReader.__mro__
        for name in vars(base)
        if not name.startswith("_") and base.__module__.startswith("engine.")
    }
    rows = {row.__name__ for row in typing.get_args(Row)}
    assert len(questions) > 70
    assert len(rows) > 30
    assert sorted((questions | rows) - named) == []


def test_what_is_before_a_time_is_never_said_of_what_is_not(store: OpenStore) -> None:
    assert store.reader.offset_before(T0 + 1) == 0
    for number in range(3):
        store.commit(creation(f"p{number}"))
    assert store.reader.offset_before(T0) == 0, "none is from before"
    upto = store.reader.offset_before(T0 + 1)
    earlier = [e.offset for e in whole_journal(store) if e.event.at < T0 + 1]
    assert 0 <= upto <= max(earlier)


def test_how_large_it_is_and_what_it_gives_back(store: OpenStore) -> None:
    store.commit(*(creation(f"p{number}") for number in range(20)))
    use = store.reader.file_use()
    assert use.page_bytes > 0
    assert 0 <= use.free_pages <= use.pages
    committed(*store.commit(Write(rows=(ShrinkFile(10),))))
    assert store.reader.file_use().pages <= use.pages
    assert store.reader.payment("p7") is not None


def test_a_new_store_has_nothing_left_to_make_searchable(store: OpenStore) -> None:
    store.commit(creation("p1"))
    assert store.reader.search_left() == 0
    (outcome,) = store.commit(Write(rows=(FillSearch(10),)))
    assert isinstance(outcome, Committed)
    assert outcome.changed == 0


def test_what_removed_channels_were_owed_goes_in_steps(store: OpenStore) -> None:
    store.commit(channel("a"), channel("b"))
    store.commit(*(creation(f"p{number}") for number in range(STEP + 5)))
    removed = committed(*store.commit(Write(rows=(RemoveChannel("a"),))))
    left = 0 if removed.more_after is None else 5  # a store may take all at once
    gone = []
    while True:
        purged = committed(*store.commit(Write(rows=(PurgeDeliveries(2),))))
        gone.append(purged.changed)
        if purged.more_after is None:
            break
        assert len(gone) < 20
    assert max(gone) <= 2
    assert sum(gone) == left
    assert store.reader.outbox_counts() == {"pending": STEP + 5}, "others keep theirs"
