"""The actor that asks for rates: whom, how often, and what it leaves standing."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.facts.published import Published
from actors.money.rates import RatesActor, first_report
from engine.errors import SourceBusy, SourceError, SourceUnavailable
from engine.money.rate_book import DISAGREE, NONE
from engine.money.rates import SET, NoRate, Policy, Quote, Rate, RatesReport, rate_of
from engine.payment.events import opening
from engine.payment.model import Terms
from engine.payment.money_terms import Price
from engine.ports import RateAnswer
from engine.store.writes import Entry, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import T0, terms

POLICY = Policy(every_s=60, fresh_s=300)


class Provider:
    def __init__(self, name: str, rate: str) -> None:
        self.name = name
        self.rate = rate
        self.error: SourceError | Exception | None = None
        self.asked: list[int] = []

    def ask(self, now: int) -> RateAnswer:
        self.asked.append(now)
        if self.error is not None:
            raise self.error
        return RateAnswer((Quote(self.name, "EUR", Decimal(self.rate), now),))


class FixedRates:
    name = SET

    def ask(self, now: int) -> RateAnswer:
        return RateAnswer((Quote(SET, "EUR", Decimal(50_000), now),))


class Stage(ActorStage):
    def __init__(self, folder: Path, policy: Policy = POLICY) -> None:
        super().__init__(folder)
        self.policy = policy
        self.providers = [Provider(name, "50000") for name in "abc"]
        self.report = Published(RatesReport())
        self.node.rates = self.report
        self.rates = self.start("rates", self.actor())

    def actor(self) -> RatesActor:
        return RatesActor(self.node, self.providers, self.policy, self.report)

    def sold(self, terms: Terms) -> None:
        event, payment = opening(terms)
        self.append(Write(entries=(Entry(payment, (event,)),)))

    @property
    def rate(self) -> Rate | NoRate:
        return rate_of(self.node.rates.now, "EUR", self.clock.now())

    @property
    def alerts(self) -> set[tuple[str, str]]:
        return {(a.kind, a.subject) for a in self.node.alerts.standing()}


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


def text(rate: Rate | NoRate) -> str:
    assert isinstance(rate, Rate), rate
    return rate.text


def test_all_are_asked_at_once_and_then_at_the_interval(stage: Stage) -> None:
    stage.run()
    assert text(stage.rate) == "50000"
    stage.pass_s(600)
    assert all(11 <= len(p.asked) <= 12 for p in stage.providers)


def test_one_that_fails_does_not_stop_the_others_and_is_left_alone_for_a_while(
    stage: Stage,
) -> None:
    stage.providers[0].error = SourceUnavailable("a does not answer")
    stage.pass_s(3_600)
    assert text(stage.rate) == "50000"
    assert len(stage.providers[0].asked) < 15 < len(stage.providers[1].asked)
    (a, *_others) = stage.node.rates.now.providers
    assert (a.error, a.state) == ("a does not answer", "open")
    assert ("rates.failing", "a") in stage.alerts
    stage.providers[0].error = None
    stage.pass_s(1_200)
    assert stage.alerts == set()


def test_who_asks_for_a_pause_gets_it(stage: Stage) -> None:
    stage.providers[1].error = SourceBusy("b asks us to slow down", 1_000)
    stage.pass_s(990)
    assert len(stage.providers[1].asked) == 1
    stage.providers[1].error = None
    stage.pass_s(120)
    assert len(stage.providers[1].asked) > 1


def test_a_pause_of_unsaid_length_is_a_minute(often: Stage) -> None:
    often.providers[1].error = SourceBusy("b asks us to slow down")
    often.pass_s(59)
    assert len(often.providers[1].asked) == 1
    often.pass_s(15)
    assert len(often.providers[1].asked) == 2


def test_three_failures_in_a_row_are_a_rest_of_about_a_minute(often: Stage) -> None:
    often.providers[0].error = SourceUnavailable("a does not answer")
    often.pass_s(65)  # 20 s until the third, then 48 s at least
    assert len(often.providers[0].asked) == 3
    often.pass_s(45)
    assert len(often.providers[0].asked) == 4


def test_what_is_fixed_is_there_before_anybody_is_asked(stage: Stage) -> None:
    fixed = FixedRates()
    report = first_report([fixed], POLICY, T0)
    assert text(rate_of(report, "EUR", T0 + 10**9)) == "50000"
    others = first_report(stage.providers, POLICY, T0)
    assert [provider.name for provider in others.providers] == ["a", "b", "c"]
    assert not others.quotes
    assert not stage.providers[0].asked


def test_when_all_are_gone_the_rate_grows_old_and_is_used_no_more(
    stage: Stage,
) -> None:
    stage.run()
    stage.node.priced_in.want("EUR")
    for provider in stage.providers:
        provider.error = SourceUnavailable("gone")
    stage.pass_s(299)
    assert text(stage.rate) == "50000"
    stage.pass_s(2)
    assert isinstance(stage.rate, NoRate)
    stage.pass_s(60)
    assert (NONE, "EUR") in stage.alerts


def test_a_liar_is_set_aside_alerted_and_believed_again_when_it_agrees(
    stage: Stage,
) -> None:
    stage.providers[2].rate = "50000000000"
    stage.run()
    assert text(stage.rate) == "50000"
    assert stage.alerts == {(DISAGREE, "c")}
    stage.providers[2].rate = "50000"
    stage.pass_s(61)
    assert stage.alerts == set()


def test_a_lone_liar_cannot_walk_away_with_the_rate(stage: Stage) -> None:
    stage.run()
    for provider in stage.providers[:2]:
        provider.error = SourceUnavailable("gone")
    for percent in range(1, 40):
        stage.pass_s(60)
        stage.providers[2].rate = str(50_000 * (100 + percent) // 100)
    assert isinstance(stage.rate, NoRate)


def test_a_later_life_goes_on_with_what_was_published(stage: Stage) -> None:
    stage.run()
    for provider in stage.providers:
        provider.error = SourceUnavailable("gone")
    stage.rates.stop()
    stage.run()
    stage.rates = stage.start("rates", stage.actor())
    stage.run()
    assert text(stage.rate) == "50000"


def test_a_node_that_starts_with_one_provider_goes_by_what_it_sold_at_last(
    stage: Stage,
) -> None:
    stage.rates.stop()
    stage.run()
    now = stage.clock.now()
    price = Price(
        currency="EUR", minor=1, decimals=2, rate="50500", rate_at=now, providers=("a",)
    )
    for number, change in enumerate(
        [
            {"providers": ("a", "b"), "rate": "49000", "rate_at": now - 7_200_000},
            {"providers": ("a", "b"), "rate": "50500", "rate_at": now - 3_600_000},
            {"providers": ("a", "b"), "rate": "90000", "is_lone": True},
            {"providers": ("fixed",), "rate": "80000"},
        ]
    ):
        priced = replace(price, **change)  # type: ignore[arg-type]
        stage.sold(terms(id=f"pay_{number}", address=f"a{number}", price=priced))
    stage.run()
    for provider in stage.providers[1:]:
        provider.error = SourceUnavailable("gone")
    stage.report.publish(RatesReport())
    stage.start("rates", stage.actor())
    stage.run()
    assert stage.node.rates.now.medians["EUR"].rate == 50_500
    assert text(stage.rate) == "50000"
    assert isinstance(stage.rate, Rate)
    assert stage.rate.is_lone


def test_a_clock_that_is_put_back_makes_no_rate_last_longer(stage: Stage) -> None:
    stage.run()
    for provider in stage.providers:
        provider.error = SourceUnavailable("gone")
    now = stage.clock.now()
    assert isinstance(rate_of(stage.node.rates.now, "EUR", now - 3_600_000), NoRate)
