"""Commands that talk to a running node: pay, watch, payments.

They need no key but `payments`. Colour only on a terminal (click sees to it).
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import click

from transport.cli.client import CallFailed, NodeClient

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

url_option = click.option(
    "--url",
    envvar="PAYBELL_URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Where the node listens.",
)


@click.command()
@click.argument("address")
@click.argument("sats", type=click.IntRange(1, 21_000_000 * 10**8))
@click.option("--mine", type=click.IntRange(0, 100), default=0, metavar="N",
              help="Then mine N blocks.")  # fmt: skip
@url_option
def pay(address: str, sats: int, mine: int, url: str) -> None:
    """Pay ADDRESS with SATS satoshi on the dev chain of a running node."""
    node = NodeClient(url)
    with _plain_errors():
        txid = node.post("/dev/pay", {"address": address, "amount_sat": sats})["txid"]
        click.echo(f"paid {sats} sat to {address}\ntxid {txid}")
        if mine:
            height = node.post("/dev/mine", {"blocks": mine})["height"]
            click.echo(f"mined {mine} block(s), height {height}")


@click.command()
@click.option("--status", help="Only those with this status.")
@click.option("--external-id", help="Only those with this order number.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON, one payment a line.")
@click.option("--api-key", envvar="PAYBELL_API_KEY", help="Key of the control API.")
@url_option
def payments(
    status: str | None,
    external_id: str | None,
    limit: int,
    as_json: bool,
    api_key: str | None,
    url: str,
) -> None:
    """List the newest payments of a running node."""
    if not api_key:
        raise click.UsageError("a key is needed: --api-key or PAYBELL_API_KEY")
    filters = {"limit": str(limit)}
    if status:
        filters["status"] = status
    if external_id:
        filters["external_id"] = external_id
    with _plain_errors():
        found = NodeClient(url, api_key).get("/v1/payments", **filters)["data"]
    for payment in found:
        click.echo(json.dumps(payment) if as_json else _line(payment))
    if not found and not as_json:
        click.echo("no payments")


@click.command()
@click.argument("address")
@click.option("--since", type=click.IntRange(min=0), help="Only events after this seq.")
@click.option("--once", is_flag=True, help="End as soon as it is confirmed.")
@url_option
def watch(address: str, since: int | None, once: bool, url: str) -> None:
    """Follow the payment at ADDRESS in the terminal; Ctrl-C ends it."""
    node = NodeClient(url)
    failures = 0
    while True:
        try:
            for kind, event in _messages(node, address, since):
                failures = 0
                since = event.get("seq", since)
                _show(kind, event)
                if once and event.get("status") == "confirmed":
                    return
        except CallFailed as error:
            failures += 1
            if failures > 5:
                raise click.ClickException(str(error)) from error
            click.secho(f"reconnecting: {error}", fg="yellow", err=True)
        time.sleep(min(2**failures, 30))


def _messages(
    node: NodeClient, address: str, since: int | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(event name, data) of the stream, until it ends."""
    kind, data = "message", ""
    try:
        for line in node.stream(address, since).iter_lines(decode_unicode=True):
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                data += line[5:].strip()
            elif not line and data:
                yield kind, json.loads(data)
                kind, data = "message", ""
    except OSError as error:  # requests' errors are OSErrors
        raise CallFailed(f"the stream broke off ({type(error).__name__})") from error


def _show(kind: str, event: dict[str, Any]) -> None:
    if kind != "state" and not kind.startswith("payment."):
        return
    status = str(event.get("status", ""))
    parts = [
        str(event.get("at", "")).ljust(24),
        click.style(f"{kind:<20}", fg=COLOURS.get(status)),
        f"{event.get('received_sat', 0)} of {event.get('amount_sat') or 'any'} sat",
        f"{event.get('confirmations', 0)}/{event.get('confirmations_required')}",
        " ".join(event.get("flags", ())),
    ]
    click.echo("  ".join(parts).rstrip())


def _line(payment: dict[str, Any]) -> str:
    status = click.style(f"{payment['status']:<10}", fg=COLOURS.get(payment["status"]))
    amount = payment["amount_sat"] if payment["amount_sat"] is not None else "any"
    sums = f"{payment['received_sat']:>12} of {amount!s:>12} sat"
    flags = " ".join(payment["flags"])
    return f"{payment['id']}  {status}  {sums}  {payment['address']}  {flags}".rstrip()


class _plain_errors:  # noqa: N801 - reads as a statement
    """A failed call is one line and exit code 1, not a traceback."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: object, error: BaseException | None, _trace: object
    ) -> None:
        if isinstance(error, CallFailed):
            raise click.ClickException(str(error)) from error
