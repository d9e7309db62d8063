"""When a receipt may be told as gone, and how long news may wait, as judges see it."""

import pytest

from engine.chain.feed import ChainView, Output, SourceStatus
from engine.payment.events import Change, Event
from engine.payment.model import EventType, Receipt, Status
from tests.simulation.chain import SimChain
from tests.simulation.judge_cases import SCRIPT, TERMS
from tests.simulation.judges.book import Book
from tests.simulation.judges.case import Case
from tests.simulation.judges.losses import replaced
from tests.simulation.judges.news import News
from tests.simulation.record import Record, Shown

JUMPED = 10**9
"""Later than all that follows: the clock was put back since."""


class Told:
    """A payment of one output, and a source that is asked after it again and again."""

    def __init__(self) -> None:
        self.chain = SimChain(1_760_000_000)
        self.record = Record(self.chain)
        self.there = self.chain.pay([(SCRIPT, 1_000)])
        self.shown: list[Shown] = []

    def asked(self, *, is_lost: bool = False) -> None:
        at, seen = 3_000 * len(self.shown), self.chain.now
        self.record.on_round("source0", at, 0)
        self.record.on_answer("source0", at, seen)
        self.record.on_mempool("source0", is_lost=is_lost)
        for _ in range(2):
            self.record.on_status("source0", at, SourceStatus(seen.tip))
        self.shown.append(Shown("source0", at, at, at))

    def judge_of_its_loss(self) -> str | None:
        """It is told with the last answer; it had lost its block before."""
        key = self.there.txid, 0
        receipt = Receipt(*key, 1_000, None, None, 0, "source0", seen_at=JUMPED)
        book = Book(TERMS)
        book.receipts[key] = receipt
        last = self.shown[-1]
        event = Event(
            payment_id="p",
            seq=3,
            type=EventType.REPLACED,
            at=last.at,
            status=Status.PENDING,
            flags=(),
            received_sat=0,
            confirmations=0,
            txid=key[0],
            data=Change(receipt=receipt),
        )
        return replaced(Case(self.record, SCRIPT, book, event, [], [last], self.shown))


@pytest.mark.parametrize("is_seen_to_leave", [True, False])
def test_what_had_left_before_a_mempool_was_lost_is_gone_whatever_clocks_say(
    is_seen_to_leave: bool,
) -> None:
    """World 22290: the loss of its block was heard, and so dated, after it had left,
    and then the clock was put back."""
    story = Told()
    story.asked()
    story.chain.evict(story.there.txid)
    if is_seen_to_leave:
        story.asked()
    story.record._shown_whole.add("source0")
    for _ in range(2):
        story.asked(is_lost=True)
    wrong = story.judge_of_its_loss()
    if is_seen_to_leave:
        assert wrong is None
    else:
        assert wrong is not None
        assert "whoever was asked still had" in wrong


def test_what_an_undone_block_gave_back_is_gone_if_it_is_not_there_from_then_on() -> (
    None
):
    """World 79510: the mempool had been lost with all of the others before, so that it
    could not be told to have lost this one too."""
    story = Told()
    story.record._shown_whole.add("source0")
    story.chain.mine([story.there.txid], 1_760_000_600)
    story.asked(is_lost=True)
    story.chain.undo(1)
    for _ in range(2):
        story.chain.mine([], 1_760_000_900)
    story.asked(is_lost=True)
    wrong = story.judge_of_its_loss()
    assert wrong is not None
    assert "in one answer only" in wrong
    story.asked(is_lost=True)
    assert story.judge_of_its_loss() is None


def test_when_a_watcher_was_shown_something_last_is_known() -> None:
    """World 13329: it could not be written, and was not shown again for long."""
    story = Told()
    news = News({"p": Book(TERMS)}, story.record)
    output = Output(story.there.txid, 0, 1_000, verified_by_source=True)
    view = ChainView("source0", story.chain.now.tip, (output,))
    assert news.shown_at("p") == 0
    news.on_shown("p", view, 5)
    news.on_shown("p", view, 9)
    assert news.shown_at("p") == 9
    assert news.untold("p", 5) is None
    assert news.untold("p", 6) == (story.there.txid, 0)
