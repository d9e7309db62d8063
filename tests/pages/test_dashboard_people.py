"""Who may come to the dashboard, what each role finds there, and how one leaves."""

from collections.abc import Iterator

import pytest

from engine.payment.model import Status
from engine.store.records import KeyRecord
from tests.pages.conftest import Visited
from tests.pages.desk import DESKTOP, Desk, desk, toasted
from tests.tools.wait import wait_until

UNAUTHORIZED = "401 (Unauthorized)"
SUBMIT = "document.querySelector('#outlet form').requestSubmit()"
"""By whoever hears first that the session has ended: the form, or the page by itself,
whose question is above the form then."""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def menu(visited: Visited) -> list[str]:
    return str(visited.do("text", "#menu")).split("\n")


def named(at: Desk, name: str) -> KeyRecord:
    kept = at.node.gateway.keys()
    return next(key for key in kept if key.name == name)


def test_a_wrong_key_is_told_so_and_a_right_one_opens_the_dashboard(
    at: Desk, visited: Visited
) -> None:
    visited.expected = (UNAUTHORIZED,)
    visited.begin(viewport=DESKTOP)
    visited.do("goto", at.base)
    visited.do("fill", "#key", "pbk_of-nobody")
    visited.do("press", "Enter")
    visited.do("wait_for_text", "#wrong", "unknown or revoked")
    assert visited.do("axe") == []
    visited.do("fill", "#key", at.key("operator", "ann")[0])
    visited.do("press", "Enter")
    visited.do("wait_for_text", "#who", "the operator")
    assert visited.do("evaluate", "document.cookie") == ""
    visited.do("reload")
    visited.do("wait_for_text", "#who", "the operator")
    visited.do("click", "#logout")
    visited.do("wait_for", "#login")
    visited.do("goto", at.base)
    visited.do("wait_for", "#login")


def test_each_role_sees_what_it_may_and_a_merchants_key_its_merchant(
    at: Desk, visited: Visited
) -> None:
    mine = at.node.create(1_000, merchant="ann", external_id="of-ann")
    at.node.create(2_000, merchant="bob", external_id="of-bob")
    at.enter(visited, "viewer", "ann")
    visited.do("wait_for_text", ".vrow", "of-ann")
    assert "of-bob" not in visited.do("text", ".vlist")
    assert menu(visited)[0] == "Payments"
    assert not {"Keys", "Alerts"} & set(menu(visited))
    assert visited.do("evaluate", "!document.querySelector('a[href=\"#/new\"]')")
    at.go(visited, f"payments/{mine.id}")
    visited.do("wait_for_text", ".story", "Created")
    assert (
        visited.do("evaluate", "document.querySelectorAll('.actions > *').length") == 0
    )
    at.go(visited, "keys")
    visited.do("wait_for_text", "#outlet", "needs the right")

    at.enter(visited, "cashier", "ann", f"payments/{mine.id}")
    visited.do("wait_for_text", ".story", "Created")
    offered = visited.do("text", ".actions")
    assert "Cancel" in offered
    assert "Confirm" not in offered

    at.enter(visited, "admin", None, f"payments/{mine.id}")
    visited.do("wait_for_text", ".story", "Created")
    assert "Confirm by hand" in visited.do("text", ".actions")
    assert {"Keys", "Alerts"} <= set(menu(visited))


def test_another_merchants_payment_is_not_there(at: Desk, visited: Visited) -> None:
    visited.expected = ("404 (Not Found)",)
    theirs = at.node.create(2_000, merchant="bob")
    at.enter(visited, "operator", "ann", f"payments/{theirs.id}")
    visited.do("wait_for_text", "#outlet", "no such payment")
    assert visited.do("axe") == []


