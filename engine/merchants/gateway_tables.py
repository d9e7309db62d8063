"""The tables `[gateways.<name>]` of a paybell.toml, read. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from engine.errors import ConfigError
from engine.merchants.gateway_mapping import GATEWAY_NAME, GatewayMapping
from engine.merchants.record import PROVIDERS

__all__ = ["GATEWAYS", "MAX_GATEWAYS", "read_gateway_tables"]

GATEWAYS: Final = "gateways"

MAX_GATEWAYS: Final = 50

_NAME = re.compile(GATEWAY_NAME.removeprefix("^").removesuffix("$"), re.ASCII)
_AT = re.compile(r" - at `\$(.*)`$", re.DOTALL)


def read_gateway_tables(tables: Any, path: str) -> dict[str, GatewayMapping]:
    """By name. Raises `ConfigError`, which names the key and quotes no value."""
    if not isinstance(tables, Mapping):
        raise ConfigError(f"{path}: {GATEWAYS} must be tables: [{GATEWAYS}.<name>]")
    if len(tables) > MAX_GATEWAYS:
        raise ConfigError(f"{path}: {GATEWAYS}: at most {MAX_GATEWAYS} are allowed")
    return {name: _read(name, table, path) for name, table in tables.items()}


def _read(name: str, table: Any, path: str) -> GatewayMapping:
    if not _NAME.fullmatch(name) or name in PROVIDERS:
        raise ConfigError(
            f"{path}: {GATEWAYS}.{name[:100]!r}: a gateway's name has 1 to 32 small"
            f" letters, digits, '-' or '_', and is not {' or '.join(PROVIDERS)}"
        )
    try:
        mapping = msgspec.convert(table, GatewayMapping)
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        key = f"{GATEWAYS}.{name}{at.group(1) if at else ''}"
        raise ConfigError(f"{path}: {key}: {_AT.sub('', text)}") from None
    if wrong := mapping.mistake():
        key, why = wrong
        raise ConfigError(f"{path}: {GATEWAYS}.{name}.{key}: {why}")
    return mapping
