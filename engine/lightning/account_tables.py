"""The tables `[lightning.<name>]` of a paybell.toml, read. Pure.

An account's secret may stand in the environment instead, as
`PAYBELL_LIGHTNING_<NAME>_SECRET`: the name in capitals, with `_` for `-`; those of its
webhooks as `…_WHSEC`, separated by commas. No error quotes a value of the file, as one
may be the secret in the wrong place.
"""

import base64
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec

from engine.chain.source_url import split_http_url
from engine.errors import ConfigError
from engine.lightning.account import Account, Kind

__all__ = [
    "BLINK_URL",
    "LIGHTNING",
    "MAX_ACCOUNTS",
    "SECRET_NAME",
    "account_of",
    "read_account_tables",
    "secret_name",
    "unused_secrets",
    "whsec_name",
]

LIGHTNING: Final = "lightning"

MAX_ACCOUNTS: Final = 20

BLINK_URL: Final = "https://api.blink.sv/graphql"
"""Where Blink is, if the file does not say; its test network is elsewhere."""

SECRET_NAME: Final = re.compile(
    r"PAYBELL_LIGHTNING_[A-Z0-9][A-Z0-9_]{0,31}_(SECRET|WHSEC)"
)
"""Of variables with an account's secret, or those of its webhooks."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_AT = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_NEAR = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".onion")


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may stand there; see `Account`."""

    kind: Kind
    url: str = ""
    secret: str = ""
    user: str = ""
    wallet: str = ""
    stream_url: str = ""
    webhook_secrets: Annotated[tuple[str, ...], msgspec.Meta(max_length=8)] = ()
    merchants: Annotated[tuple[str, ...], msgspec.Meta(max_length=1_000)] = ()
    forward_to: str = ""
    forward_min_sat: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)] = 1
    forward_fee_ppm: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 5_000
    forward_fee_base_sat: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 5
    poll_s: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 30
    silence_s: Annotated[int, msgspec.Meta(ge=2, le=300)] = 10


_TEXTS = ("url", "secret", "user", "wallet", "stream_url", "forward_to")
_ONLY_OF = {"user": ("electrum",), "wallet": ("blink", "electrum")}
_ONLY_OF |= {"stream_url": ("blink", "electrum")}


def secret_name(account: str) -> str:
    """The variable that may hold the secret of the account with this name."""
    return f"PAYBELL_LIGHTNING_{account.upper().replace('-', '_')}_SECRET"


def whsec_name(account: str) -> str:
    """The variable that may hold the secrets of its webhooks."""
    return secret_name(account).removesuffix("SECRET") + "WHSEC"


def unused_secrets(environ: Mapping[str, str], accounts: Iterable[str]) -> list[str]:
    """A warning for each variable with the secret of an account that is not there."""
    known = {name for one in accounts for name in (secret_name(one), whsec_name(one))}
    return [
        f"{name}: there is no such account among [{LIGHTNING}.<name>]"
        for name in sorted(environ)
        if SECRET_NAME.fullmatch(name) and name not in known
    ]


def read_account_tables(
    tables: Any, path: str, environ: Mapping[str, str]
) -> dict[str, Account]:
    """By name, in the file's order. Raises `ConfigError`, which names the key."""
    if not isinstance(tables, Mapping):
        raise ConfigError(f"{path}: {LIGHTNING} must be tables: [{LIGHTNING}.<name>]")
    if len(tables) > MAX_ACCOUNTS:
        raise ConfigError(f"{path}: {LIGHTNING}: at most {MAX_ACCOUNTS} are allowed")
    accounts = {
        name: _read(name, table, path, environ) for name, table in tables.items()
    }
    named: dict[str, str] = {}
    for name in accounts:
        if (other := named.setdefault(secret_name(name), name)) != name:
            raise ConfigError(
                f"{path}: {LIGHTNING}.{name}: {other} has the same variable for its"
                f" secret, {secret_name(name)}: choose another name"
            )
        _check_forward(accounts, name, path)
    _check_shares(accounts, path)
    return accounts


def account_of(accounts: Mapping[str, Account], merchant: str) -> Account | None:
    """The one that makes this merchant's invoices: one that names the merchant, or else
    one for everybody, unless it only takes what another passes on to it."""
    targets = {one.forward_to for one in accounts.values()}
    named = [one for one in accounts.values() if merchant in one.merchants]
    open_ones = [
        one
        for one in accounts.values()
        if not one.merchants and one.name not in targets
    ]
    return next(iter(named or open_ones), None)


