"""A node with Socket.IO on it, for the tests of rows S4.1, S4.3 and S4.5."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.merchants.record import Limits, MerchantSettings
from engine.merchants.rules import replaced
from engine.merchants.token_rules import TokenRules
from engine.payment.model import Terms
from tests.tools.livenode import LiveNode, live_node
from tests.tools.site_token import SECRET, claims, token

__all__ = ["good_token", "let_in", "pay", "salon_node", "take_tokens", "url_of"]


@contextmanager
def salon_node(folder: Path, **options: Any) -> Iterator[LiveNode]:
    """The merchant "default" is the one that seeds.salon names, and takes tokens.
    `options`: of `SocketioLimits`, and `node` for those of `live_node`."""
    more = options.pop("node", {})
    socketio = {"salon": "default"} | options
    with live_node(folder, socketio=socketio, **more) as node:
        take_tokens(node, "default")
        yield node


def take_tokens(
    node: LiveNode, merchant: str, secret: str = SECRET, **more: Any
) -> None:
    rules = TokenRules(algorithm="HS256", secret=secret, **more)
    before = node.gateway.merchant(merchant)
    said = MerchantSettings(jwt=rules)
    after = replaced(before, said, node.vault.seal, Limits(), node.gateway.now())
    node.gateway.save_merchant(after)


def good_token(**more: object) -> str:
    return token(claims(**more))


def let_in(**more: object) -> dict[str, str]:
    """`auth` of a visitor of salon s1."""
    return {"token": good_token(**more)}


def url_of(node: LiveNode, path: str = "/payments/salon/s1") -> str:
    return f"http://127.0.0.1:{node.server.port}{path}"


def pay(node: LiveNode, payment: Terms) -> None:
    """Until it is confirmed."""
    node.chain.pay(payment.address, payment.amount_sat or 1_000)
    node.chain.mine(payment.confirmations_required)
    node.wait_for(payment.id, "confirmed")
