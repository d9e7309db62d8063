"""What an API key may do: six rights, each by itself. Pure.

Whose things a key sees is another question (`Principal.may_see`). A right that moves
money is in no key that did not ask for it: not in one that is older than rights are,
nor in one that is made without naming any.
"""

from collections.abc import Iterable
from enum import StrEnum

from engine.errors import InvalidInput

__all__ = ["Scope", "default_scopes", "scopes_of"]


class Scope(StrEnum):
    """A right. The words are stored and part of the API: they never change."""

    READ = "read"  # look at payments, events, channels, one's own merchant
    CREATE = "create"  # payments; cancel unpaid ones; look at the chain now
    CONFIRM = "confirm"  # say that a payment is paid, whatever the chain shows
    REFUND = "refund"  # move money
    SETTINGS = "settings"  # channels, deliveries, secrets of one's own merchant
    OPERATOR = "operator"  # keys, limits, alerts, the tree: of a key of the whole node


def default_scopes(merchant: str | None) -> tuple[Scope, ...]:
    """Of a key that names none: what each key could do before there were rights."""
    common = Scope.READ, Scope.CREATE, Scope.CONFIRM, Scope.SETTINGS
    return (*common, Scope.OPERATOR) if merchant is None else common


def scopes_of(words: Iterable[str], merchant: str | None) -> tuple[Scope, ...]:
    """The rights of these names, each once, in the order above.

    Raises `InvalidInput`; an operator's key is one of the whole node.
    """
    wanted = set(words)
    unknown = sorted(wanted - set(Scope))
    if unknown:
        allowed = ", ".join(Scope)
        raise InvalidInput(f"there is no scope {unknown[0]!r:.60}; scopes: {allowed}")
    if not wanted:
        raise InvalidInput("a key needs at least one scope")
    if Scope.OPERATOR in wanted and merchant is not None:
        raise InvalidInput("the scope operator is only for a key of the whole node")
    return tuple(scope for scope in Scope if scope in wanted)
