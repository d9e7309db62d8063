"""What the providers said last, and what a person should hear of it."""

from decimal import Decimal

from engine.money.rate_book import (
    DISAGREE,
    FAILING,
    LONE,
    NONE,
    RateBook,
    troubles,
)
from engine.money.rates import (
    SET,
    Policy,
    Provider,
    Quote,
    Rate,
    RatesReport,
    rate_of,
)

NOW = 1_700_000_000_000
POLICY = Policy()
NAMES = ("a", "b", "c")


class Stage:
    def __init__(self, *names: str, before: RatesReport | None = None) -> None:
        self.book = RateBook(names or NAMES, POLICY, before or RatesReport())
        self.now = NOW

    def says(self, name: str, rate: str | None, currency: str = "EUR") -> None:
        quotes = []
        if rate is not None:
            quotes.append(Quote(name, currency, Decimal(rate), self.now))
        for concerned in self.book.answered(name, quotes, {}, self.now):
            self.book.keep_median(concerned, self.now)

    def troubles(self, *wanted: str) -> dict[tuple[str, str], str]:
        return troubles(self.book.report(), wanted, self.now)


def test_quotes_stand_in_the_order_of_the_setting() -> None:
    stage = Stage()
    for name in ("c", "a", "b"):
        stage.says(name, "50000")
    quotes = stage.book.report().quotes["EUR"]
    assert [quote.provider for quote in quotes] == ["a", "b", "c"]


def test_what_a_provider_says_no_more_counts_no_more() -> None:
    stage = Stage()
    stage.says("a", "50000")
    stage.says("a", None)
    assert stage.book.report().quotes == {}


def test_a_report_does_not_change_with_the_book() -> None:
    stage = Stage()
    stage.says("a", "50000")
    report = stage.book.report()
    stage.says("a", "60000")
    assert report.quotes["EUR"][0].rate == 50000


def test_a_later_life_goes_on_with_the_last_medians() -> None:
    stage = Stage()
    stage.says("a", "50000")
    stage.says("b", "50000")
    later = Stage(before=stage.book.report())
    later.now = stage.now + 600_000
    later.says("c", "51000")
    found = rate_of(later.book.report(), "EUR", later.now)
    assert isinstance(found, Rate)
    assert (found.providers, found.is_lone) == (("c",), True)


def test_nothing_is_told_before_the_first_round_is_over() -> None:
    stage = Stage()
    stage.says("a", "50000")
    assert stage.troubles("EUR") == {}


def test_who_is_set_aside_is_told_by_name() -> None:
    stage = Stage()
    stage.says("a", "50000")
    stage.says("b", "0.05")
    stage.says("c", "50000")
    found = stage.troubles()
    assert list(found) == [(DISAGREE, "b")]  # nobody has sold in euro yet
    assert "EUR 0.05: more than 5 % away from 50000" in found[DISAGREE, "b"]


def test_what_can_be_no_rate_is_told_too() -> None:
    stage = Stage()
    stage.says("a", "50000")
    stage.says("b", "50000")
    stage.book.answered("c", [], {"EUR": "a rate that is out of all bounds"}, NOW)
    assert list(stage.troubles()) == [(DISAGREE, "c")]


def test_trouble_with_a_currency_is_told_once_somebody_sells_in_it() -> None:
    stage = Stage("a", "b")
    stage.says("a", "50000")
    stage.book.failed("b", "does not answer", NOW)
    assert stage.troubles() == {}
    assert stage.troubles("EUR") == {(NONE, "EUR"): "b did not answer yet"}


def test_asking_for_what_nobody_quotes_is_no_trouble() -> None:
    stage = Stage("a", "b")
    stage.says("a", "50000")
    stage.says("b", "61000", "USD")
    assert stage.troubles("EUR", "ZWG") == {}


def test_a_lone_rate_and_a_failing_provider_are_told() -> None:
    stage = Stage("a", "b")
    stage.says("a", "50000")
    stage.says("b", "50000")
    for _ in range(6):
        stage.now += 60_000
        stage.says("a", "50000")
        stage.book.failed("b", "b refuses connections", stage.now)
        if stage.now < NOW + 360_000:
            assert stage.troubles("EUR") == {}  # what it said still counts
    assert stage.troubles("EUR") == {
        (LONE, "EUR"): "only a says what it is",
        (FAILING, "b"): "b refuses connections",
    }
    stage.says("b", "50000")
    stage.says("a", "50000")
    assert stage.troubles("EUR") == {}


def test_who_answers_with_old_numbers_is_told_as_well() -> None:
    stage = Stage("a", "b")
    old = Quote("a", "EUR", Decimal(50_000), NOW - 300_000)
    stage.book.answered("a", [old], {}, NOW)
    stage.says("b", "50000")
    assert stage.troubles() == {}
    stage.now += 1_000
    stage.book.answered("a", [old], {}, stage.now)
    assert stage.troubles() == {(FAILING, "a"): "its newest rate is 301 s old"}
    new = Quote("a", "USD", Decimal(50_000), stage.now)
    stage.book.answered("a", [new, old], {}, stage.now)
    assert stage.troubles() == {}  # of one currency it is new


def test_nothing_is_wrong_with_a_fixed_rate_or_none() -> None:
    quote = Quote(SET, "EUR", Decimal(50000), 0)
    report = RatesReport(providers=(Provider(SET),), quotes={"EUR": (quote,)})
    assert troubles(report, ("EUR", "USD"), NOW) == {}
    assert troubles(RatesReport(), ("EUR",), NOW) == {}
