"""What the doctor finds out about Lightning accounts: does each answer, may we."""

from collections.abc import Iterator

from engine.config import Config
from engine.errors import LightningError, NodeRefused
from engine.lightning.account import Account
from engine.lightning.node import Balance
from transport.cli.source_checks import Check
from transport.lightning.nodes import make_node

__all__ = ["check_lightning"]


def check_lightning(config: Config) -> Iterator[Check]:
    """Nothing without accounts. Each is asked for its balance; nothing is changed."""
    for account in config.lightning.values():
        yield _check(account, config.network)


def _check(account: Account, network: str) -> Check:
    place = f"lightning {account.name} ({account.kind})"
    try:
        balance = make_node(account, network).balance()
    except NodeRefused as error:
        hint = "; check its secret" if error.why == "key" else ""
        return False, f"{place}: {error}{hint}"
    except LightningError as error:
        hint = "check its url, whether it runs, and whether this machine can reach it"
        return False, f"{place}: {error}; {hint}"
    return True, f"{place}: it answers; {_shown(balance)}"


def _shown(balance: Balance) -> str:
    text = f"{balance.spendable_msat // 1000} sat can be spent"
    if balance.credit_msat:
        text += f", {balance.credit_msat // 1000} sat are fee credit"
    if balance.receivable_msat is not None:
        text += f", {balance.receivable_msat // 1000} sat can come in"
    return text
