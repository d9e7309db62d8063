"""All that is served on the one port, put together: the WSGI app and the WS routes.

Called once by `run.py`, and by tests that want the whole edge. It knows which module
serves what, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.gateway import Gateway
from engine.lightning.account import Account
from engine.merchants.name import DEFAULT
from engine.policy.defaults import CLAIM_WINDOW_S, MAX_KEYS, MAX_MERCHANTS, MONITOR_S
from engine.ports import ChannelSender
from engine.secrets.vault import Vault
from engine.wallet.forward_policy import ForwardPolicy
from transport.control import claims, keys
from transport.control import sessions as session_routes
from transport.control.app import control_app
from transport.control.reorder import Reorders
from transport.control.rests import Rests
from transport.http.asking_limits import AskingLimits
from transport.http.auth import Auth, KeyLimits
from transport.http.bottle_app import Api, ApiSettings
from transport.http.claims import Claims
from transport.http.sessions import Sessions
from transport.http.site_tokens import RULES, SiteTokens
from transport.http.strangers import StrangerLimits, Strangers
from transport.inbound import gateway_routes, redis_gateways, svix, webhooks
from transport.inbound.gateways import Gateways
from transport.inbound.redis_stream import StreamState
from transport.live import broadcast, described, polling, sse, upstreams
from transport.live import journal_stream as events
from transport.live.audience import Audience
from transport.live.doors import Doors
from transport.live.encoding import Frames
from transport.live.leases import Leases
from transport.live.limits import LiveLimits
from transport.live.routes import LiveRoutes
from transport.live.socketio.limits import SocketioLimits
from transport.live.socketio.mount import Mount
from transport.live.till_status import Require, TillStatus
from transport.lnurl import routes as lnurl
from transport.lnurl.admission import LnurlLimits
from transport.outbound.senders import Senders
from transport.pages import dashboard, pages, pos, refund
from transport.pages.receipt_mail import ReceiptMail
from transport.seeds.admission import SeedLimits
from transport.seeds.paybutton_messages import for_payers
from transport.seeds.routes import add_seeds, poll_intervals_s, unsigned_webhooks
from transport.server.limits import CallLimits

if TYPE_CHECKING:  # it is loaded only where somebody may use it
    from transport.live.socketio.engine import Engine

__all__ = ["WebParts", "web_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebParts:
    """What the edge needs of the node. `repr` shows no secret: it is never printed."""

    gateway: Gateway
    vault: Vault
    sender: ChannelSender
    version: str
    network: str
    api_key: str | None
    webhook_btc_secret: str | None
    allowed_origins: tuple[str, ...] = ()
    public_url: str = ""
    allow_private_webhooks: bool = False
    allow_webhook_ports: frozenset[int] = frozenset()
    claim_window_s: int = CLAIM_WINDOW_S
    monitor_s: int = MONITOR_S
    tolerance_sat: int = 0
    tolerance_percent: int = 1
    quorum_above_sat: int | None = None
    independent_sources: int = 1
    address_source: Callable[[], str] | None = None
    forwarding: ForwardPolicy = field(default_factory=ForwardPolicy)
    auth_limits: KeyLimits | None = None
    webhook_limits: CallLimits | None = None
    stranger_limits: StrangerLimits | None = None
    log_counts: Callable[[], dict[str, int]] = dict
    """Of the process's log, for the metrics."""
    max_merchants: int = MAX_MERCHANTS
    max_keys: int = MAX_KEYS
    seeds: Mapping[str, str] = field(default_factory=dict)
    """Merchants by system whose own routes there are (`Config.seeds`)."""
    seed_limits: SeedLimits = field(default_factory=SeedLimits)
    lnurl_limits: LnurlLimits | None = None
    broadcasts_per_minute: int = 6
    refund_claims_per_minute: int = 6
    asking_limits: AskingLimits = field(default_factory=AskingLimits)
    socketio: SocketioLimits | None = None
    live_limits: LiveLimits | None = None
    redis: Callable[[], StreamState] | None = None
    """How the stream stands that is read; None: none is."""
    accounts: Mapping[str, Account] = field(default_factory=dict)
    """Lightning accounts by name, of which some take webhooks."""
    gateways: Gateways | None = None
    """None: no payment gateway tells this node anything."""


