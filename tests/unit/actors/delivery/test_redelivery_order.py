"""What is owed anew is told before what comes after it, from the commit on.

Simulated world 3888: a redelivery was asked for within a second of another, so that
the notifier was to hear of it later; in that second it sent what came in. World 18588:
it had heard of it, and sent what came in while it waited for the list of what is owed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ChannelChanged
from engine.store.records import OWED, Owed, Pending, PendingPayment
from engine.store.writes import Requeue, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.delivery.notifier_bench import Bench, event_at
from tests.unit.actors.delivery.street import Street
from tests.unit.payment_cases import mined, view


@pytest.fixture(params=range(5))
def street(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Street]:
    stage = ActorStage(tmp_path, seed=request.param)
    made = Street(stage)
    made.channel("ann")
    for name in ("p", "q"):
        stage.create(name)
        made.grow(name)
    made.shop.sent.clear()
    yield made
    stage.close()


def _again(street: Street, payment: str) -> Write:
    return Write(rows=(Requeue(payment_id=payment, at=street.stage.clock.now()),))


def test_an_event_just_after_a_second_redelivery_is_told_after_what_that_brings_back(
    street: Street,
) -> None:
    street.change(_again(street, "q"))
    street.stage.append(_again(street, "p"))
    street.stage.observe("p", view(mined("later", 1000)))
    street.stage.run()
    street.stage.pass_s(5)
    assert street.shop.to("ann", "p") == street.story("p")


def test_so_is_one_that_is_committed_together_with_it(street: Street) -> None:
    """A step is the last of its transaction, so that the event came first."""
    street.change(_again(street, "q"))
    street.stage.append(Write())  # under way: the others wait, and are one batch
    street.stage.append(_again(street, "p"))
    street.stage.observe("p", view(mined("later", 1000)))
    street.stage.run()
    street.stage.pass_s(5)
    assert street.shop.to("ann", "p") == street.story("p")


# -- by itself: nobody has told it yet -------------------------------------------------


def _head(offset: int) -> Pending:
    return Pending(offset, offset, 0, 0, event_at(offset).wire)


def test_what_is_routed_after_a_redelivery_is_looked_for_in_the_outbox() -> None:
    bench = Bench()
    notifier = bench.begun(4)
    bench.node.redeliveries.count(None)
    notifier.tell_system(event_at(5))
    bench.settle()
    assert bench.sender.sent == []
    bench.answer(bench.asked[-1], _head(2))
    bench.commit(0)
    bench.answer(bench.asked[-1], _head(5))
    assert bench.sender.sent == ["evt_2", "evt_5"]


def test_so_is_what_is_routed_while_the_list_of_what_is_owed_is_read() -> None:
    bench = Bench()
    notifier = bench.begun(4)
    bench.node.redeliveries.count(None)
    notifier.tell_system(ChannelChanged(None))
    bench.settle()
    listing = bench.asked[-1]
    notifier.tell_system(event_at(5))
    notifier.tell_system(event_at(6))
    bench.settle()
    assert bench.sender.sent == []
    bench.answer(bench.asked[-1], _head(2))
    bench.answer(listing, [PendingPayment("pay_1", 0)])
    for number, offset in enumerate((5, 6)):
        bench.commit(number)
        bench.answer(bench.asked[-1], _head(offset))
    assert bench.sender.sent == ["evt_2", "evt_5", "evt_6"]


def test_so_is_what_was_to_come_behind_an_event_that_is_under_way() -> None:
    bench = Bench()
    notifier = bench.begun(4)
    notifier.tell_system(event_at(5))
    notifier.tell_system(event_at(6))
    bench.settle()
    asked = len(bench.asked)
    bench.node.redeliveries.count(None)
    bench.commit(0)
    assert (bench.sender.sent, len(bench.asked)) == (["evt_5"], asked + 1)


def test_so_is_what_was_read_before_it_and_has_not_had_its_turn() -> None:
    bench = Bench()
    bench.begun(4, "pay_1")
    bench.node.redeliveries.count(None)
    bench.answer(bench.asked[-1], _head(5))
    assert bench.sender.sent == []
    bench.answer(bench.asked[-1], _head(2))
    assert bench.sender.sent == ["evt_2"]


def test_when_all_that_is_owed_was_read_again_nothing_more_is_looked_for() -> None:
    bench = Bench()
    notifier = bench.begun(4)
    bench.node.redeliveries.count(None)
    notifier.tell_system(ChannelChanged(None))
    bench.settle()
    bench.answer(bench.asked[-1], [])
    asked = len(bench.asked)
    notifier.tell_system(event_at(5))
    notifier.tell_system(event_at(6))
    bench.settle()
    bench.commit(0)
    bench.commit(1)
    assert bench.sender.sent == ["evt_5", "evt_6"]
    assert len(bench.asked) == asked


def _page(first: int) -> list[PendingPayment]:
    """A full one, of payments that are due much later."""
    return [PendingPayment(f"x{n:05}", 1 << 60) for n in range(first, first + OWED)]


@pytest.mark.parametrize("pages", [0, 1])
@pytest.mark.parametrize("at_start", [True, False])
def test_a_reading_that_began_before_a_redelivery_does_not_count(
    pages: int, at_start: bool
) -> None:
    """Of the payment that is owed something anew it may have been told before."""
    bench = Bench()
    notifier = bench.notifier() if at_start else bench.begun(4)
    bench.settle()
    if not at_start:
        notifier.tell_system(ChannelChanged(None))
        bench.settle()
    answers: list[Any] = [_page(OWED * number) for number in range(pages)] + [[]]
    bench.node.redeliveries.count(None)  # the first page is on its way
    for number, answer in enumerate(answers):
        if at_start and number == 0:
            bench.asked[-1].reply(_owed(answer))
            bench.settle()
        else:
            bench.answer(bench.asked[-1], answer)
    asked = len(bench.asked)
    notifier.tell_system(event_at(5))
    bench.settle()
    assert (bench.sender.sent, len(bench.asked)) == ([], asked + 1)


def _owed(payments: list[PendingPayment]) -> Owed:
    return Owed(4, payments)


def test_what_another_merchant_has_told_again_is_no_reason_to_look() -> None:
    bench = Bench()
    notifier = bench.begun(4)
    bench.node.redeliveries.count("another")
    notifier.tell_system(event_at(5))
    bench.settle()
    assert bench.sender.sent == ["evt_5"]
