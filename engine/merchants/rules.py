"""What may be said of a merchant, by whom, and what a person should hear of. Pure.

The row is the truth. What a call says replaces all of it, but for a secret that it
keeps; a table in paybell.toml is only the first word about a merchant who has no row.
"""

from collections.abc import Callable, Container, Iterable

from engine.merchants.record import OLD, PROVIDERS, Limits, Merchant, MerchantSettings
from engine.merchants.token_rules import SEALED_AS, SealedRules, sealed

__all__ = [
    "is_sensitive",
    "replaced",
    "unknown_secrets",
    "wants_operator",
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
    is_open = asked.identify_without_secret
    jwt = _token_rules(before, asked, seal)
    said = asked.display_name, asked.limits, secrets, is_open, jwt
    was = (
        before.display_name,
        before.own,
        before.webhook_secrets,
        before.identify_without_secret,
        before.jwt,
    )
    if said == was and before.version > 0 and not before.is_damaged:
        return before
    return Merchant(
        name=before.name,
        version=before.version + 1,
        updated_at=max(now, before.updated_at),
        display_name=asked.display_name,
        own=asked.limits,
        webhook_secrets=secrets,
        identify_without_secret=is_open,
        jwt=jwt,
        limits=asked.limits.over(defaults),
    )


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


def wants_operator(before: Merchant, after: Merchant) -> bool:
    """Whether only an operator may: nobody gives himself more of the node.

    What the limits of a damaged row were, nobody knows.
    """
    return before.is_damaged or before.own != after.own


def is_sensitive(before: Merchant, after: Merchant) -> str:
    """What changes who is believed, or where money goes: a person is told. "": nothing.

    (Descriptors and forward addresses belong here when there are any.)
    """
    changed = []
    if before.webhook_secrets != after.webhook_secrets:
        changed.append("the secrets of its webhooks")
    if before.jwt != after.jwt:
        changed.append("the rules of its site's tokens")
    return " and ".join(changed)
