"""Roles: which rights each has, and which role a key's rights come to."""

import pytest

from engine.errors import InvalidInput
from engine.merchants.roles import Role, role_of, scopes_of_role
from engine.merchants.scopes import Scope, default_scopes


def test_each_role_has_the_rights_of_the_one_before_and_some_more() -> None:
    assert scopes_of_role("viewer", "ann") == ("read",)
    assert scopes_of_role("cashier", "ann") == ("read", "create")
    rights = ("read", "create", "confirm", "refund", "settings")
    assert scopes_of_role("operator", "ann") == rights
    assert scopes_of_role("admin", None) == tuple(Scope)
    for lower, higher in zip(Role, [*Role][1:], strict=False):
        assert set(scopes_of_role(lower, None)) < set(scopes_of_role(higher, None))


def test_an_admin_is_one_of_the_whole_node() -> None:
    with pytest.raises(InvalidInput, match="only for a key of the whole node"):
        scopes_of_role("admin", "ann")
    with pytest.raises(InvalidInput, match="there is no role 'boss'; roles: viewer"):
        scopes_of_role("boss", None)


def test_a_role_is_told_again_from_its_rights() -> None:
    for role in Role:
        assert role_of(scopes_of_role(role, None)) is role


def test_keys_that_never_asked_for_refunds_are_told_by_the_rest() -> None:
    assert role_of(default_scopes(None)) is Role.ADMIN
    assert role_of(default_scopes("ann")) is Role.OPERATOR
    assert role_of(["read", "refund"]) is Role.VIEWER
    assert role_of(["read", "create", "settings"]) is Role.CASHIER
    assert role_of(["create"]) is None
    assert role_of([]) is None
