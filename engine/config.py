"""Configuration: every setting, read in one order.

Options override environment variables, which override the file, which overrides the
defaults. A wrong value is a `ConfigError` that names the key, where it came from, the
value (unless it is a secret) and what is allowed. The table of settings is in
`engine/settings/table.py`. Pure: the caller reads the environment and the file.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from engine.errors import ConfigError
from engine.lightning.account import Account
from engine.lightning.account_tables import SECRET_NAME
from engine.mail.address import MailAddress
from engine.mail.server import MailServer
from engine.merchants.gateway_mapping import GatewayMapping
from engine.merchants.record import Limits, MerchantSettings
from engine.merchants.rules import wrong_profile, wrong_secret
from engine.money.providers import ProviderSetting, fixed_rates
from engine.money.rates import Policy
from engine.policy.defaults import CLAIM_WINDOWS
from engine.policy.retention import Retention
from engine.settings.file_tables import (
    MERCHANTS,
    TABLES,
    document,
    read_gateways,
    read_lightning,
    read_merchants,
)
from engine.settings.option import Option
from engine.settings.table import OPTIONS, OTHER_NAMES
from engine.settings.values import SourceConfig, default_sources
from engine.streams.redis_url import RedisUrl
from engine.wallet.stock import WalletSettings

__all__ = [
    "OPTIONS",
    "Config",
    "unknown_names",
    "Option",
    "SourceConfig",
    "load",
    "read_file",
    "read_gateways",
    "read_lightning",
    "read_merchants",
]


SEEDS = "seeds"
"""The one setting that may be a table: `[seeds]`, a merchant for each system."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, valid. Times in seconds, amounts in satoshi."""

    host: str
    port: int
    db: str
    network: str
    sources: tuple[SourceConfig, ...]
    api_key: str | None
    node_key: str | None
    wallet_passphrase: str | None
    wallet_passphrase_file: str | None
    webhook_btc_secret: str | None
    public_url: str | None
    seeds: Mapping[str, str]  # merchants by system; absent: its routes are off
    redis: RedisUrl | None
    redis_stream: str
    redis_group: str
    redis_consumer: str | None  # None: this machine's name
    redis_trusted: dict[str, str]  # by gateway, a merchant
    seed_calls_per_minute: int
    seed_calls_per_hour: int
    lnurl_per_minute: int
    lnurl_open: int
    broadcasts_per_minute: int
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    forwarded_header: Literal["x-forwarded-for", "forwarded"]
    keep_alive_s: int
    allow_private_webhooks: bool
    allow_webhook_ports: frozenset[int]
    smtp: MailServer | None
    smtp_password: str | None
    mail_from: MailAddress | None
    mail_templates: str | None
    mails_per_hour: int
    refunds_per_payment: int
    refunds_open: int
    refund_claims_per_minute: int
    claim_window_s: int
    calls_per_s: int
    calls_shared_percent: int
    calls_burst: int
    merchant_calls_per_s: int | None
    wrong_keys_per_minute: int
    webhooks_per_s: int
    wrong_signatures_per_minute: int
    claims_per_payment: int
    claims_total_s: int | None  # None: CLAIM_WINDOWS times claim_window_s
    channels_per_merchant: int
    channel_tests_per_minute: int
    channel_tests_open: int
    searches_waiting: int
    search_wait_s: int
    reorders_per_minute: int
    rests_per_minute: int
    identifies_per_s: int
    identifies_at_once: int
    ws_topics: int
    socketio_subscriptions: int
    socketio_per_merchant: int
    max_merchants: int
    max_keys: int
    monitor_s: int
    keep_events_days: int
    keep_deliveries_days: int
    keep_attempts_days: int
    keep_inbound_days: int
    keep_answers_h: int
    alert_after_s: int
    alert_every_s: int
    silent_orders: int
    heartbeat_url: str | None
    heartbeat_s: int
    tolerance_sat: int
    rpc_timeout_s: int
    tolerance_percent: int
    wallet_stock: int
    wallet_gap: int
    wallet_reuse: bool
    wallet_restore_skip: int
    quorum_above: int | None
    rates: tuple[ProviderSetting, ...]
    rates_every_s: int
    rates_fresh_s: int
    rates_bound_percent: int
    rates_lone_s: int
    forward_destinations: frozenset[str]
    forward_anywhere: bool
    forward_per_day_sat: int  # 0: no limit
    forward_every_s: int
    forward_confirmations: int
    forward_bump_after_s: int
    fee_floor: int  # sat/vB, as the next two
    fee_cap: int
    fee_without_estimate: int
    fee_max_percent: int
    esplora_per_minute: int
    poll_by_hand_s: int
    connections_per_address: int
    anonymous_per_s: int
    log_level: str
    log_format: str
    merchants: dict[str, MerchantSettings] = {}  # the file's tables [merchants.<name>]
    gateways: dict[str, GatewayMapping] = {}  # the file's tables [gateways.<name>]
    lightning: dict[str, Account] = {}  # the file's tables [lightning.<name>]

    @property
    def retention(self) -> Retention:
        """How long what is stored is kept."""
        return Retention(
            events=self.keep_events_days,
            deliveries=self.keep_deliveries_days,
            attempts=self.keep_attempts_days,
            inbound=self.keep_inbound_days,
        )

    @property
    def wallets(self) -> WalletSettings:
        """How addresses of merchants' wallets are drawn."""
        return WalletSettings(
            stock=self.wallet_stock,
            gap=self.wallet_gap,
            reuse=self.wallet_reuse,
            restore_skip=self.wallet_restore_skip,
        )

    @property
    def mail_server(self) -> MailServer | None:
        """Of the node's own mail, with its password."""
        if self.smtp is None or self.smtp_password is None:
            return self.smtp
        return msgspec.structs.replace(self.smtp, password=self.smtp_password)

    @property
    def rates_policy(self) -> Policy:
        """Which quotes are believed."""
        return Policy(
            fresh_s=self.rates_fresh_s,
            bound_percent=self.rates_bound_percent,
            lone_s=self.rates_lone_s,
            every_s=self.rates_every_s,
        )

    @property
    def limits(self) -> Limits:
        """Of every merchant that has none of its own."""
        total_s = self.claims_total_s
        return Limits(
            calls_per_s=self.merchant_calls_per_s,
            claims=self.claims_per_payment,
            claims_total_s=CLAIM_WINDOWS * self.claim_window_s
            if total_s is None
            else total_s,
            channels=self.channels_per_merchant,
            mails_per_hour=self.mails_per_hour,
            refunds_per_payment=self.refunds_per_payment,
            refunds_open=self.refunds_open,
        )

    def __repr__(self) -> str:
        return f"Config(network={self.network}, db={self.db})"


