"""Commands that talk to a running node: pay, watch, payments.

They need no key but `payments`. Colour only on a terminal (click sees to it, and
`NO_COLOR` is respected).
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import click
import requests

from engine.money.amount import MAX_SAT
from engine.payment.model import OVER, PAID, Status
from engine.store.epochs import Position
from transport.cli.client import CallFailed, NodeClient
from transport.cli.failures import plain_errors
from transport.cli.options import api_key_option, url_option
from transport.cli.words import Styled, say, style

__all__ = ["pay", "payments", "watch"]

COLOURS = {
    "pending": "yellow",
    "confirming": "cyan",
    "confirmed": "green",
    "forwarded": "green",
    "expired": "red",
    "failed": "red",
    "cancelled": "red",
}

MAX_LINE = 1_000_000
LONGEST_PAUSE_S = 30.0
GIVE_UP_AFTER = 6
"""Failed attempts in a row: about a minute. A node that is started again is back."""


def _position(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> str | None:
    """What a client may come back with. Raises `BadParameter`."""
    if text is not None and Position.parse(text) is None:
        raise click.BadParameter(f"{text!r} is not a whole number or <epoch>-<seq>")
    return text


@click.command()
@click.argument("address")
@click.argument("sats", type=click.IntRange(1, MAX_SAT))
@click.option(
    "--mine",
    type=click.IntRange(0, 100),
    default=0,
    metavar="N",
    help="Mine N blocks afterwards: the payment then has N confirmations.",
)
@url_option
def pay(address: str, sats: int, mine: int, url: str) -> None:
    """Pay ADDRESS with SATS satoshi, on a running node's dev chain.

    The money is not real: a node has a dev chain when it runs on regtest without
    other sources.

    \b
    Examples:
      paybell pay bcrt1q… 50000
      paybell pay bcrt1q… 50000 --mine 3
    """
    node = NodeClient(url)
    with plain_errors():
        body = {"address": address, "amount_sat": sats}
        txid = _dev(node, "/dev/pay", body)["txid"]
        say(f"paid {sats} sat to {address}")
        say(f"txid {txid}")
        if mine:
            height = _dev(node, "/dev/mine", {"blocks": mine})["height"]
            say(f"mined {mine} block{'s' * (mine > 1)}, height {height}")


def _dev(node: NodeClient, path: str, body: dict[str, Any]) -> Any:
    try:
        return node.post(path, body)
    except CallFailed as error:
        if error.status != 404:
            raise
        raise CallFailed(
            f"the node at {node.base_url} has no dev chain: `pay` works with a node on"
            " regtest whose source is devchain",
            404,
        ) from error


@click.command()
@click.option(
    "--status",
    type=click.Choice([status.value for status in Status]),
    help="List only payments with this status.",
)
@click.option("--external-id", metavar="ID", help="List only this order.")
@click.option(
    "--limit",
    type=click.IntRange(1, 200),
    default=20,
    show_default=True,
    metavar="N",
    help="List at most N payments.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per payment.")
@api_key_option
@url_option
def payments(
    status: str | None,
    external_id: str | None,
    limit: int,
    as_json: bool,
    api_key: str | None,
    url: str,
) -> None:
    """List the newest payments of a running node.

    \b
    Examples:
      paybell payments
      paybell payments --status pending --limit 5
      paybell payments --external-id order-1 --json
    """
    if not api_key:
        raise click.UsageError(
            "a key is needed: PAYBELL_KEY or --api-key; make one with `keys create`"
        )
    filters = {"limit": str(limit)}
    if status:
        filters["status"] = status
    if external_id:
        filters["external_id"] = external_id
    with plain_errors():
        found = NodeClient(url, api_key).get("/v1/payments", **filters)["data"]
        for payment in found:
            say(*([_json(payment)] if as_json else _line(payment)))
    if not found and not as_json:
        say("no payments")


@click.command()
@click.argument("address")
@click.option(
    "--since",
    callback=_position,
    metavar="SEQ",
    help="Show only events after this seq, or <epoch>-<seq>; 0 shows all of them.",
)
@click.option(
    "--once",
    is_flag=True,
    help="Exit when the payment is confirmed (exit code 0), or has ended otherwise"
    " (exit code 1).",
)
@url_option
def watch(address: str, since: str | None, once: bool, url: str) -> None:
    """Follow the payment at ADDRESS in the terminal; Ctrl-C ends it.

    It shows the present state first, then each event as it happens. When the
    connection breaks, it reconnects and continues after the last event shown.

    \b
    Examples:
      paybell watch bcrt1q…
      paybell watch bcrt1q… --once && echo paid
    """
    node = NodeClient(url)
    failures = 0
    while True:
        try:
            for kind, event, event_id in _messages(node, address, since):
                failures = 0
                since = event_id or since
                with plain_errors():
                    _show(kind, event)
                status = event.get("status")
                if once and status in OVER:
                    raise SystemExit(0 if status in PAID else 1)
            reason = "the node ended the stream"
        except CallFailed as error:
            failures += 1
            if failures >= GIVE_UP_AFTER or not error.may_pass:
                raise click.ClickException(str(error)) from error
            reason = str(error)
        say(style(f"reconnecting: {reason}", "yellow"), err=True)
        time.sleep(min(0.5 * 2**failures, LONGEST_PAUSE_S))


def _messages(
    node: NodeClient, address: str, since: str | None
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(event name, data, id) of the stream, until it ends. Raises `CallFailed`."""
    kind, data, event_id = "message", "", ""
    try:
        for line in node.stream(address, since).iter_lines(decode_unicode=True):
            if len(data) + len(line) > MAX_LINE:
                raise CallFailed("the stream holds a message over 1 MB")
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                data += line[5:].strip()
            elif line.startswith("id:"):
                event_id = line[3:].strip()
            elif not line and data:
                event = json.loads(data)
                if not isinstance(event, dict):
                    raise CallFailed("the stream is none of Paybell", 200)
                yield kind, event, event_id
                kind, data, event_id = "message", "", ""
    except (requests.RequestException, json.JSONDecodeError) as error:
        raise CallFailed("the stream broke off") from error