def test_a_session_that_ends_while_somebody_types_loses_nothing(
    at: Desk, visited: Visited
) -> None:
    visited.expected = (UNAUTHORIZED,)
    key_id = at.enter(visited, "operator", "ann", "new")
    visited.do("fill", "[name=amount]", "12345")
    visited.do("fill", "[name=external_id]", "typed-before")
    at.revoke(key_id)
    visited.do("evaluate", SUBMIT)
    visited.do("wait_for_text", "dialog", "Your session has ended")
    assert visited.do("axe") == []
    visited.do("fill", "#again-key", at.key("operator", "ann")[0])
    visited.do("press", "Enter")
    visited.do("wait_for_text", "h1", "typed-before")  # it was sent again
    made = at.node.gateway.payments_of("typed-before", "ann")
    assert [one.terms.amount_sat for one in made] == [12_345]


def test_another_key_than_before_begins_the_page_anew(
    at: Desk, visited: Visited
) -> None:
    visited.expected = (UNAUTHORIZED,)
    key_id = at.enter(visited, "operator", "ann", "new")
    visited.do("fill", "[name=amount]", "1")
    at.revoke(key_id)
    visited.do("evaluate", SUBMIT)
    visited.do("wait_for", "#again-key")
    visited.do("fill", "#again-key", at.key("viewer", "bob")[0])
    visited.do("press", "Enter")
    visited.do("wait_for_text", "#who", "the viewer")
    visited.do("wait_for_text", "#merchant", "bob")


def test_keys_are_made_shown_once_and_revoked(at: Desk, visited: Visited) -> None:
    at.enter(visited, page="keys")
    visited.do("click", ".actions button")
    visited.do("fill", "dialog [name=name]", "till 9")
    visited.do("fill", "dialog [name=merchant]", "ann")
    visited.do("select", "dialog [name=role]", "cashier")
    visited.do("press", "Enter")
    visited.do("wait_for_text", "dialog code", "pbk_")
    assert visited.do("axe") == []
    visited.do("press", "Escape")
    visited.do("wait_for_text", "tr", "till 9")
    row = named(at, "till 9")
    assert [*row.scopes] == ["read", "create"]
    assert "pbk_" not in visited.do("text", "#outlet")
    visited.do("click", "tr:has-text('till 9') button")
    visited.do("click", "dialog button.danger")
    toasted(visited, "Revoked")
    assert named(at, "till 9").revoked_at is not None


def test_by_hand_each_act_asks_once_more_and_says_what_the_node_says(
    at: Desk, visited: Visited
) -> None:
    visited.expected = ("409 (Conflict)",)
    mine = at.node.create(3_000)
    at.enter(visited, page=f"payments/{mine.id}")
    visited.do("wait_for_text", ".actions", "Cancel")
    visited.do("click", ".actions >> text=Cancel")
    visited.do("wait_for_text", "dialog", "shop is told")
    visited.do("click", "dialog >> text=Not now")
    visited.do("wait_for", "dialog", "detached")
    assert at.node.payment(mine).status is Status.PENDING
    visited.do("click", ".actions >> text=Cancel")
    visited.do("click", "dialog button.danger")
    visited.do("wait_for_text", ".status-line", "Cancelled")
    visited.do("wait_for_text", ".story", "Cancelled")

    other = at.node.create(4_000)
    at.go(visited, f"payments/{other.id}")
    visited.do("wait_for_text", ".actions", "Cancel")
    visited.do("click", ".actions >> text=Cancel")
    at.node.chain.pay(other.terms.address, 4_000)
    wait_until(lambda: at.node.payment(other).receipts, 10, "the money to be seen")
    visited.do("click", "dialog button.danger")
    visited.do("wait_for_text", "dialog .wrong", "paid")  # the node's own words
    visited.do("press", "Escape")
    visited.do("wait_for_text", ".part-receipts", "mempool")  # its buttons are new then
    visited.do("wait_for_text", ".actions", "Confirm by hand")
    visited.do("click", ".actions >> text=Confirm by hand")
    visited.do("click", "dialog button.danger")
    visited.do("wait_for_text", ".story", "Confirmed by hand")
    assert at.node.payment(other).status is Status.CONFIRMED
