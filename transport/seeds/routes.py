"""Which seeds' routes there are: one switch each, which names a merchant.

Called by `transport/web_app.py`. To add a system: its file here, a name in `SEEDS`
(`engine/settings/values.py`), a line below, and what it does in docs/seeds.md.
"""

import logging
from collections.abc import Mapping

from engine.gateway import Gateway
from engine.secrets.vault import Vault
from transport.http.auth import Auth
from transport.http.bottle_app import Api, ApiSettings
from transport.inbound.webhooks import Unsigned
from transport.seeds import bitcoin, blink, paybutton, phoenixd, phoenixd_invoice
from transport.seeds.admission import Admission, SeedLimits
from transport.server.limits import CallLimits

__all__ = ["add_seeds", "poll_intervals_s", "unsigned_webhooks"]

log = logging.getLogger("paybell.seeds")


def unsigned_webhooks(seeds: Mapping[str, str], limits: SeedLimits) -> Unsigned | None:
    """PayButton's `/webhook/btc` where nobody has a secret for it."""
    if "paybutton" not in seeds:
        return None
    return Unsigned(merchant=seeds["paybutton"], admit=Admission(limits).require)


def poll_intervals_s(seeds: Mapping[str, str]) -> dict[str, int]:
    """How often payments are looked at that say nothing of it, by merchant."""
    return {seeds["bitcoin"]: bitcoin.POLL_S} if "bitcoin" in seeds else {}


def add_seeds(
    app: Api,
    gateway: Gateway,
    auth: Auth,
    vault: Vault,
    settings: ApiSettings,
    seeds: Mapping[str, str],
    *,
    limits: SeedLimits,
    webhook_limits: CallLimits | None,
    origins: tuple[str, ...],
) -> None:
    """Add the routes of those that `seeds` names (`Config.seeds`)."""
    if "paybutton" in seeds:
        merchant, admission = seeds["paybutton"], Admission(limits)
        paybutton.routes(app, gateway, auth, settings, merchant, admission, origins)
    if "bitcoin" in seeds:
        bitcoin.routes(app, gateway, auth, vault, seeds["bitcoin"], origins)
        log.info(
            "seeds.bitcoin merchant=%s detail=Bitcoin payment background processor"
            " started",
            seeds["bitcoin"],
        )
    if "blink" in seeds:
        merchant, admission = seeds["blink"], Admission(limits)
        blink.routes(app, gateway, merchant, admission, origins)
    if "phoenixd" in seeds:
        merchant, admission = seeds["phoenixd"], Admission(limits)
        phoenixd.routes(app, gateway, vault, merchant, admission, webhook_limits)
        phoenixd_invoice.routes(
            app, gateway, auth, settings, merchant, admission, origins
        )
