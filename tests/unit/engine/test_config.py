"""Settings: the order of places, what is allowed, and what an error says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import (
    OPTIONS,
    SourceConfig,
    load,
    read_file,
    read_merchants,
    unknown_names,
)
from engine.errors import ConfigError
from engine.merchants.record import Limits

WRONG = {
    "host": "a\nb",
    "port": "65536",
    "db": "a\tb",
    "network": "mainet",
    "sources": "esplora=ftp://host",
    "api_key": "with a space",
    "node_key": "00ff",
    "wallet_passphrase": "too short",
    "wallet_passphrase_file": "a\nb",
    "webhook_btc_secret": "short",
    "public_url": "https://shop.example/pay?x",
    "seeds": "paybuton=default",
    "redis": "http://:geheim@host",
    "redis_stream": "two words",
    "redis_group": "a\tb",
    "redis_consumer": "this machine",
    "redis_trusted": "payable",
    "seed_calls_per_minute": "0",
    "seed_calls_per_hour": "0",
    "lnurl_per_minute": "0",
    "lnurl_open": "0",
    "broadcasts_per_minute": "0",
    "allowed_hosts": "shop.example:443",
    "allowed_origins": "shop.example",
    "trusted_proxies": "10.0.0.0/33",
    "forwarded_header": "x-real-ip",
    "keep_alive_s": "0",
    "allow_private_webhooks": "perhaps",
    "allow_webhook_ports": "6379,65536",
    "claim_window_s": "4",
    "calls_per_s": "0",
    "calls_shared_percent": "101",
    "calls_burst": "0",
    "merchant_calls_per_s": "0",
    "wrong_keys_per_minute": "0",
    "webhooks_per_s": "0",
    "wrong_signatures_per_minute": "0",
    "channel_tests_per_minute": "0",
    "channel_tests_open": "0",
    "searches_waiting": "-1",
    "search_wait_s": "61",
    "reorders_per_minute": "0",
    "rests_per_minute": "0",
    "claims_per_payment": "1001",
    "keep_events_days": "-1",
    "keep_deliveries_days": "a month",
    "keep_attempts_days": "4",
    "keep_inbound_days": "0",
    "keep_answers_h": "23",
    "claims_total_s": "-1",
    "channels_per_merchant": "1001",
    "identifies_per_s": "0",
    "identifies_at_once": "0",
    "ws_topics": "0",
    "socketio_subscriptions": "0",
    "socketio_per_merchant": "0",
    "smtp": "smtp://ann:secret@mail.example",
    "smtp_password": "a blank",
    "mail_from": "nobody",
    "mail_templates": "a\nb",
    "mails_per_hour": "-1",
    "refunds_per_payment": "101",
    "refunds_open": "-1",
    "refund_claims_per_minute": "0",
    "max_merchants": "0",
    "max_keys": "0",
    "monitor_s": "-1",
    "alert_after_s": "-1",
    "alert_every_s": "an hour",
    "silent_orders": "-1",
    "heartbeat_url": "ftp://host/ping",
    "heartbeat_s": "4",
    "tolerance_sat": "1.5",
    "rpc_timeout_s": "0",
    "tolerance_percent": "51",
    "wallet_stock": "15",
    "wallet_gap": "0",
    "wallet_reuse": "perhaps",
    "wallet_restore_skip": "-1",
    "quorum_above": "-1",
    "rates": "kraken",
    "rates_every_s": "9",
    "rates_fresh_s": "19",
    "rates_bound_percent": "0",
    "rates_lone_s": "-1",
    "forward_destinations": "an address",
    "forward_anywhere": "perhaps",
    "forward_per_day_sat": "-1",
    "forward_every_s": "0",
    "forward_confirmations": "0",
    "forward_bump_after_s": "59",
    "fee_floor": "0",
    "fee_cap": "0",
    "fee_without_estimate": "-1",
    "fee_max_percent": "0",
    "esplora_per_minute": "0",
    "poll_by_hand_s": "-1",
    "connections_per_address": "0",
    "anonymous_per_s": "0",
    "log_level": "loud",
    "log_format": "xml",
}


def fails(**options: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(options, {}, {})
    return str(caught.value)


def test_without_any_setting_it_is_a_safe_regtest_node() -> None:
    config = load({}, {}, {})
    assert (config.host, config.port, config.network) == ("127.0.0.1", 8080, "regtest")
    assert config.sources == (SourceConfig("devchain"),)
    assert config.api_key is None
    assert not config.allow_private_webhooks
    assert not config.allow_webhook_ports
    assert not config.allowed_origins


def test_an_option_wins_over_the_environment_that_over_the_file_that_over_the_default(
) -> None:  # fmt: skip
    option, environ, file = {"port": "1"}, {"PAYBELL_PORT": "2"}, {"port": "3"}
    assert load(option, environ, file).port == 1
    assert load({"port": None}, environ, file).port == 2
    assert load({}, {}, file).port == 3
    assert load({}, {}, {}).port == 8080


def test_an_empty_environment_variable_counts_as_none() -> None:
    assert load({}, {"PAYBELL_PORT": ""}, {"port": "3"}).port == 3


@pytest.mark.parametrize("name", [option.name for option in OPTIONS])
def test_a_wrong_value_names_its_key_what_is_allowed_and_itself_unless_secret(
    name: str,
) -> None:
    option = next(option for option in OPTIONS if option.name == name)
    value = WRONG[name]
    for place, said in (
        ({"options": {name: value}}, option.flag),
        ({"environ": {option.environ: value}}, option.environ),
        ({"file": {name: value}}, f"{name} in paybell.toml"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(
                place.get("options", {}),
                place.get("environ", {}),
                place.get("file", {}),
            )
        text = str(caught.value)
        assert text.startswith(f"{said}: ")
        assert option.allowed in text
        assert "\n" not in text
        assert (repr(value) in text) is (not option.secret and option.shown)


def test_every_option_has_a_wrong_value_in_these_tests() -> None:
    assert set(WRONG) == {option.name for option in OPTIONS}


def test_several_sources_are_read_in_their_order() -> None:
    text = "bitcoind=http://u:p@127.0.0.1:18443, esplora=https://host/api"
    kinds = [source.kind for source in load({"sources": text}, {}, {}).sources]
    assert kinds == ["bitcoind", "esplora"]
    config = load({}, {"PAYBELL_SOURCES": text}, {})
    assert [source.kind for source in config.sources] == kinds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("garbage", "source 1 has an unknown kind 'garbage'"),
        ("http://user:hunter2@host", "source 1 has an unknown kind"),
        ("devchain,electrum=tcp://x", "source 2 has an unknown kind 'electrum'"),
        ("esplora=", "source 1 (esplora): its URL must begin with http"),
        ("bitcoind=http://", "source 1 (bitcoind): its URL has no valid host"),
        ("bitcoind=http://u:hunter2@host:99999", "its URL cannot be read"),
        ("bitcoind=http://u:hunter2@host:port", "its URL cannot be read"),
        ("esplora=http://ho st/x", "its URL has no valid host name"),
        ("esplora=http://host/a b", "its URL has spaces"),
        ("devchain=http://host", "devchain takes no URL"),
        ("devchain,devchain", "more than once"),
        ("esplora=https://host/api?name=", "its name= must be 1 to 32 letters"),
        ("bitcoind=http://u:hunter2@host/?wallet=x", "and nothing else"),
    ],
)
def test_a_wrong_source_is_told_by_its_number_and_never_quoted(
    text: str, said: str
) -> None:
    message = fails(sources=text)
    assert message.startswith("--source: ")
    assert said in message
    assert "hunter2" not in message


def test_no_two_sources_are_called_the_same() -> None:
    text = (
        "esplora=https://a.example/api,esplora=https://b.example/api,"
        "bitcoind=https://n.example/t?name=acme,esplora=https://c.example?name=acme"
    )
    sources = load({"sources": text}, {}, {}).sources
    names = [source.shown_as for source in sources]
    assert names == ["esplora", "esplora-2", "acme", "acme-2"]
    operators = [source.operator for source in sources]
    assert operators == ["a.example", "b.example", "acme", "acme"]


def test_a_quorum_requires_two_sources_of_different_operators() -> None:
    one, two = "esplora=https://one.example/api", "esplora=https://two.example/api"
    assert "two independent sources" in fails(sources=one, quorum_above="5")
    same = f"{one}?name=acme,{two}?name=acme"
    assert "there is one: acme" in fails(sources=same, quorum_above="5")
    config = load({"sources": f"{one},{two}", "quorum_above": "0"}, {}, {})
    assert config.quorum_above == 0
    assert load({"sources": one}, {}, {}).quorum_above is None


def test_the_pretended_chain_is_for_regtest_only() -> None:
    message = fails(sources="devchain", network="mainnet")
    assert message.startswith("--source: ")
    assert "regtest" in message
    assert "mainnet" in message


@pytest.mark.parametrize("network", ["mainnet", "testnet", "signet"])
def test_without_a_source_a_public_explorer_of_the_network_is_asked(
    network: str,
) -> None:
    (source,) = load({"network": network}, {}, {}).sources
    assert source.kind == "esplora"
    assert source.url.startswith("https://")


def test_no_secret_is_in_a_repr() -> None:
    environ = {
        "PAYBELL_API_KEY": "canary-key",
        "PAYBELL_NODE_KEY": "ab" * 32,
        "PAYBELL_WEBHOOK_BTC_SECRET": "canary-secret",
        "PAYBELL_SOURCES": "bitcoind=http://u:canary-password@host:1",
    }
    config = load({}, environ, {})
    shown = repr(config) + repr(config.sources) + str(config)
    assert "canary" not in shown
    assert "abab" not in shown


# -- the file --------------------------------------------------------------------------


def test_the_file_takes_text_numbers_truth_and_lists() -> None:
    text = """
        port = 9000
        network = "regtest"
        allow_private_webhooks = true
        sources = ["devchain"]
        allowed_origins = ["https://a.example", "https://b.example"]
        allow_webhook_ports = ["6379", "5432"]
    """
    config = load({}, {}, read_file(text, "paybell.toml"))
    assert config.port == 9000
    assert config.allow_private_webhooks
    assert config.sources == (SourceConfig("devchain"),)
    assert config.allowed_origins == ("https://a.example", "https://b.example")
    assert config.allow_webhook_ports == {5432, 6379}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "unknown key 'prot'"),
        ("port = ", "not valid TOML"),
        ("port = 1\nport = 2", "not valid TOML"),
        ("[server]\nport = 1", "unknown key 'server'"),
        ("[port]\nx = 1", "port must be text"),
        ("port = 2026-01-01", "port must be text"),
        ("sources = [1]", "sources must be text"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_with_its_name(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_file(text, "/etc/paybell.toml")
    assert str(caught.value).startswith("/etc/paybell.toml: ")
    assert said in str(caught.value)


def test_tables_of_merchants_stand_beside_the_settings() -> None:
    text = """
        port = 9000
        [merchants.cafe]
        display_name = "Café"
        limits = {claims = 3}
        [merchants."ann.b-2".webhook_secrets]
        btc = "canary-1"
    """
    file, merchants = read_file(text, "f.toml"), read_merchants(text, "f.toml")
    config = load({}, {}, file, "f.toml", merchants)
    assert config.port == 9000
    assert config.merchants["cafe"].display_name == "Café"
    assert config.merchants["cafe"].limits.claims == 3
    assert config.merchants["ann.b-2"].webhook_secrets == {"btc": "canary-1"}
    assert "canary" not in repr(config.merchants) + repr(config)
    assert read_merchants("port = 1", "f.toml") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("merchants = 1", "must be tables: [merchants.<name>]"),
        ("merchants = [1]", "must be tables"),
        ("[merchants]\ncafe = 1", "merchants.cafe: Expected `object`, got `int`"),
        ("[merchants.'*']", "merchants.'*': the name of a merchant must be 1 to 64"),
        ("[merchants.'a b']", "merchants.'a b': the name of a merchant must be"),
        ("[merchants.cafe]\ncolour = 1", "unknown field `colour`"),
        ("[merchants.cafe]\nlimits = {claims = -1}", "`int` >= 0 - at `$.limits"),
        ("[merchants.cafe.webhook_secrets]\nbtc = 'canary'", "length >= 8"),
        ("[merchants.cafe.webhook_secrets]\nbtc = true", "must be text"),
        ("[merchants.cafe.webhook_secrets]\n'X Y' = 'canary-1'", "matching regex"),
    ],
)
def test_what_is_wrong_with_a_merchant_in_the_file_is_told(
    text: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_merchants(text, "/etc/paybell.toml")
    assert str(caught.value).startswith("/etc/paybell.toml: merchants")
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@given(st.text(max_size=300))
def test_no_text_in_a_file_does_more_than_a_config_error(text: str) -> None:
    try:
        load({}, {}, read_file(text, "paybell.toml"))
    except ConfigError as error:
        assert len(str(error).splitlines()) <= 1 or "\r" in str(error)


def test_claims_may_hold_a_payment_for_twelve_windows_or_what_is_said() -> None:
    assert load({}, {}, {}).limits == Limits()
    assert load({"claim_window_s": "60"}, {}, {}).limits.claims_total_s == 720
    said = load({"claims_total_s": "0", "claims_per_payment": "3"}, {}, {}).limits
    assert (said.claims, said.claims_total_s) == (3, 0)


@given(st.sampled_from(OPTIONS), st.text(max_size=80))
def test_no_value_does_more_than_a_config_error_of_one_line(
    option: object, value: str
) -> None:
    assert hasattr(option, "name")
    try:
        load({option.name: value}, {}, {})
    except ConfigError as error:
        assert "\n" not in str(error)


def test_a_variable_that_nothing_reads_is_told_with_what_was_meant() -> None:
    assert unknown_names({"PAYBELL_PORT": "1", "PAYBELL_CONFIG": "x", "PATH": ""}) == []
    (typo,) = unknown_names({"PAYBELL_APIKEY": "never shown"})
    assert "PAYBELL_APIKEY" in typo
    assert "PAYBELL_API_KEY" in typo
    assert "never shown" not in typo
    (other,) = unknown_names({"PAYBELL_SERVICE_HOST\n": "10.0.0.1"})
    assert "meant" not in other
    assert "\n" not in other
