"""Asks the providers of rates, one after the other, and publishes what they say.

A node without providers has no such actor. It asks on a timer, whether or not anybody
sells: a price must be had at once. Whoever fails again and again is left alone for a
while (a breaker for each), and who asks for a pause gets it. What is published are
quotes; what they come to is said when it is wanted (`engine.money.rates.rate_of`), so
that a report that nobody renews grows old by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar

import msgspec

from actors.facts.published import Published
from actors.node import Node
from engine.errors import SourceBusy, SourceError
from engine.money.rate_book import KINDS, RateBook, troubles
from engine.money.rates import SET, Median, Policy, RatesReport
from engine.payment.model import Payment
from engine.policy.breaker import Breaker, BreakerPolicy
from engine.ports import RateAnswer, RateProvider
from engine.runtime.actor import Actor
from engine.store.records import Page

__all__ = ["RatesActor", "first_report"]

log = logging.getLogger("paybell.rates")

PAUSE_S = 60.0
"""For whoever asks for one and does not say how long: a minute's budget is usual."""

BREAKER = BreakerPolicy(threshold=3, base_s=60.0, cap_s=900.0)
"""Three answers that are none; a quarter of an hour at most: sales wait for it."""

PER_YIELD = 10
"""Medians between two looks at others: half a millisecond."""


REMEMBERED = 200
"""So many of the newest payments are looked at, at a start, for what they cost."""


class _Remembered(msgspec.Struct, frozen=True):
    """To itself: what the store says of before this process."""

    medians: Mapping[str, Median]


class RoundDue(msgspec.Struct, frozen=True):
    """To itself."""

    coalesce: ClassVar[bool] = True


def first_report(
    providers: Sequence[RateProvider], policy: Policy, now: int
) -> RatesReport:
    """Before anybody was asked: who will be, and rates that the operator has fixed."""
    book = RateBook([provider.name for provider in providers], policy, RatesReport())
    for provider in providers:
        if provider.name == SET:  # it asks nobody
            book.answered(SET, provider.ask(now).quotes, {}, now)
    return book.report()


class RatesActor(Actor):
    """See the module docstring. Blocks while it asks."""

    __slots__ = (
        "_book",
        "_breakers",
        "_every_s",
        "_node",
        "_providers",
        "_published",
    )

    blocking = True
    turn_timeout_s = 300.0

    def __init__(
        self,
        node: Node,
        providers: Sequence[RateProvider],
        policy: Policy,
        published: Published[RatesReport],
    ) -> None:
        """`published`: where it alone writes; an earlier life's words are there."""
        self._node = node
        self._providers = providers
        self._published = published
        self._every_s = policy.every_s
        names = [provider.name for provider in providers]
        self._book = RateBook(names, policy, published.now)
        self._breakers = {name: Breaker(policy=BREAKER) for name in names}

    def on_start(self) -> None:
        self._published.publish(self._book.report())
        self._remember()
        self.ref.tell(RoundDue())

    def on_receive(self, message: object) -> None:
        if isinstance(message, _Remembered):
            self._book.remember(message.medians)
            self._published.publish(self._book.report())
        if not isinstance(message, RoundDue):
            return
        # A little earlier each time, never later: no two nodes keep step.
        wait_s = self._every_s * (1 - 0.1 * self._node.random.random())
        self._node.clock.call_later(wait_s, self.ref, RoundDue())
        for provider in self._providers:
            self._ask(provider)
            self._published.publish(self._book.report())
        self._alert()

    def _remember(self) -> None:
        """A node may start while one provider alone answers: what it was sold by last
        is the median to hold that one against."""

        def told(answer: Page | Exception) -> None:
            if isinstance(answer, Page):  # else nothing is remembered
                self.ref.tell(_Remembered(_medians_of(answer.payments)))

        self._node.read(lambda store: store.list_payments({}, None, REMEMBERED), told)

    def _ask(self, provider: RateProvider) -> None:
        node, name = self._node, provider.name
        started = node.clock.monotonic()
        if not self._breakers[name].permits(started):
            return
        breaker = self._breakers[name].taking(started)
        node.counters.add("rates.asked")
        try:
            self._take(name, provider.ask(node.clock.now()))
        except SourceError as error:
            node.counters.add("rates.failed")
            self._book.failed(name, str(error), node.clock.now())
            log.info("rates.failed provider=%s detail=%s", name, error)
            now = node.clock.monotonic()
            breaker = (
                breaker.resting(now, error.retry_after_s or PAUSE_S)
                if isinstance(error, SourceBusy)
                else breaker.after_failure(now, node.random.random())
            )
        else:
            breaker = breaker.after_success()
        self._breakers[name] = breaker
        self._book.rests(name, breaker.state(node.clock.monotonic()).value)

    def _take(self, name: str, answer: RateAnswer) -> None:
        now = self._node.clock.now()
        refused = dict(answer.refused)
        concerned = self._book.answered(name, answer.quotes, refused, now)
        for number, currency in enumerate(concerned, 1):
            self._book.keep_median(currency, now)
            if number % PER_YIELD == 0:
                self._node.yield_to_hub()

    def _alert(self) -> None:
        node, now = self._node, self._node.clock.now()
        found = troubles(self._published.now, node.priced_in.now, now)
        for (kind, subject), detail in found.items():
            node.alerts.raise_(kind, subject, detail, now)
        for alert in node.alerts.standing(now):
            if alert.kind in KINDS and (alert.kind, alert.subject) not in found:
                node.alerts.clear(alert.kind, alert.subject)


def _medians_of(payments: Iterable[Payment]) -> dict[str, Median]:
    """The newest median by currency that these were priced at: that of several, as a
    lone one proves nothing, and neither does a fixed rate."""
    found: dict[str, Median] = {}
    for payment in payments:
        price = payment.terms.price
        if price is None or price.is_lone or len(price.providers) < 2:
            continue
        there = found.get(price.currency)
        if there is None or there.at < price.rate_at:
            found[price.currency] = Median(Decimal(price.rate), price.rate_at)
    return found