def _read(name: str, table: Any, path: str, environ: Mapping[str, str]) -> Account:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{path}: {LIGHTNING}.{name[:100]!r}: an account's name has 1 to 32 small"
            " letters, digits, '-' or '_'"
        )
    where = f"{path}: {LIGHTNING}.{name}"
    if not isinstance(table, Mapping):
        raise ConfigError(
            f"{where}: must be a table; an account has a name: [{LIGHTNING}.<name>]"
        )
    try:
        said = msgspec.convert(table, _Table)
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        what = _AT.sub("", text)
        if what.startswith("Invalid enum value"):  # it quotes it
            what = "must be phoenixd, blink or electrum"
        if what.startswith("Object contains unknown field"):
            what += f"; there are: {', '.join(_Table.__struct_fields__)}"
        raise ConfigError(f"{where}{at.group(1) if at else ''}: {what}") from None
    for key in _TEXTS:
        value = getattr(said, key)
        if len(value) > 500 or not value.isprintable():
            raise ConfigError(
                f"{where}.{key}: has over 500 letters, or some unreadable"
            )
        if value and said.kind not in _ONLY_OF.get(key, (said.kind,)):
            raise ConfigError(f"{where}.{key}: {said.kind} has none")
    url = said.url or (BLINK_URL if said.kind == "blink" else "")
    if not url:
        raise ConfigError(f"{where}.url: is missing: where {said.kind} answers")
    _check_url(url, f"{where}.url", ("https", "http"))
    if said.stream_url:
        _check_url(said.stream_url, f"{where}.stream_url", ("wss", "ws"))
    elif said.kind == "blink" and url.rstrip("/") != BLINK_URL:
        raise ConfigError(
            f"{where}.stream_url: is missing: the WebSocket (wss://) beside that url"
        )
    if said.kind == "electrum" and not said.user:
        raise ConfigError(f"{where}.user: is missing: rpcuser of Electrum")
    return Account(
        name=name,
        kind=said.kind,
        url=url.rstrip("/"),
        secret=_secret(name, said.secret, where, environ),
        user=said.user,
        wallet=said.wallet,
        stream_url=said.stream_url,
        webhook_secrets=_whsecs(name, said, where, environ),
        merchants=said.merchants,
        forward_to=said.forward_to,
        forward_min_sat=said.forward_min_sat,
        forward_fee_ppm=said.forward_fee_ppm,
        forward_fee_base_sat=said.forward_fee_base_sat,
        poll_s=said.poll_s,
        silence_s=said.silence_s,
    )


def _secret(name: str, filed: str, where: str, environ: Mapping[str, str]) -> str:
    """An empty variable counts as none; one with a value comes first."""
    variable = secret_name(name)
    secret = environ.get(variable) or filed
    if not secret:
        raise ConfigError(
            f"{where}.secret: is missing; it may stand in {variable}, too"
        )
    if len(secret) > 500 or not secret.isascii() or not secret.isprintable():
        raise ConfigError(
            f"{where}.secret (or {variable}): is no line of at most 500 ASCII letters"
        )
    return secret


def _whsecs(
    name: str, said: _Table, where: str, environ: Mapping[str, str]
) -> tuple[str, ...]:
    variable = whsec_name(name)
    listed = environ.get(variable, "")
    secrets = tuple(x.strip() for x in listed.split(",")) if listed else None
    secrets = said.webhook_secrets if secrets is None else secrets
    where = f"{where}.webhook_secrets (or {variable})"
    if secrets and said.kind != "blink":
        raise ConfigError(f"{where}: {said.kind} has none")
    for secret in secrets:
        if not _is_whsec(secret):
            raise ConfigError(
                f"{where}: each is whsec_ followed by 24 to 64 bytes in base64"
            )
    return secrets


def _is_whsec(secret: str) -> bool:
    encoded = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError:
        return False
    return encoded != secret and 24 <= len(key) <= 64


def _check_url(url: str, where: str, schemes: tuple[str, str]) -> None:
    """`schemes`: the sealed one and the open one, which is for hosts that are near: who
    is on the way reads the secret, and says what was paid."""
    scheme, _, rest = url.partition("://")
    if scheme not in schemes:
        raise ConfigError(
            f"{where}: must begin with {schemes[0]}://, or with {schemes[1]}:// to this"
            " machine and private networks"
        )
    try:
        parts = split_http_url(f"https://{rest}")
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{where}: has a user; the secret has a key of its own")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ConfigError(f"{where}: has more than host, port and path")
    if scheme == schemes[1] and not _is_near(parts.hostname or ""):
        raise ConfigError(
            f"{where}: {scheme}:// is for this machine and private networks; over the"
            f" internet anybody on the way reads the secret: use {schemes[0]}://"
        )


def _is_near(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name without a dot is a container's, or of this network
        name = host.lower()
        return "." not in name or name.endswith(_NEAR)
    return address.is_loopback or (address.is_private and not address.is_unspecified)


def _check_forward(accounts: Mapping[str, Account], name: str, path: str) -> None:
    """It ends somewhere."""
    seen, at = [name], accounts[name].forward_to
    while at:
        where = f"{path}: {LIGHTNING}.{seen[-1]}.forward_to"
        if at not in accounts:
            raise ConfigError(
                f"{where}: names no account; there are: {', '.join(accounts)}"
            )
        if at in seen:
            raise ConfigError(
                f"{where}: money would go round: {' → '.join([*seen, at])}"
            )
        seen.append(at)
        at = accounts[at].forward_to


def _check_shares(accounts: Mapping[str, Account], path: str) -> None:
    """Nobody has to guess to which of two accounts a merchant's money comes."""
    targets = {one.forward_to for one in accounts.values()}
    first: dict[str, str] = {}
    for one in accounts.values():
        if not one.merchants and one.name in targets:
            continue
        for merchant in one.merchants or ("",):
            other = first.setdefault(merchant, one.name)
            if other == one.name:
                continue
            whose = f"merchant {merchant}" if merchant else "every merchant"
            raise ConfigError(
                f"{path}: {LIGHTNING}.{one.name}.merchants: {other} takes the money of"
                f" {whose}, too; say whose each takes"
            )
