"""What a shop should know before an invoice is made: what may go wrong with its money.

An account that does not answer, or tells late what was paid; a target of forwards that
is down; a sum that the channels cannot take; what would be received and not spendable.
Values; pure. Which of them there are is asked of memory alone.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from engine.lightning.account import Account
from engine.lightning.node import Balance
from engine.lightning.upstream import UpstreamReport, UpstreamState

__all__ = ["Warned", "WarningCode", "warnings_of"]


class WarningCode(StrEnum):
    """For programs: a code never changes its meaning; new ones may come."""

    ACCOUNT_NOT_LIVE = "account_not_live"
    FORWARD_TARGET_NOT_LIVE = "forward_target_not_live"
    INBOUND_CAPACITY = "inbound_capacity"
    FEE_CREDIT = "fee_credit"
    LIGHTNING_UNAVAILABLE = "lightning_unavailable"  # so the chain alone is offered


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """One of them; `message` is a sentence for people."""

    code: WarningCode
    message: str


def warnings_of(
    account: Account,
    upstreams: Mapping[str, UpstreamReport],
    balance: Balance | None,
    amount_msat: int | None,
    *,
    is_shared: bool = False,
) -> tuple[Warned, ...]:
    """Those of an invoice of this amount (None: any). `balance`: the account's, if it
    is known; `upstreams`: by account; `is_shared`: others' money comes there, too, so
    that no sum is told, which would tell what they take."""
    found = []
    if text := _not_live(account.name, upstreams):
        message = f"{text}: an invoice may not be made, or be seen paid late"
        found.append(Warned(code=WarningCode.ACCOUNT_NOT_LIVE, message=message))
    if account.forward_to and (text := _not_live(account.forward_to, upstreams)):
        message = f"{text}: the money stays on {account.name} until it is back"
        found.append(Warned(code=WarningCode.FORWARD_TARGET_NOT_LIVE, message=message))
    return (*found, *_of_balance(account.name, balance, amount_msat, is_shared))


def _not_live(name: str, upstreams: Mapping[str, UpstreamReport]) -> str | None:
    report = upstreams.get(name)
    if report is None:
        return f"The Lightning account {name} is not connected"
    if report.state is UpstreamState.LIVE:
        return None
    return f"The Lightning account {name} is {report.state}"


def _of_balance(
    name: str, balance: Balance | None, amount_msat: int | None, is_shared: bool
) -> list[Warned]:
    if balance is None:
        return []
    found = []
    takes = balance.receivable_msat
    is_short = takes is not None and takes < (amount_msat or 1)
    if is_short:
        sums = "" if is_shared else f" {(takes or 0) // 1000} sat at the moment,"
        message = (
            f"The channels of {name} can take{sums} less than this invoice: it may not"
            " be payable, or the cost of a channel is taken from it"
        )
        found.append(Warned(code=WarningCode.INBOUND_CAPACITY, message=message))
    if balance.credit_msat > 0:
        sums = "" if is_shared else f"{balance.credit_msat // 1000} sat of "
        message = (
            f"{name} holds {sums}fee credit: what is added to that cannot be spent or"
            " forwarded"
        )
        found.append(Warned(code=WarningCode.FEE_CREDIT, message=message))
    return found
