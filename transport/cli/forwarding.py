"""Money that is sent on: its rules from the settings, its ways out, commands."""

import logging
from collections.abc import Callable
from urllib.parse import quote

import click
import gevent

from engine.bitcoin.address import parse_address
from engine.chain.broadcast import Broadcaster
from engine.config import Config
from engine.errors import ConfigError, InvalidAddress
from engine.wallet.fees import FeeRules
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.forwards import Forwards, HeldKeys, Signer
from engine.wallet.signing import Signed
from transport.chain.broadcasters import Broadcasters, make_broadcaster
from transport.cli.client import NodeClient
from transport.cli.failures import plain_errors
from transport.cli.options import api_key_option, url_option
from transport.cli.printable import printable
from transport.cli.words import say

__all__ = ["forward_policy", "forwarding", "make_forwards"]

log = logging.getLogger("paybell")


def forward_policy(config: Config) -> ForwardPolicy:
    """By which rules money is sent on. Raises `ConfigError`."""
    if config.fee_floor > config.fee_cap:
        raise ConfigError("--fee-floor: is above --fee-cap")
    named = set()
    for one in config.forward_destinations:
        try:
            named.add(parse_address(one, config.network).text)
        except InvalidAddress as error:
            raise ConfigError(f"--forward-destinations: {error}") from None
    return ForwardPolicy(
        destinations=frozenset(named),
        anywhere=config.forward_anywhere,
        per_day_sat=config.forward_per_day_sat or None,
        every_s=float(config.forward_every_s),
        confirmations=config.forward_confirmations,
        bump_after_s=config.forward_bump_after_s,
        fees=FeeRules(
            floor_sat_kvb=config.fee_floor * 1_000,
            cap_sat_kvb=config.fee_cap * 1_000,
            absent_sat_kvb=config.fee_without_estimate * 1_000 or None,
            max_percent=config.fee_max_percent,
        ),
    )


def make_forwards(
    config: Config, keys: HeldKeys, dev_way: Broadcaster | None
) -> Forwards:
    """`dev_way`: the dev chain's, which lives in this process. Raises `ConfigError`."""
    ways = [make_broadcaster(source, config) for source in config.sources]
    return Forwards(
        Broadcasters([way for way in (*ways, dev_way) if way is not None]),
        Signer(keys, in_thread),
        forward_policy(config),
    )


def in_thread(call: Callable[[], Signed]) -> Signed:
    """In a native thread, so that the hub goes on; raises what it raises."""

    def caught() -> Signed | Exception:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            return error

    answer: Signed | Exception = gevent.get_hub().threadpool.apply(caught)
    if isinstance(answer, Exception):
        raise answer
    return answer


@click.group()
def forwarding() -> None:
    """Stop sending money on, or go on with it."""


@forwarding.command()
@url_option
@api_key_option
def pause(url: str, api_key: str | None) -> None:
    """Send nothing new on, also after a restart of the node.

    What was signed before goes on its way. /health says "forwarding": "paused".
    Needs a key with the scope operator.
    """
    _put(url, api_key, paused=True)
    say("forwarding is paused")


@forwarding.command()
@url_option
@api_key_option
def resume(url: str, api_key: str | None) -> None:
    """Send money on again."""
    _put(url, api_key, paused=False)
    say("forwarding goes on")


@forwarding.command()
@click.argument("payment_id")
@url_option
@api_key_option
def retry(payment_id: str, url: str, api_key: str | None) -> None:
    """Try a forward again that has failed, also with coins that a source said were
    spent. Needs a key with the scope operator."""
    with plain_errors():
        NodeClient(url, api_key).post(f"/v1/payments/{payment_id}/forward")
    say(f"the money of {payment_id} is looked at anew")


@forwarding.command("list")
@click.option("--merchant", default="", help="Whose; absent: of the key, or default.")
@url_option
@api_key_option
def list_(merchant: str, url: str, api_key: str | None) -> None:
    """What tills have passed on of Lightning payments, the newest first."""
    params = {"merchant": merchant} if merchant else {}
    with plain_errors():
        path = "/v1/forwarding/lightning"
        found = NodeClient(url, api_key).get(path, **params)["data"]
        for one in found:
            line = (
                f"{one['id']} {one['state']} {one['payment_id']} {one['source']} →"
                f" {one['target']} net={one['net_sat']} sent={one['amount_sat']}"
                f" fee={one['fee_sat']} {one['reason'] or ''}"
            )
            say(printable(line.rstrip()))


@forwarding.command("go-on")
@click.argument("forward_id")
@url_option
@api_key_option
def go_on(forward_id: str, url: str, api_key: str | None) -> None:
    """Go on with a till's forward that is stuck, waits, was left or given up.

    Both nodes are asked again before anything is paid. Needs the scope operator.
    """
    with plain_errors():
        path = f"/v1/forwarding/lightning/{quote(forward_id, safe='')}/resume"
        NodeClient(url, api_key).post(path)
    say(printable(f"{forward_id} goes on"))


@forwarding.command("give-up")
@click.argument("forward_id")
@url_option
@api_key_option
def give_up(forward_id: str, url: str, api_key: str | None) -> None:
    """Leave the money of a till's forward where it is. Refused while it may be on its
    way. Needs the scope operator."""
    with plain_errors():
        path = f"/v1/forwarding/lightning/{quote(forward_id, safe='')}/give_up"
        NodeClient(url, api_key).post(path)
    say(printable(f"{forward_id} is given up: its money stays at the till"))


def _put(url: str, api_key: str | None, *, paused: bool) -> None:
    with plain_errors():
        NodeClient(url, api_key).put("/v1/forwarding", {"paused": paused})
