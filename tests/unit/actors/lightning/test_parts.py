"""Other parts of an upstream: what is held, questions, wishes, its balance."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors.lightning.balance_look import BalanceLook
from actors.lightning.held import Holder
from actors.lightning.lookups import LookUps
from actors.lightning.messages import BalanceDue
from actors.lightning.wishes import BURST, SELDOM_S, Wishes
from engine.lightning.node import Balance
from engine.lightning.upstream import UpstreamState
from tests.unit.actors.lightning.part_stage import Stage
from tests.unit.actors.lightning.shop import hash_of

# -- what is held ----------------------------------------------------------------------


def holder(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Holder:
    class PlayedRef:
        is_alive = True

        def __init__(self, *_: object) -> None: ...

        def start(self) -> None: ...

        def stop(self) -> None: ...

        def tell(self, message: object) -> None:
            stage.told.append(message)

    monkeypatch.setattr("actors.lightning.held.Ref", PlayedRef)
    upstream: Any = None
    return Holder(stage.node, stage.account, upstream, upstream)


def test_one_that_says_nothing_is_dead_after_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    held = holder(stage, monkeypatch)
    assert held.silence() == ""
    held.start()
    stage.now_s += 30
    assert held.silence() == ""
    stage.now_s += 0.1
    assert held.silence() == "shop gave no sign of life for 30 s"
    held.heard(opened=True)
    stage.now_s += 90
    held_for = held.silence()
    assert held_for == ""
    stage.now_s += 0.1
    assert held.silence()
    held.heard()
    stage.now_s += 90
    assert held.silence() == "", "it is open as before"


def test_what_could_not_be_taken_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    held = holder(stage, monkeypatch)
    assert not held.took_missed()
    held.start()
    assert not held.took_missed()
    stage.told[0].listener.missed = True
    assert held.took_missed()
    assert not held.took_missed()


def test_what_an_earlier_try_says_is_of_no_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    held = holder(stage, monkeypatch)
    held.start()
    (first,) = stage.told
    assert held.is_trying
    assert held.is_current(first.number)
    held.drop()
    assert not held.is_trying
    assert not held.is_current(first.number)
    held.start()
    assert not held.is_current(first.number)
    assert held.is_current(stage.told[1].number)


# -- questions, wishes, balance --------------------------------------------------------


def test_a_question_whose_worker_ended_is_asked_again() -> None:
    stage = Stage()
    looks = LookUps(stage.node, "shop", stage.brings)
    assert looks.wait_s() is None
    looks.add(hash_of(1), "pay_1")
    looks.claim(hash_of(2))
    assert stage.counts == []
    taken = looks.take()
    assert taken is not None
    assert looks.take() is None
    looks.put_back()
    stage.now_s += 60
    assert looks.take() == taken


def test_who_is_one_too_many_in_line_is_counted() -> None:
    stage = Stage()
    looks = LookUps(stage.node, "shop", stage.brings)
    for number in range(101):
        looks.claim(hash_of(number))
    assert stage.counts == ["lightning.claims_refused"]


def test_what_works_is_broken_off_a_few_times_and_then_seldom() -> None:
    wishes, live = Wishes(), UpstreamState.LIVE
    assert wishes.wait_s(0.0, live) == 0.0
    assert wishes.wait_s(0.25, live) == 0.75
    for number in range(1, BURST):
        assert wishes.wait_s(float(number), live) == 0.0
    assert wishes.wait_s(float(BURST), live) == pytest.approx(SELDOM_S - BURST)
    assert wishes.wait_s(float(BURST), UpstreamState.FAILING) == 0.0


def test_a_balance_is_looked_at_soon_after_money_came_and_not_too_often() -> None:
    stage = Stage()
    waits: list[float] = []
    pending: set[type] = set()

    class Timers:
        def __contains__(self, kind: type) -> bool:
            return kind in pending

        def set(self, message: object, delay_s: float) -> None:
            pending.add(type(message))
            waits.append(delay_s)

    timers: Any = Timers()
    balance: Any = SimpleNamespace(publish=stage.told.append)
    look = BalanceLook(stage.node.clock, timers, balance)
    assert look.is_old()
    look.money_came()
    look.money_came()
    assert waits == [2.0]
    pending.discard(BalanceDue)
    look.asked()
    assert not look.is_old()
    look.money_came()
    assert waits == [2.0, 10.0]
    stage.now_s += 59.9
    assert not look.is_old()
    stage.now_s += 0.1
    assert look.is_old()
    look.asked()
    look.told(Balance(spendable_msat=7))
    look.lost()
    assert look.is_old()
    assert stage.told == [Balance(spendable_msat=7), None]