def read_file(text: str, path: str) -> dict[str, str]:
    """Settings of a `paybell.toml`, as text; no merchants. Raises `ConfigError`."""
    known = {option.name for option in OPTIONS}
    settings = {}
    for key, value in document(text, path).items():
        if key in TABLES:
            continue
        if key == SEEDS and isinstance(value, dict):
            value = [f"{name}={merchant}" for name, merchant in value.items()]
        if key not in known:
            tables = [f"[{name}.<name>]" for name in TABLES]
            allowed = ", ".join([*sorted(known), *tables])
            raise ConfigError(f"{path}: unknown key {key!r}; allowed: {allowed}")
        if isinstance(value, bool):
            settings[key] = "yes" if value else "no"
        elif isinstance(value, int | float | str):
            settings[key] = str(value)
        elif isinstance(value, list) and all(isinstance(v, str) for v in value):
            settings[key] = ",".join(value)
        else:
            raise ConfigError(
                f"{path}: {key} must be text, a number, true or false, or a list of"
                f" texts, not {type(value).__name__}"
            )
    return settings


def load(
    options: Mapping[str, str | None],
    environ: Mapping[str, str],
    file: Mapping[str, str],
    file_name: str = "paybell.toml",
    merchants: Mapping[str, MerchantSettings] | None = None,
    gateways: Mapping[str, GatewayMapping] | None = None,
    lightning: Mapping[str, Account] | None = None,
) -> Config:
    """The configuration. `options` and `file` are keyed by option name; `merchants`,
    `gateways` and `lightning` are what `read_merchants`, `read_gateways` and
    `read_lightning` found beside them.

    An empty environment variable counts as none. Raises `ConfigError`.
    """
    values: dict[str, Any] = {}
    for option in OPTIONS:
        for place, text in (
            (option.flag, options.get(option.name)),
            (option.environ, environ.get(option.environ) or None),
            (f"{option.name} in {file_name}", file.get(option.name)),
            ("default", option.default),
        ):
            if text is not None:
                values[option.name] = _parse(option, place, text)
                break
        else:
            values[option.name] = () if option.repeated else None
    if not values["sources"]:
        values["sources"] = default_sources(values["network"])
    config = Config(
        **values,
        merchants=dict(merchants or {}),
        gateways=dict(gateways or {}),
        lightning=dict(lightning or {}),
    )
    for name, said in config.merchants.items():
        if wrong := wrong_secret(said.webhook_secrets, config.gateways):
            raise ConfigError(
                f"{file_name}: {MERCHANTS}.{name}.webhook_secrets {wrong}"
            )
        if mistaken := wrong_profile(said, config.network):
            field, why = mistaken[0].replace("/", "."), mistaken[1]
            raise ConfigError(f"{file_name}: {MERCHANTS}.{name}.{field}: {why}")
    return _consistent(config)


