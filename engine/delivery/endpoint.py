"""How one endpoint is reached at one moment: its URL, and its secrets in the clear.

Made for each attempt of what a channel keeps sealed, and forgotten after it. Pure.
"""

from collections.abc import Mapping

import msgspec

from engine.delivery.channel import Channel, active_secrets
from engine.secrets.vault import Vault

__all__ = ["Endpoint", "endpoint_of", "headers_of", "sealed_headers"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message goes, and how. `repr` shows no secret, and no path either."""

    url: str
    secrets: tuple[bytes, ...]
    """To sign with; the new one first."""

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
        secrets=tuple(
            vault.open(sealed, channel.id) for sealed in active_secrets(channel, now)
        ),
        timeout_s=channel.timeout_s,
        owner=channel.merchant,
        headers=tuple(headers_of(channel, vault).items()),
        ca_pem=channel.ca_pem,
    )


def headers_of(channel: Channel, vault: Vault) -> dict[str, str]:
    """The channel's own headers. Raises `WrongKey`."""
    if channel.sealed_headers is None:
        return {}
    opened = vault.open(channel.sealed_headers, _owner(channel.id))
    return msgspec.json.decode(opened, type=dict[str, str])


def sealed_headers(
    headers: Mapping[str, str], vault: Vault, channel_id: str
) -> str | None:
    """As a channel keeps them; None: it has none."""
    if not headers:
        return None
    return vault.seal(msgspec.json.encode(dict(headers)), _owner(channel_id))


def _owner(channel_id: str) -> str:
    """A sealed text of another kind cannot be put in its place."""
    return f"{channel_id} headers"
