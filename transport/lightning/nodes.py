"""A Lightning node from its configuration. Used by the node and by the doctor."""

from engine.lightning.account import Account
from engine.lightning.node import LightningNode

__all__ = ["make_node"]


def make_node(account: Account, network: str) -> LightningNode:
    """It asks nobody yet. An adapter is loaded for an account of its kind only.

    Raises ValueError for a kind that has none.
    """
    match account.kind:
        case "phoenixd":
            from transport.lightning.phoenixd import Phoenixd

            return Phoenixd(account, network)
        case "blink":
            from transport.lightning.blink import Blink

            return Blink(account, network)
        case "electrum":
            from transport.lightning.electrum import Electrum

            return Electrum(account, network)
    raise ValueError(f"no such kind of Lightning account: {account.kind}")
