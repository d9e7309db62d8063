"""How one endpoint is reached at one moment: what a channel says, secrets in the clear.

Made for each attempt of what a channel keeps sealed, and forgotten after it. Pure.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.delivery.channel import Channel, active_secrets
from engine.delivery.kind_settings import ChannelSettings
from engine.delivery.kinds import WEBHOOK, Kind, kind_named
from engine.errors import WrongKey
from engine.secrets.vault import Vault

__all__ = [
    "Endpoint",
    "endpoint_of",
    "headers_of",
    "kept_settings",
    "sealed_headers",
    "settings_of",
]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message goes, and how. `repr` shows no secret, and no path either."""

    url: str = ""
    secrets: tuple[bytes, ...] = ()
    """To sign with; the new one first."""

    kind: str = WEBHOOK
    settings: ChannelSettings = ChannelSettings()
    """Of its kind, whole. They may hold credentials."""

    channel: str = ""
    """Its id, for a sender that keeps something by channel."""

    event_version: int = 1

    timeout_s: float = 15.0
    owner: str = ""
    """Whose it is: in that merchant's share of what the node can do at one time."""

    headers: tuple[tuple[str, str], ...] = ()
    """The channel's own. They may hold credentials."""

    ca_pem: str | None = None
    """Only these authorities are believed; None: the usual ones."""

    def __repr__(self) -> str:
        return f"Endpoint(owner={self.owner})"


def endpoint_of(channel: Channel, vault: Vault, now: int) -> Endpoint:
    """The channel's endpoint at `now` (ms). Raises `WrongKey`."""
    return Endpoint(
        url=channel.url,
        kind=channel.kind,
        settings=_opened_settings(channel, vault),
        channel=channel.id,
        event_version=channel.event_version,
        secrets=tuple(
            vault.open(sealed, channel.id) for sealed in active_secrets(channel, now)
        ),
        timeout_s=channel.timeout_s,
        owner=channel.merchant,
        headers=tuple(headers_of(channel, vault).items()),
        ca_pem=channel.ca_pem,
    )


def _opened_settings(channel: Channel, vault: Vault) -> ChannelSettings:
    """As the sender takes them. Raises `WrongKey`."""
    kind = kind_named(channel.kind)
    try:
        return msgspec.convert(settings_of(channel, vault), kind.settings)
    except msgspec.ValidationError as error:
        raise WrongKey(
            f"the settings of {channel.id} are damaged, or not those of this version's"
            f" kind {kind.name}"
        ) from error


def settings_of(channel: Channel, vault: Vault) -> dict[str, Any]:
    """All of the channel's settings, in the clear. Raises `WrongKey`."""
    if channel.sealed_settings is None:
        return channel.settings
    opened = vault.open(channel.sealed_settings, _owner(channel.id, "settings"))
    return {**channel.settings, **msgspec.json.decode(opened, type=dict[str, Any])}


def kept_settings(
    kind: Kind, settings: Mapping[str, Any], vault: Vault, channel_id: str
) -> dict[str, Any]:
    """The fields of a channel that keep these settings (all of them, checked)."""
    secret = {
        name: value
        for name, value in settings.items()
        if name in kind.sealed and value is not None
    }
    sealed = None
    if secret:
        owner = _owner(channel_id, "settings")
        sealed = vault.seal(msgspec.json.encode(secret), owner)
    shown = {k: v for k, v in settings.items() if k not in kind.sealed}
    names = tuple(sorted(secret))
    return {"settings": shown, "sealed_settings": sealed, "sealed_names": names}


def headers_of(channel: Channel, vault: Vault) -> dict[str, str]:
    """The channel's own headers. Raises `WrongKey`."""
    if channel.sealed_headers is None:
        return {}
    opened = vault.open(channel.sealed_headers, _owner(channel.id, "headers"))
    return msgspec.json.decode(opened, type=dict[str, str])


def sealed_headers(
    headers: Mapping[str, str], vault: Vault, channel_id: str
) -> str | None:
    """As a channel keeps them; None: it has none."""
    if not headers:
        return None
    return vault.seal(msgspec.json.encode(dict(headers)), _owner(channel_id, "headers"))


def _owner(channel_id: str, what: str) -> str:
    """A sealed text of another kind cannot be put in its place."""
    return f"{channel_id} {what}"
