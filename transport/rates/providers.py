"""The providers of rates that the configuration names. Used by the composition."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from engine.money.providers import PROVIDERS, ProviderSetting, fixed_rates
from engine.money.rates import SET, Quote
from engine.ports import RateAnswer, RateProvider
from transport.rates.bitstamp import BITSTAMP
from transport.rates.blockchain import BLOCKCHAIN
from transport.rates.coinbase import COINBASE
from transport.rates.coingecko import COINGECKO
from transport.rates.dialect import Dialect
from transport.rates.http_provider import HttpProvider
from transport.rates.kraken import KRAKEN
from transport.rates.mempool import MEMPOOL

__all__ = ["DIALECTS", "FixedRates", "make_providers"]

DIALECTS: Final[Mapping[str, Sequence[Dialect]]] = {
    "coinbase": (COINBASE,),
    "kraken": (KRAKEN,),
    "bitstamp": BITSTAMP,
    "coingecko": (COINGECKO,),
    "mempool": (MEMPOOL,),
    "blockchain": (BLOCKCHAIN,),
}

assert tuple(DIALECTS) == PROVIDERS, "a provider without a dialect"


class FixedRates:
    """No provider: rates that the operator has set, for tests. Asks nobody."""

    name = SET

    def __init__(self, rates: Mapping[str, Decimal]) -> None:
        self._rates = rates

    def ask(self, now: int) -> RateAnswer:
        return RateAnswer(
            tuple(Quote(SET, code, rate, now) for code, rate in self._rates.items())
        )


def make_providers(settings: tuple[ProviderSetting, ...]) -> list[RateProvider]:
    """In the order of the setting."""
    if fixed := fixed_rates(settings):
        return [FixedRates(fixed)]
    return [HttpProvider(DIALECTS[one.name], one.url) for one in settings]
