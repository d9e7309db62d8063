"""The actor of rates: its times, what it counts and logs, and what it remembers."""

import itertools
import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.money.rates import RatesActor, RoundDue, first_report
from engine.errors import SourceBusy, SourceUnavailable
from engine.money.rates import Policy, Quote
from engine.payment.money_terms import Price
from engine.ports import RateAnswer
from engine.runtime.clock import Timer
from engine.runtime.ref import Ref
from tests.unit.actors.money.test_rates_actor import POLICY, Stage
from tests.unit.payment_cases import T0, terms


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def often(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, Policy(every_s=10))
    yield stage
    stage.close()


def test_it_asks_up_to_a_tenth_sooner_each_time_and_never_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter([0.0, 0.5, 1.0, 0.0, 0.0])
    monkeypatch.setattr(stage.node.random, "random", lambda: next(drawn))
    waits: list[float] = []
    original = stage.clock.call_later

    def counted(delay_s: float, ref: Ref, message: object) -> Timer:
        if isinstance(message, RoundDue):
            waits.append(delay_s)
        return original(delay_s, ref, message)

    monkeypatch.setattr(stage.clock, "call_later", counted)
    stage.pass_s(150)
    assert waits[:3] == pytest.approx([60.0, 57.0, 54.0])
    assert RoundDue.coalesce
    assert RatesActor.blocking
    assert RatesActor.turn_timeout_s == 300.0


def test_each_question_and_each_failure_is_counted_and_logged(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "paybell.rates")
    stage.providers[1].error = SourceUnavailable("b does not answer")
    stage.run()
    assert stage.node.counters["rates.asked"] == 3
    assert stage.node.counters["rates.failed"] == 1
    assert "rates.failed provider=b detail=b does not answer" in caplog.messages
    said = stage.node.rates.now.providers[1]
    assert (said.name, said.error, said.state) == ("b", "b does not answer", "closed")
    stage.providers[1].error = None
    stage.pass_s(61)
    assert stage.node.rates.now.providers[1].error in (None, "")


def test_a_bug_of_a_provider_is_a_crash_that_people_see(stage: Stage) -> None:
    stage.providers[0].error = ValueError("what is this")
    stage.run()
    assert not stage.rates.is_alive


def test_who_rests_is_not_asked_and_not_counted(often: Stage) -> None:
    often.providers[0].error = SourceBusy("slow down", 100)
    often.run()
    often.pass_s(85)
    assert len(often.providers[0].asked) == 1
    assert often.node.counters["rates.failed"] == 1
    asked = sum(len(provider.asked) for provider in often.providers)
    assert often.node.counters["rates.asked"] == asked
    assert often.node.rates.now.providers[0].state == "open"


def test_rests_grow_from_a_minute_to_a_quarter_of_an_hour(
    often: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(often.node.random, "random", lambda: 0.5)
    often.providers[0].error = SourceUnavailable("gone")
    often.pass_s(6_000)
    times = [at / 1_000 for at in often.providers[0].asked]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[:2] == pytest.approx([9.5, 9.5])
    for gap, rest in zip(gaps[2:], (60, 120, 240, 480, 900, 900), strict=False):
        assert rest <= gap < rest + 10


def test_one_answer_closes_its_breaker(often: Stage) -> None:
    often.providers[0].error = SourceUnavailable("gone")
    often.pass_s(25)
    assert often.node.rates.now.providers[0].state == "open"
    often.providers[0].error = None
    often.pass_s(90)
    assert often.node.rates.now.providers[0].state == "closed"
    before = len(often.providers[0].asked)
    often.pass_s(100)
    assert len(often.providers[0].asked) - before >= 10


def test_others_run_between_ten_medians(stage: Stage) -> None:
    looks: list[int] = []
    stage.node.yield_to_hub = lambda: looks.append(1)
    currencies = [f"C{n:02}" for n in range(25)]

    def ask(now: int) -> RateAnswer:
        return RateAnswer(tuple(Quote("a", c, Decimal(5), now) for c in currencies))

    stage.providers[0].ask = ask  # type: ignore[method-assign]
    stage.run()
    assert len(looks) == 2


def test_an_alert_of_another_kind_is_none_of_its(stage: Stage) -> None:
    stage.node.alerts.raise_("disk.low", "", "why", 0)
    stage.node.alerts.raise_("rates.failing", "gone", "of a former provider", 0)
    stage.run()
    assert stage.alerts == {("disk.low", "")}


def test_the_first_report_names_all_and_asks_nobody(stage: Stage) -> None:
    report = first_report(stage.providers, POLICY, T0)
    assert [one.name for one in report.providers] == ["a", "b", "c"]
    assert [provider.asked for provider in stage.providers] == [[], [], []]


def price(**changes: Any) -> Price:
    base = Price(
        currency="EUR", minor=1, decimals=2, rate="50500", rate_at=T0 - 1_000,
        providers=("a", "b"),
    )  # fmt: skip
    return replace(base, **changes)


def remembered(stage: Stage, *prices: Price | None) -> dict[str, str]:
    stage.rates.stop()
    stage.run()
    for number, one in enumerate(prices):
        stage.sold(terms(id=f"pay_{number:03}", address=f"a{number}", price=one))
    stage.run()
    for provider in stage.providers:
        provider.error = SourceUnavailable("gone")
    stage.report.publish(type(stage.report.now)())
    stage.start("rates", stage.actor())
    stage.run()
    found = stage.node.rates.now.medians
    return {currency: str(median.rate) for currency, median in found.items()}


def test_two_providers_are_the_fewest_to_remember_and_none_is_nothing(
    stage: Stage,
) -> None:
    assert remembered(stage, None, price(providers=("a",))) == {}


def test_a_rate_of_two_is_remembered_and_the_newest_of_each_currency(
    stage: Stage,
) -> None:
    found = remembered(
        stage,
        price(rate="50600", rate_at=T0 - 500),
        price(),
        price(rate="50700", rate_at=T0 - 500),
        price(currency="USD", rate="60000"),
    )
    assert found["USD"] == "60000"
    assert found["EUR"] in {"50600", "50700"}


def test_the_newest_two_hundred_payments_are_looked_at(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[Any] = []
    original = stage.store.list_payments

    def listed(filters: Any, after: Any, limit: int) -> Any:
        limits.append((filters, after, limit))
        return original(filters, after, limit)

    monkeypatch.setattr(stage.store, "list_payments", listed, raising=False)
    remembered(stage)
    assert ({}, None, 200) in limits
