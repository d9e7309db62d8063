"""What the doctor finds out about Lightning Addresses: are they offered, or why not.

It asks nobody: what keeps an address from being offered is in the configuration and in
the merchants' records (docs/lightning.md).
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from engine.config import Config
from engine.lightning.account_tables import account_of
from engine.merchants.profile import Profile
from engine.merchants.record import Merchant
from engine.merchants.rules import address_name
from transport.cli.source_checks import Check
from transport.lightning.nodes import make_node

__all__ = ["check_addresses"]


def check_addresses(config: Config, merchants: Iterable[Merchant]) -> Iterator[Check]:
    """`merchants`: those of the database; the file's tables are for new ones."""
    records: dict[str, Profile] = {**config.merchants}
    records |= {merchant.name: merchant for merchant in merchants}
    named = {m: name for m, one in records.items() if (name := address_name(one))}
    if not named:
        return
    if not config.public_url:
        whose = ", ".join(sorted(named))
        text = f"Lightning Addresses ({whose}) are not offered: wallets are told"
        yield False, f"{text} absolute URLs; set --public-url"
        return
    if not _wallets_call(config.public_url):
        text = "Lightning Addresses: wallets call https URLs or .onion hosts only;"
        yield False, f"{text} --public-url is {config.public_url}"
    yield from _each(config, config.public_url, named)


def _each(config: Config, public_url: str, named: Mapping[str, str]) -> Iterator[Check]:
    host = urlsplit(public_url).netloc
    for merchant, name in sorted(named.items()):
        address = f"Lightning Address {name}@{host} of {merchant}"
        account = account_of(config.lightning, merchant)
        if account is None:
            advice = "it has no Lightning account ([lightning.<name>])"
            yield False, f"{address} is not offered: {advice}"
        elif not make_node(account, config.network).can.description_hash:
            advice = f"{account.kind} makes no invoices with the hash of a description"
            yield False, f"{address} is not offered: {advice}"
        else:
            yield True, f"{address}: invoices by {account.name}"


def _wallets_call(public_url: str) -> bool:
    """Or we on this machine, for a try."""
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    return parts.scheme == "https" or host.endswith(".onion") or is_here
