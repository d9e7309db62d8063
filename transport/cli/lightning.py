"""The Lightning accounts of the configuration, put together. Called by run.py."""

from collections.abc import Container

from engine.config import Config
from engine.lightning.account import Account
from engine.lightning.account_tables import LIGHTNING
from engine.lightning.node import LightningNode
from engine.merchants.name import DEFAULT
from transport.cli.starting import CannotStart
from transport.lightning.nodes import make_node

__all__ = ["make_nodes", "refuse_unknown_owners"]


def make_nodes(config: Config) -> list[tuple[Account, LightningNode]]:
    """Each account with what speaks to it, in the file's order. Nobody is asked yet."""
    return [
        (account, make_node(account, config.network))
        for account in config.lightning.values()
    ]


def refuse_unknown_owners(config: Config, merchants: Container[str]) -> None:
    """The account of a merchant whose name is a typing error takes nobody's money.

    `merchants`: those that have a record. Raises `CannotStart`.
    """
    for account in config.lightning.values():
        for name in account.merchants:
            if name != DEFAULT and name not in merchants:
                raise CannotStart(
                    f"{LIGHTNING}.{account.name}.merchants: {name} has no record;"
                    f" allowed: {DEFAULT}, or one with a table [merchants.{name}] in"
                    f" the --config file or made with PUT /v1/merchants/{name}",
                    2,
                )
