"""What may be said of a merchant, by whom, and what a person should hear of. Pure.

The row is the truth. What a call says replaces all of it, but for a secret that it
keeps; a table in paybell.toml is only the first word about a merchant who has no row.
"""

from collections.abc import Callable, Container, Iterable

from engine.bitcoin.address import parse_address
from engine.errors import InvalidAddress, InvalidAmount, InvalidDescriptor
from engine.merchants.lightning_address import address_mistake
from engine.merchants.look import explorer_mistake, support_mistake
from engine.merchants.packages import package_mistake
from engine.merchants.payment_defaults import bands_mistake
from engine.merchants.payment_methods import methods_mistake
from engine.merchants.profile import Profile
from engine.merchants.record import OLD, PROVIDERS, Limits, Merchant, MerchantSettings
from engine.merchants.token_rules import SEALED_AS, SealedRules, sealed
from engine.merchants.web_places import place_mistake, return_urls_mistake
from engine.money.currency import priced_in
from engine.wallet.descriptor import read_descriptor

__all__ = [
    "address_name",
    "is_sensitive",
    "replaced",
    "unknown_secrets",
    "wants_operator",
    "wrong_profile",
    "wrong_secret",
]

Seal = Callable[[bytes, str], str]


def unknown_secrets(before: Merchant, asked: MerchantSettings) -> list[str]:
    """Providers whose secret is to be kept, and there is none."""
    return sorted(
        provider
        for provider, secret in asked.webhook_secrets.items()
        if secret is True and provider not in before.webhook_secrets
    )


def replaced(
    before: Merchant, asked: MerchantSettings, seal: Seal, defaults: Limits, now: int
) -> Merchant:
    """The merchant as it is asked for; `before` itself if that changes nothing.

    `seal(secret, owner)`: as `Vault.seal`. A secret that is given is always a new one:
    what was sealed cannot be compared.
    """
    assert not unknown_secrets(before, asked), "a secret that is not there is kept"
    secrets: dict[str, str] = {
        provider: before.webhook_secrets[provider]
        if secret is True
        else seal(secret.encode(), before.secret_owner(provider))
        for provider, secret in asked.webhook_secrets.items()
        if secret is not False
    }
    jwt = _token_rules(before, asked, seal)
    said = asked.profile(), asked.limits, secrets, jwt
    was = before.profile(), before.own, before.webhook_secrets, before.jwt
    if said == was and before.version > 0 and not before.is_damaged:
        return before
    return Merchant(
        name=before.name,
        version=before.version + 1,
        updated_at=max(now, before.updated_at),
        own=asked.limits,
        webhook_secrets=secrets,
        jwt=jwt,
        limits=asked.limits.over(defaults),
        **asked.profile(),
    )


def wrong_profile(asked: Profile, network: str) -> tuple[str, str] | None:
    """What is wrong with what is said, beyond what types can say: the field, as a path
    (`packages/small/amount`), and the reason; None: nothing."""
    for name, package in asked.packages.items():
        if wrong := package_mistake(package):
            return f"packages/{name}/{wrong[0]}", wrong[1]
    if why := bands_mistake(asked.defaults):
        return "defaults/bands", why
    if wrong_method := methods_mistake(
        asked.methods, asked.lightning_max_sat, asked.onchain_min_sat
    ):
        return wrong_method
    if entry := return_urls_mistake(asked.return_urls):
        return f"return_urls/{entry[0]}", entry[1]
    for name, url, mistake in (
        ("logo_url", asked.logo_url, place_mistake),
        ("explorer_url", asked.explorer_url, explorer_mistake),
        ("support_url", asked.support_url, support_mistake),
    ):
        if url and (why := mistake(url)):
            return name, why
    for field, currency in (
        ("accounting_currency", asked.accounting_currency),
        ("till/currency", asked.till.currency),
    ):
        try:
            if currency:
                priced_in(currency)
        except InvalidAmount as error:
            return field, str(error)
    if asked.descriptor:
        try:
            read_descriptor(asked.descriptor, network)
        except InvalidDescriptor as error:
            return "descriptor", f"is refused: {error}"
    if asked.forward_to:
        try:
            parse_address(asked.forward_to, network)
        except InvalidAddress as error:
            return "forward_to", f"is not valid: {error}"
    if asked.lightning_address and (no := address_mistake(asked.lightning_address)):
        return f"lightning_address/{no[0]}", no[1]
    return None


def wrong_secret(names: Iterable[str], gateways: Container[str]) -> str | None:
    """What is wrong with one of these names, if anything is; `gateways`: the node's."""
    for name in names:
        if name not in PROVIDERS and name.removesuffix(OLD) not in gateways:
            return (
                f"has {name}, which is neither {' nor '.join(PROVIDERS)} nor a gateway"
                " of this node ([gateways.<name>])"
            )
    return None


def _token_rules(
    before: Merchant, asked: MerchantSettings, seal: Seal
) -> SealedRules | None:
    if asked.jwt is None:
        return None
    owner = before.secret_owner(SEALED_AS)
    return sealed(before.jwt, asked.jwt, lambda secret: seal(secret, owner))


def address_name(merchant: Profile) -> str:
    """What stands before the @ of its Lightning Address; empty: it has none."""
    address = merchant.lightning_address
    return "" if address is None else address.name


def wants_operator(before: Merchant, after: Merchant) -> bool:
    """Whether only an operator may: nobody gives himself more of the node, and whoever
    has stolen a shop's key does not have the money paid to himself. A shop may call its
    Lightning Address as it is called itself; any other name of the operator's domain is
    the operator's to give.

    What the limits of a damaged row were, nobody knows.
    """
    return (
        before.is_damaged
        or before.own != after.own
        or before.descriptor != after.descriptor
        or before.forward_to != after.forward_to
        or address_name(after) not in {"", address_name(before), after.name}
    )


def is_sensitive(before: Merchant, after: Merchant) -> str:
    """What changes who is believed, where money goes, or how little is enough: a person
    is told. "": nothing."""
    changed = []
    if before.webhook_secrets != after.webhook_secrets:
        changed.append("the secrets of its webhooks")
    if before.jwt != after.jwt:
        changed.append("the rules of its site's tokens")
    if before.descriptor != after.descriptor:
        changed.append("the keys that its addresses come from")
    if before.forward_to != after.forward_to:
        changed.append("the places that its money goes on to")
    if address_name(before) not in {"", address_name(after)}:
        changed.append("the name of its Lightning Address")
    if _confirmations(before) != _confirmations(after):
        changed.append("the confirmations that its payments need")
    return " and ".join(changed)


def _confirmations(merchant: Merchant) -> object:
    return merchant.defaults.confirmations, merchant.defaults.bands
