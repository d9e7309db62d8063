"""A till, as its page (`/pos`) shows it: whose it is, and its Lightning accounts.

Whoever stands at a till may do what its session, or its key, can do. So only a key is
taken that can do what a till does and no more: of one merchant, with the scopes `read`
and `create`. It creates payments and cancels unpaid ones; it confirms nothing, moves no
money and changes no setting. Keys of Lightning nodes never leave the server. No I/O:
all of it is in memory.
"""

from typing import Final, Literal

import msgspec

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.lightning.upstream import (
    UpstreamReport,
    UpstreamState,
    is_of_one_alone,
)
from engine.merchants.name import DEFAULT
from engine.merchants.scopes import Scope
from transport.http.auth import Principal
from transport.http.problems import Problem
from transport.http.views import iso_or_none

__all__ = ["TillAccountView", "accounts_of", "cashier", "is_only_one"]

_ENOUGH: Final = frozenset((Scope.READ, Scope.CREATE))


class TillAccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account of the till: where invoices are made ("till"), or where its money goes
    on to ("user"). `balance_sat`: null if it is not known, or not this merchant's alone
    to know."""

    role: Literal["till", "user"]
    label: str
    name: str
    state: UpstreamState
    since: str | None
    balance_sat: int | None


def cashier(principal: Principal) -> str:
    """Whose till it is. Raises `Problem` 403 for a key that can do too much."""
    if principal.merchant is not None and {*principal.scopes} == _ENOUGH:
        return principal.merchant
    raise Problem(
        Code.FORBIDDEN,
        "A till takes a key of one merchant with the role cashier (the scopes read and"
        " create), and no other: whoever stands at it may use it. `paybell keys create"
        " till --merchant NAME --role cashier` makes one.",
    )


def accounts_of(merchant: str, gateway: Gateway) -> list[TillAccountView]:
    """The till's account, and the one that its money goes on to. From memory.

    A balance is told only of what is this merchant's alone: on an account that others
    use, too, it would tell what they take.
    """
    account = gateway.lightning_account(merchant)
    if account is None:
        return []
    reports = {report.name: report for report in gateway.upstreams()}
    label = "BlinkPOS" if account.kind == "blink" else "Till"
    found = [_view("till", label, account.name, reports, gateway, merchant)]
    if account.forward_to:
        user = account.forward_to
        found.append(_view("user", "User", user, reports, gateway, merchant))
    return found


def is_only_one(merchant: str, gateway: Gateway) -> bool:
    """Whether there is no other merchant, as far as records say. One without a record
    may not be the only such one, unless it is the one that everybody begins with."""
    known = gateway.merchants()
    if known == 0:
        return merchant == DEFAULT
    return known == 1 and gateway.merchant(merchant).version > 0


def _view(
    role: Literal["till", "user"],
    label: str,
    name: str,
    reports: dict[str, UpstreamReport],
    gateway: Gateway,
    merchant: str,
) -> TillAccountView:
    report = reports.get(name)
    only = is_only_one(merchant, gateway)
    is_own = is_of_one_alone(name, reports, merchant, is_only_one=only)
    balance = gateway.lightning_balance(name) if is_own else None
    return TillAccountView(
        role=role,
        label=label,
        name=name,
        state=UpstreamState.FAILING if report is None else report.state,
        since=None if report is None else iso_or_none(report.since),
        balance_sat=None if balance is None else balance.spendable_msat // 1_000,
    )