def _show(kind: str, event: dict[str, Any]) -> None:
    if kind != "state" and not kind.startswith("payment."):
        return
    status = str(event.get("status", ""))
    amount = event.get("amount_sat")
    before = f"{event.get('at', '')!s:<24}  "
    parts = [
        "",
        f"{status:<10}",
        f"{event.get('received_sat', 0)} of {amount or 'any'} sat",
        f"{event.get('confirmations', 0)}/{event.get('confirmations_required')}"
        " confirmations",
        " ".join(map(str, event.get("flags", ()))),
    ]
    say(before, style(f"{kind:<20}", COLOURS.get(status)), "  ".join(parts).rstrip())


def _json(payment: dict[str, Any]) -> str:
    """In ASCII; the one control character that JSON leaves as it is, spelled out."""
    return json.dumps(payment).replace("\x7f", "\\u007f")


def _line(payment: dict[str, Any]) -> tuple[str | Styled, ...]:
    status = style(f"{payment['status']:<10}", COLOURS.get(payment["status"]))
    kind, unit = "sat", "sat"
    if payment.get("currency") is not None:  # without a chain
        kind, unit = "minor", f"{payment['currency']} (in 10^-{payment['decimals']})"
    asked = payment[f"amount_{kind}"]
    amount = asked if asked is not None else "any"
    sums = f"{payment[f'received_{kind}']:>12} of {amount!s:>12} {unit}"
    order = payment["external_id"] or "-"
    flags = " ".join(payment["flags"])
    where = payment["address"] or payment.get("gateway", "-")
    rest = f"  {sums}  {where}  {order}  {flags}".rstrip()
    return f"{payment['id']}  ", status, rest