def web_parts(parts: WebParts) -> tuple[Api, LiveRoutes]:
    """The app and the routes for `transport.server.server.Server`."""
    sessions = Sessions(parts.vault, parts.gateway.now, parts.gateway, parts.public_url)
    auth = Auth(
        parts.gateway, parts.api_key, limits=parts.auth_limits, sessions=sessions
    )
    frames = Frames(
        parts.gateway.epochs().present,
        unread=parts.gateway.unread,
        public_url=parts.public_url,
        now=parts.gateway.now,
    )
    strangers = Strangers(parts.stranger_limits)
    payers = None
    if "paybutton" in parts.seeds:
        payers = for_payers(frames, parts.seeds["paybutton"], parts.gateway.now)
    audience = Audience(frames, parts.vault, auth.require, payers, auth.of_own_page)
    tokens = SiteTokens(parts.gateway, parts.vault)

    def is_active(what: str) -> bool:
        """An API key, or a shop's rules for its site's tokens."""
        return tokens.are_so(what) if what.startswith(RULES) else auth.is_active(what)

    live = LiveRoutes(
        parts.gateway,
        parts.vault,
        frames,
        strangers=strangers,
        audience=audience,
        doors=Doors(tokens, parts.seeds.get("salon")),
        leases=Leases(parts.gateway.now, is_active),
        default_merchant=parts.seeds.get("phoenixd", DEFAULT),
        limits=parts.live_limits,
    )
    settings = _api_settings(parts, live)
    app = control_app(parts.gateway, auth, parts.vault, settings, strangers)
    keys.routes(app, parts.gateway, auth, parts.max_keys)
    session_routes.routes(app, auth, sessions)
    events.routes(app, parts.gateway, auth.require, frames, auth.is_active)
    sse.routes(
        app,
        parts.gateway,
        audience,
        parts.allowed_origins,
        leases=live.salon.leases,
    )
    upstreams.routes(
        app,
        parts.gateway,
        auth.require,
        live.salon.doors,
        live.salon.leases,
        parts.allowed_origins,
    )
    reorders = Reorders(parts.gateway, parts.vault, settings)
    pages.routes(
        app,
        parts.gateway,
        limits=parts.stranger_limits,
        reorders=reorders,
        rests=Rests(parts.gateway, parts.asking_limits.rests_per_minute),
        mail=_receipt_mail(parts),
    )

    def is_logged_in(env: dict[str, Any]) -> bool:
        return auth.by_session(env) is not None

    pos.routes(app, is_logged_in, parts.public_url)
    dashboard.routes(app, is_logged_in)
    _add_claims(parts, app)
    webhooks.routes(
        app,
        parts.gateway,
        parts.webhook_btc_secret,
        parts.vault,
        claim_window_s=parts.claim_window_s,
        limits=parts.webhook_limits,
        unsigned=unsigned_webhooks(parts.seeds, parts.seed_limits),
    )
    redis_gateways.routes(app, auth, parts.redis)
    # Before those of gateways, whose path of two names would be this one, too.
    svix.routes(app, parts.gateway, parts.accounts, limits=parts.webhook_limits)
    if parts.gateways is not None and parts.gateways.mappings:
        gateway_routes.routes(app, parts.gateways, limits=parts.webhook_limits)
    _mount_socketio(parts, app, live, frames, strangers, auth.require)
    polling.routes(
        app,
        parts.gateway,
        audience,
        parts.vault,
        parts.allowed_origins,
        strangers=strangers,
        identify_wait_s=live.identify_wait_s,
        doors=live.salon.doors,
        default_merchant=parts.seeds.get("phoenixd", DEFAULT),
    )
    broadcast.routes(app, live, auth, parts.broadcasts_per_minute)
    described.describe(app)
    add_seeds(
        app,
        parts.gateway,
        auth,
        parts.vault,
        settings,
        parts.seeds,
        limits=parts.seed_limits,
        webhook_limits=parts.webhook_limits,
        origins=parts.allowed_origins,
    )
    lnurl.routes(
        app,
        parts.gateway,
        auth,
        settings,
        limits=parts.lnurl_limits,
        strangers=strangers,
    )
    return app, live


def _receipt_mail(parts: WebParts) -> ReceiptMail | None:
    """How receipts are mailed; None: this node sends no mail."""
    writer = Senders.of(parts.sender).mail
    return None if writer is None else ReceiptMail(parts.gateway, parts.vault, writer)


def _add_claims(parts: WebParts, app: Api) -> None:
    """What a payer may do with the link of a refund."""
    opened = Claims(
        parts.gateway, parts.vault, parts.network, parts.refund_claims_per_minute
    )
    claims.routes(app, opened)
    refund.routes(app, parts.gateway, opened)


def _mount_socketio(
    parts: WebParts,
    app: Api,
    live: LiveRoutes,
    frames: Frames,
    strangers: Strangers,
    require: Require,
) -> None:
    gateway, salon = parts.gateway, parts.seeds.get("salon")

    def is_on() -> bool:
        return salon is not None or gateway.takes_site_tokens()

    make = partial(_socketio, parts, live, frames, strangers)
    mount = Mount(is_on, make, strangers)
    mount.add_to(app)
    till = TillStatus(gateway, require, live, live.salon.leases)
    live.also_ask(lambda environ: till.route(environ) or mount.route(environ))


def _socketio(
    parts: WebParts, live: LiveRoutes, frames: Frames, strangers: Strangers
) -> Engine:
    from transport.live.socketio.composition import socketio_engine

    return socketio_engine(
        parts.gateway,
        SiteTokens(parts.gateway, parts.vault),
        frames,
        live,
        salon=parts.seeds.get("salon"),
        strangers=strangers,
        origins=parts.allowed_origins,
        limits=parts.socketio,
    )


def _api_settings(parts: WebParts, live: LiveRoutes) -> ApiSettings:
    return ApiSettings(
        network=parts.network,
        version=parts.version,
        sender=parts.sender,
        address_source=parts.address_source,
        public_url=parts.public_url,
        monitor_s=parts.monitor_s,
        poll_intervals_s=poll_intervals_s(parts.seeds),
        tolerance_sat=parts.tolerance_sat,
        tolerance_percent=parts.tolerance_percent,
        quorum_above_sat=parts.quorum_above_sat,
        independent_sources=parts.independent_sources,
        asking=parts.asking_limits,
        max_merchants=parts.max_merchants,
        gateways={} if parts.gateways is None else parts.gateways.mappings,
        allow_private_webhooks=parts.allow_private_webhooks,
        allow_webhook_ports=parts.allow_webhook_ports,
        log_counts=parts.log_counts,
        forwarding=parts.forwarding,
        websocket_clients=lambda: live.open,
    )
