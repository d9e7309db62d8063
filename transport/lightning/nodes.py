"""A Lightning node from its configuration. Used by the node and by the doctor."""

from importlib import import_module
from typing import Any

from engine.lightning.account import Account
from engine.lightning.node import LightningNode

__all__ = ["make_node"]

_ADAPTERS = {"phoenixd": "Phoenixd", "blink": "Blink", "electrum": "Electrum"}


def make_node(account: Account, network: str) -> LightningNode:
    """It asks nobody yet. An adapter is loaded for an account of its kind only.

    Raises ValueError for a kind that has none.
    """
    name = _ADAPTERS.get(account.kind)
    if name is None:
        raise ValueError(f"no such kind of Lightning account: {account.kind}")
    adapter: Any = getattr(import_module(f"transport.lightning.{account.kind}"), name)
    node: LightningNode = adapter(account, network)
    return node
