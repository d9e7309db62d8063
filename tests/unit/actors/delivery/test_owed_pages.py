"""What a channel is owed is read page by page, and told in order all the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import ChannelChanged
from engine.delivery.channel import Channel, channel_row
from engine.store.records import OWED
from engine.store.writes import Requeue, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.delivery.street import SECRET, VAULT, Street
from tests.unit.journal_cases import creation, decided, stored
from tests.unit.payment_cases import T0, mempool, view

NAMES = [f"p{number:04}" for number in range(OWED + 50)]


SEEDS = range(2)


@pytest.fixture(params=SEEDS)
def street(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Street]:
    """A channel that is owed more than a page; its notifier has not begun."""
    stage = ActorStage(tmp_path, seed=request.param)
    made = Street(stage)
    sealed = VAULT.seal(SECRET, "ann")
    channel = Channel(id="ann", url="https://ann", secret=sealed, created_at=T0)
    stage.journal.commit([Write(rows=(channel_row(channel),))])
    stage.journal.commit([creation(name) for name in NAMES])
    yield made
    stage.close()


def test_all_that_is_owed_at_a_start_is_told_once(street: Street) -> None:
    street.ref.tell_system(ChannelChanged("ann"))
    street.stage.run()
    assert sorted(street.shop.to("ann")) == [(name, 1) for name in NAMES]


def test_all_that_is_owed_anew_is_told_again(street: Street) -> None:
    street.ref.tell_system(ChannelChanged("ann"))
    street.stage.run()
    street.shop.sent.clear()
    at = street.stage.clock.now()
    street.change(Write(rows=(Requeue(at=at, limit=10_000),)))
    assert sorted(street.shop.to("ann")) == [(name, 1) for name in NAMES]


@pytest.mark.parametrize("turns", [3, 8])
def test_no_event_overtakes_one_of_a_page_that_is_still_to_be_read(
    street: Street, turns: int
) -> None:
    """The last payment's next event comes while the first page is looked at."""
    last = NAMES[-1]
    street.ref.tell_system(ChannelChanged("ann"))
    street.stage.run(turns=turns)
    seen = decided(stored(street.stage.journal, last), view(mempool("t")))
    street.stage.append(seen)
    street.stage.run()
    seqs = [seq for name, seq in street.shop.to("ann") if name == last]
    assert seqs == sorted(seqs)
    assert seqs[0] == 1
    assert len(seqs) > 1
