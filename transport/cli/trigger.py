"""`paybell trigger`: an event of a kind, made on a running node's dev chain.

It creates a payment as a shop does and then drives the chain: the node decides by its
own rules, and whoever listens is told as of a real one. On no other node: where coins
are real nobody can trigger anything.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import click

from transport.cli.client import CallFailed, NodeClient
from transport.cli.failures import plain_errors
from transport.cli.options import api_key_option, url_option
from transport.cli.words import say, style

__all__ = ["KINDS", "trigger"]

PATIENCE_S: Final = 120.0
LOOK_S: Final = 0.2


class _Play:
    """One payment, and what is done to it."""

    def __init__(
        self, node: NodeClient, amount_sat: int, terms: dict[str, str]
    ) -> None:
        """`terms`: what else is asked of the payment."""
        self._node = node
        self._amount_sat = amount_sat
        self._terms = terms
        self._told = 0  # the seq that was shown last
        self.payment: dict[str, Any] = {}

    def create(self, **fields: Any) -> None:
        body = {
            "method": "onchain",
            "address": self.dev("address")["address"],
            "amount_sat": self._amount_sat,
            "confirmations": 1,
            **self._terms,
            **fields,
        }
        self.payment = self._node.post("/v1/payments", body)
        say(f"payment {self.payment['id']} of {self._amount_sat} sat")

    def pay(self, share: float = 1.0) -> str:
        amount = max(int(self._amount_sat * share), 1_000)
        paid = {"address": self.payment["address"], "amount_sat": amount}
        return str(self.dev("pay", paid)["txid"])

    def mine(self) -> None:
        self.dev("mine", {"blocks": 1})

    def dev(self, name: str, body: dict[str, Any] | None = None) -> Any:
        return self._node.post(f"/dev/{name}", body)

    def by_hand(self, act: str) -> None:
        self._node.post(f"/v1/payments/{self.payment['id']}/{act}")

    def patch(self, body: dict[str, Any]) -> None:
        self._node.patch(f"/v1/payments/{self.payment['id']}", body)

    def wait_for(self, kind: str) -> None:
        """Show each event as it comes, until one of this kind is there."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            for event in self._news():
                name = str(event["type"]).removeprefix("payment.")
                colour = "green" if name == kind else None
                words = f"{event['received_sat']} sat  {event['status']}"
                say(style(f"  payment.{name:<12}", colour), f"  {words}")
                self._told = int(event["seq"])
                if name == kind:
                    return
            time.sleep(LOOK_S)
        raise CallFailed(f"payment.{kind} was not told within {PATIENCE_S:.0f} s")

    def _news(self) -> Iterator[dict[str, Any]]:
        path = f"/v1/payments/{self.payment['id']}/events"
        yield from self._node.get(path, cursor=str(self._told))["data"]


def _created(play: _Play) -> None:
    play.create()


def _detected(play: _Play) -> None:
    play.create()
    play.pay()


def _confirming(play: _Play) -> None:
    play.create(confirmations=2)
    play.pay()
    play.wait_for("detected")
    play.mine()


def _confirmed(play: _Play) -> None:
    _detected(play)
    play.wait_for("detected")
    play.mine()


def _underpaid(play: _Play) -> None:
    play.create()
    play.pay(0.5)


def _overpaid(play: _Play) -> None:
    play.create()
    play.pay(2)


def _expired(play: _Play) -> None:
    play.create(expires_in_s=1)


def _late(play: _Play) -> None:
    _expired(play)
    play.wait_for("expired")
    play.pay()


def _cancelled(play: _Play) -> None:
    play.create()
    play.by_hand("cancel")


def _updated(play: _Play) -> None:
    play.create()
    play.patch({"metadata": {"triggered": True}})


def _replaced(play: _Play) -> None:
    play.create()
    txid = play.pay()
    play.wait_for("detected")
    play.dev("replace", {"txid": txid})


def _reorged(play: _Play) -> None:
    play.create(confirmations=3)
    play.pay()
    play.wait_for("detected")
    play.mine()
    play.wait_for("confirming")
    play.dev("reorg", {"depth": 1, "remine": False})


def _reversed(play: _Play) -> None:
    play.create()
    txid = play.pay()
    play.wait_for("detected")
    play.mine()
    play.wait_for("confirmed")
    play.dev("reorg", {"depth": 1, "drop": [txid]})


KINDS: Final[dict[str, Callable[[_Play], None]]] = {
    "created": _created,
    "detected": _detected,
    "confirming": _confirming,
    "confirmed": _confirmed,
    "underpaid": _underpaid,
    "overpaid": _overpaid,
    "expired": _expired,
    "late": _late,
    "cancelled": _cancelled,
    "updated": _updated,
    "replaced": _replaced,
    "reorged": _reorged,
    "reversed": _reversed,
}
"""By the event that comes of it, after `payment.`."""


def _kind(_context: click.Context, _option: click.Parameter, text: str) -> str:
    name = text.removeprefix("payment.")
    if name not in KINDS:
        raise click.BadParameter(f"{text!r} is none of {', '.join(KINDS)}")
    return name


@click.command()
@click.argument("event", callback=_kind)
@click.option(
    "--amount",
    type=click.IntRange(10_000, 10**9),
    default=50_000,
    show_default=True,
    metavar="SATS",
    help="Of how many satoshi the payment is.",
)
@click.option("--external-id", metavar="ID", help="Its order number.")
@click.option("--merchant", metavar="NAME", help="Whose it is.")
@api_key_option
@url_option
def trigger(
    event: str,
    amount: int,
    external_id: str | None,
    merchant: str | None,
    api_key: str | None,
    url: str,
) -> None:
    """Make EVENT happen on a running node's dev chain: payment.confirmed, say.

    A payment is created and the chain is driven until the node tells the event, by its
    own rules. EVENT is created, detected, confirming, confirmed, underpaid, overpaid,
    expired, late, cancelled, updated, replaced, reorged or reversed.

    \b
    Examples:
      paybell trigger payment.confirmed
      paybell trigger reversed --external-id order-1
    """
    if not api_key:
        raise click.UsageError(
            "a key is needed: PAYBELL_KEY or --api-key; make one with `keys create`"
        )
    with plain_errors():
        node = NodeClient(url, api_key)
        _must_have_dev_chain(node)
        more = {"external_id": external_id, "merchant": merchant}
        play = _Play(node, amount, {k: v for k, v in more.items() if v is not None})
        try:
            KINDS[event](play)
            play.wait_for(event)
        except (KeyError, TypeError, ValueError) as error:
            raise CallFailed("what answers is not Paybell, or another one") from error


def _must_have_dev_chain(node: NodeClient) -> None:
    try:
        node.get("/dev")
    except CallFailed as error:
        if error.status not in {401, 403, 404}:
            raise
        raise CallFailed(
            f"the node at {node.base_url} has no dev chain: `trigger` works with a node"
            " on regtest whose source is devchain; where coins are real, pay",
            404,
        ) from error
