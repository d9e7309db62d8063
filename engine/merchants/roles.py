"""Roles: rights in bundles, by the names that people use. Pure.

A role is a word for whoever makes a key or looks at one; what a key may do is always
the rights themselves (`scopes.py`), which alone are stored.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from engine.errors import InvalidInput
from engine.merchants.scopes import Scope

__all__ = ["Role", "role_of", "scopes_of_role"]


class Role(StrEnum):
    """What somebody is to a shop. The words are part of the API: they never change."""

    VIEWER = "viewer"  # looks at everything of a merchant, and changes nothing
    CASHIER = "cashier"  # … and creates payments; the key of a till
    OPERATOR = "operator"  # … and confirms, refunds, and keeps channels and settings
    ADMIN = "admin"  # the whole node, with all its merchants and keys


_RIGHTS: Final[dict[Role, frozenset[Scope]]] = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.CASHIER: frozenset({Scope.READ, Scope.CREATE}),
    Role.OPERATOR: frozenset(set(Scope) - {Scope.OPERATOR}),
    Role.ADMIN: frozenset(Scope),
}


def scopes_of_role(word: str, merchant: str | None) -> tuple[Scope, ...]:
    """The rights of a role, in the order of `Scope`. Raises `InvalidInput`; an admin's
    key is one of the whole node."""
    try:
        rights = _RIGHTS[Role(word)]
    except ValueError as error:
        allowed = ", ".join(Role)
        text = f"there is no role {word!r:.60}; roles: {allowed}"
        raise InvalidInput(text) from error
    if Scope.OPERATOR in rights and merchant is not None:
        raise InvalidInput("the role admin is only for a key of the whole node")
    return tuple(scope for scope in Scope if scope in rights)


def role_of(scopes: Collection[str]) -> Role | None:
    """The highest role of which these rights lack nothing but `refund`, which no key
    has that did not ask for it; None if they are not even a viewer's.

    For a page that says who is logged in; what is allowed, the rights themselves say.
    """
    for role in reversed(Role):
        if _RIGHTS[role] - {Scope.REFUND} <= set(scopes):
            return role
    return None