def unknown_names(environ: Mapping[str, str]) -> list[str]:
    """A warning for each unknown PAYBELL_ variable: most are typing errors."""
    known = {option.environ for option in OPTIONS} | set(OTHER_NAMES)
    lines = []
    for name in sorted(environ):
        if SECRET_NAME.fullmatch(name):  # which accounts there are is in the file
            continue
        if name.startswith("PAYBELL_") and name not in known:
            close = difflib.get_close_matches(name, known, 1, 0.8)
            guess = f"; did you mean {close[0]}?" if close else ""
            lines.append(f"unknown variable {name!r}{guess}")
    return lines


def _parse(option: Option, place: str, text: str) -> Any:
    try:
        return option.parse(text)
    except ValueError as error:
        if option.secret:
            shown = "a value that is not shown"
        elif option.shown:
            shown = repr(text[:200])
        else:
            shown = "a value that is not shown, as it may hold a password,"
        why = str(error) and f" ({error})"
        raise ConfigError(
            f"{place}: {shown} is not valid{why}; allowed: {option.allowed}"
        ) from None


def _consistent(config: Config) -> Config:
    kinds = [source.kind for source in config.sources]
    if "devchain" in kinds and config.network != "regtest":
        raise ConfigError(
            f"--source: devchain is for --network regtest only, not {config.network}"
        )
    operators = {source.operator for source in config.sources}
    if config.quorum_above is not None and len(operators) < 2:
        raise ConfigError(
            "--quorum-above: requires two independent sources, of different operators"
            f" (?name=… says who runs one); there is one: {', '.join(operators)}"
        )
    if kinds.count("devchain") > 1:
        raise ConfigError("--source: devchain is given more than once; allowed: once")
    _check_mail(config)
    _check_rates(config)
    return config


def _check_rates(config: Config) -> None:
    if config.rates_fresh_s < 2 * config.rates_every_s:
        raise ConfigError(
            f"--rates-fresh-s: {config.rates_fresh_s} is less than twice"
            f" --rates-every-s ({config.rates_every_s}): one answer that is lost would"
            " stop sales"
        )
    if config.network == "mainnet" and fixed_rates(config.rates):
        raise ConfigError("--rates: a fixed rate is for test networks, not mainnet")


def _check_mail(config: Config) -> None:
    """What belongs to the mail server, and what it needs."""
    smtp = config.smtp
    if smtp is None:
        for name, value in (
            ("--mail-from", config.mail_from),
            ("PAYBELL_SMTP_PASSWORD", config.smtp_password),
        ):
            if value is not None:
                raise ConfigError(f"{name}: is of no use without --smtp")
        return
    if config.mail_from is None:
        raise ConfigError("--smtp: requires --mail-from, an address to send mail from")
    if config.smtp_password is not None and not smtp.user:
        raise ConfigError("PAYBELL_SMTP_PASSWORD: the URL of --smtp names no user")
    if smtp.user and not (smtp.password or config.smtp_password):
        raise ConfigError(
            "--smtp: its URL names a user and no password; set PAYBELL_SMTP_PASSWORD"
        )
