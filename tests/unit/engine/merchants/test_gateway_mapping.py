"""A mistake in a mapping is one line at the start that names the key."""

import copy
import tomllib
from typing import Any

import pytest

from engine.config import load, read_file, read_gateways, read_merchants
from engine.errors import ConfigError
from engine.merchants.gateway_mapping import places_of
from engine.merchants.gateway_tables import read_gateway_tables

GOOD = """
[gateways.acme]
merchants = ["cafe"]
[gateways.acme.fields]
invoice = "a"
status = "b"
amount = "c"
currency = "d"
[gateways.acme.words]
SUCCESS = ["ok"]
[gateways.acme.signature]
header = "X-Sign"
algorithm = "sha256"
"""

REMOVED = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    tables: dict[str, Any] = copy.deepcopy(tomllib.loads(GOOD)["gateways"])
    *steps, last = path.split(".")
    place: dict[str, Any] = tables["acme"]
    for step in steps:
        place = place[step]
    if value is REMOVED:
        del place[last]
    else:
        place[last] = value
    return tables


def test_a_good_one_is_read_and_stands_beside_the_settings() -> None:
    text = 'port = 9000\n[merchants.cafe.webhook_secrets]\n"acme.old" = "canary-12"\n'
    text += GOOD
    gateways, merchants = read_gateways(text, "f"), read_merchants(text, "f")
    config = load({}, {}, read_file(text, "f"), "f", merchants, gateways)
    assert config.port == 9000
    assert config.gateways["acme"].merchants == ["cafe"]
    assert config.gateways["acme"].creates
    assert read_gateways("port = 1", "f") == {}
    assert places_of(["x", "y"]) == ("x", "y")
    assert places_of(None) == ()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("colour", 1, "gateways.acme: Object contains unknown field `colour`"),
        ("fields.invoice", REMOVED, "gateways.acme.fields: Object missing required"),
        ("fields.invoice", 7, "gateways.acme.fields.invoice: "),
        ("fields.amount", REMOVED, "gateways.acme.fields.amount: is missing"),
        ("amount_is_not_told", True, "gateways.acme.amount_is_not_told: must be left"),
        ("fields.currency", REMOVED, "gateways.acme.currency: is missing"),
        ("currency", "EUR", "gateways.acme.currency: must be left out"),
        ("currency", "euro", "gateways.acme.currency: "),
        ("words.SUCCESS", [], "gateways.acme.words.SUCCESS: must have a word"),
        ("words.FAILED", ["ok"], "gateways.acme.words.FAILED: has 'ok'"),
        ("signature.algorithm", REMOVED, "gateways.acme.signature.algorithm: must be"),
        ("signature.algorithm", "md5", "gateways.acme.signature.algorithm: must be"),
        ("signature.algorithm", "crc", "gateways.acme.signature.algorithm: "),
        ("signature.header", REMOVED, "gateways.acme.signature.header: or"),
        ("signature.field", "x", "gateways.acme.signature.header: or"),
        ("signature.signed", "{body}{secret}", "gateways.acme.signature.signed: "),
        ("signature.signed", "{field:a}", "{field:b} (fields.status)"),
        ("signature.signed", "{body}{nothing}", "has {nothing}, which is nothing"),
        ("signature.signed", "{timestamp}{body}", "signature.signed: must have"),
        ("signature.timestamp_header", "X-Time", "signature.signed: must have"),
        ("signature.tolerance_s", 0, "gateways.acme.signature.tolerance_s: "),
        ("merchants", [], "gateways.acme.merchants: "),
        ("merchants", ["cafe", "cafe"], "gateways.acme.merchants: has 'cafe' twice"),
        ("merchants", ["*"], "gateways.acme.merchants[0]: "),
        ("creates_per_minute", 0, "gateways.acme.creates_per_minute: "),
        ("answer_type", "text/html\r\nx: y", "gateways.acme.answer_type: "),
    ],
)
def test_what_is_wrong_is_told_with_its_key(path: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_gateway_tables(changed(path, value), "/etc/paybell.toml")
    text = str(caught.value)
    assert text.startswith("/etc/paybell.toml: gateways.acme")
    assert said in text
    assert len(text.splitlines()) == 1


def test_a_digest_holds_the_secret_and_knows_its_hashes() -> None:
    tables = changed("signature.scheme", "digest")
    signature = tables["acme"]["signature"]
    for signed, said in (
        ("{body}", "must have {secret}"),
        ("{body}{secret:md4}", "has {secret:md4}"),
        ("{field:a}{field:b}{secret}", "{field:c} (fields.amount)"),
        ("{field:a}{field:b}{field:c}{secret}", "{field:d} (fields.currency)"),
    ):
        signature["signed"] = signed
        with pytest.raises(ConfigError, match=r"signature\.signed") as caught:
            read_gateway_tables(tables, "f")
        assert said in str(caught.value)
    signature["signed"] = "{field:a}{field:b}{field:c}{field:d}{secret:sha256}"
    assert read_gateway_tables(tables, "f")["acme"].signature.scheme == "digest"


@pytest.mark.parametrize("name", ["btc", "blockonomics", "Stripe", "a b", "", "x" * 33])
def test_names_that_no_gateway_has(name: str) -> None:
    table = tomllib.loads(GOOD)["gateways"]["acme"]
    with pytest.raises(ConfigError, match="a gateway's name has"):
        read_gateway_tables({name: table}, "f")


def test_what_is_no_table_and_too_many_of_them() -> None:
    with pytest.raises(ConfigError, match="must be tables"):
        read_gateways("gateways = 1", "f")
    table = tomllib.loads(GOOD)["gateways"]["acme"]
    with pytest.raises(ConfigError, match="at most 50"):
        read_gateway_tables({f"g{number}": table for number in range(51)}, "f")


def test_a_secret_of_no_gateway_is_named_and_not_quoted() -> None:
    text = "[merchants.cafe.webhook_secrets]\nacne = 'canary-123'\n" + GOOD
    merchants, gateways = read_merchants(text, "f"), read_gateways(text, "f")
    with pytest.raises(ConfigError) as caught:
        load({}, {}, {}, "f", merchants, gateways)
    assert "merchants.cafe.webhook_secrets has acne" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["token", "salon"])
def test_what_a_signature_of_fields_leaves_out_cannot_be_mapped(name: str) -> None:
    tables = changed("signature.scheme", "digest")
    table = tables["acme"]
    table["fields"][name] = "other"
    table["signature"]["signed"] = "{field:a}{field:b}{field:c}{field:d}{secret:sha256}"
    with pytest.raises(ConfigError, match=rf"{{field:other}} \(fields\.{name}\)"):
        read_gateway_tables(tables, "f")
    table["signature"]["signed"] += "{field:other}"
    read_gateway_tables(tables, "f")
