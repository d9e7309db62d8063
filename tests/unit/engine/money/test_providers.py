"""Who is asked for rates, as the setting says it."""

from decimal import Decimal

import pytest

from engine.config import load
from engine.errors import ConfigError
from engine.money.providers import ProviderSetting, fixed_rates, parse_providers
from engine.money.rates import Policy


def test_nobody_is_asked_by_default() -> None:
    config = load({}, {}, {})
    assert config.rates == ()
    assert config.rates_policy == Policy()
    own = {"rates_every_s": "30", "rates_fresh_s": "90", "rates_lone_s": "0"}
    policy = load({**own, "rates_bound_percent": "3"}, {}, {}).rates_policy
    assert policy == Policy(fresh_s=90, bound_percent=3, lone_s=0, every_s=30)


def test_providers_in_their_order_and_at_other_addresses() -> None:
    found = parse_providers("kraken, mempool=https://mempool.example/,coinbase")
    assert found == (
        ProviderSetting("kraken"),
        ProviderSetting("mempool", "https://mempool.example"),
        ProviderSetting("coinbase"),
    )
    near = parse_providers(
        "mempool=http://127.0.0.1:8999/x,kraken=http://[::1]:1,coinbase=http://proxy:80"
    )
    assert [one.url for one in near] == [
        "http://127.0.0.1:8999/x",
        "http://[::1]:1",
        "http://proxy:80",
    ]


def test_fixed_rates() -> None:
    found = parse_providers("fixed:EUR=50000,fixed:JPY=7500000.5")
    assert fixed_rates(found) == {"EUR": Decimal(50000), "JPY": Decimal("7500000.5")}
    assert fixed_rates(parse_providers("kraken,coinbase")) == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kraken", "two at least"),
        ("kraken,kraken", "more than once"),
        ("kraken,binance", "'binance' is none of"),
        ("fixed:EUR=50000,kraken", "stands alone"),
        ("fixed:EUR=50000,fixed:EUR=50001", "more than once"),
        ("fixed:XXX=50000", "no currency"),
        ("fixed:EUR=0", "out of all bounds"),
        ("fixed:EUR=-1", "plain decimal"),
        ("fixed:EUR=1e5", "plain decimal"),
        ("fixed:EUR=", "plain decimal"),
        ("kraken=http://kraken.example,coinbase", "over https only"),
        ("kraken=ftp://kraken.example,coinbase", "https://"),
        ("kraken=,coinbase", "https://"),
        ("kraken=https://user:secret@kraken.example,coinbase", "host, port"),
        ("kraken=https://kraken.example?a=b,coinbase", "host, port"),
        ("kraken=https://kraken.example:99999,coinbase", "is none"),
        ("kraken=https://kraken.example/../x#y,coinbase", "host, port"),
    ],
)
def test_what_is_refused_is_said_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_providers(text)
    with pytest.raises(ConfigError, match="--rates"):
        load({"rates": text}, {}, {})


def test_settings_that_contradict_one_another() -> None:
    with pytest.raises(ConfigError, match="twice"):
        load({"rates_every_s": "60", "rates_fresh_s": "119"}, {}, {})
    fixed = {"rates": "fixed:EUR=50000", "network": "mainnet"}
    with pytest.raises(ConfigError, match="not mainnet"):
        load(fixed, {}, {})
    assert load({**fixed, "network": "signet"}, {}, {}).rates
