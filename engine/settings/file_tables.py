"""The tables of a paybell.toml, read: merchants, gateways, Lightning accounts. Pure.

What is no table is a setting of the node: `engine/config.py`.
"""

import tomllib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from engine.errors import ConfigError, InvalidMerchant
from engine.lightning.account import Account
from engine.lightning.account_tables import LIGHTNING, read_account_tables
from engine.merchants.gateway_mapping import GatewayMapping
from engine.merchants.gateway_tables import GATEWAYS, read_gateway_tables
from engine.merchants.name import merchant_name
from engine.merchants.record import MerchantSettings
from engine.merchants.token_rules import mistake

__all__ = [
    "MERCHANTS",
    "TABLES",
    "document",
    "read_gateways",
    "read_lightning",
    "read_merchants",
]

MERCHANTS: Final = "merchants"
"""A table of the file: what it holds is no setting of the node."""

TABLES: Final = (MERCHANTS, GATEWAYS, LIGHTNING)


def read_merchants(text: str, path: str) -> dict[str, MerchantSettings]:
    """What the tables `[merchants.<name>]` of a `paybell.toml` say, by name.

    Raises `ConfigError`, which quotes no value: one may be a secret.
    """
    tables = document(text, path).get(MERCHANTS, {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: {MERCHANTS} must be tables: [{MERCHANTS}.<name>]")
    found = {}
    for name, table in tables.items():
        try:
            found[merchant_name(name)] = said = msgspec.convert(table, MerchantSettings)
        except InvalidMerchant as error:
            raise ConfigError(f"{path}: {MERCHANTS}.{name[:100]!r}: {error}") from None
        except msgspec.ValidationError as error:
            raise ConfigError(f"{path}: {MERCHANTS}.{name}: {error}") from None
        if any(isinstance(s, bool) for s in said.webhook_secrets.values()):
            raise ConfigError(
                f"{path}: {MERCHANTS}.{name}: webhook_secrets must be text"
            )
        if said.jwt is not None and (wrong := mistake(None, said.jwt)):
            field, why = wrong
            raise ConfigError(f"{path}: {MERCHANTS}.{name}.jwt: {field} {why}")
    return found


def read_gateways(text: str, path: str) -> dict[str, GatewayMapping]:
    """What the tables `[gateways.<name>]` of a `paybell.toml` say, by name.

    Raises `ConfigError`, which names the key.
    """
    return read_gateway_tables(document(text, path).get(GATEWAYS, {}), path)


def read_lightning(
    text: str, path: str, environ: Mapping[str, str]
) -> dict[str, Account]:
    """What the tables `[lightning.<name>]` of a `paybell.toml` say, by name, with the
    secrets that the environment has. Raises `ConfigError`, which quotes no value."""
    tables = document(text, path).get(LIGHTNING, {})
    accounts = read_account_tables(tables, path, environ)
    for account in accounts.values():
        for merchant in account.merchants:
            try:
                merchant_name(merchant)
            except InvalidMerchant as error:
                where = f"{path}: {LIGHTNING}.{account.name}.merchants"
                raise ConfigError(f"{where}: {error}") from None
    return accounts


def document(text: str, path: str) -> dict[str, Any]:
    """The file. Raises `ConfigError`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
