"""The dashboard's list of payments: what is heard while a page of it is on its way is
newer than the page. Its module in Node, without a browser."""

import json
from pathlib import Path
from typing import Any

from tests.tools import children

PROGRAM = Path(__file__).with_name("payment_rows.mjs")


def listed(wanted: dict[str, str], *told: list[Any]) -> dict[str, Any]:
    (shown,) = answers((wanted, told))
    return dict(shown)


def answers(*asked: tuple[dict[str, str], tuple[list[Any], ...]]) -> list[Any]:
    """Of one program: a filter, and what is told, for each list."""
    found = children.run(
        ["node", PROGRAM],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    shown: list[Any] = json.loads(found.stdout)
    return shown


def page(*payments: tuple[str, str, int]) -> list[Any]:
    data = [
        {"id": name, "status": status, "seq": seq, "flags": [], "checkout_url": "/"}
        for name, status, seq in payments
    ]
    return ["page", {"data": data, "next_cursor": None}]


def event(name: str, status: str, seq: int, kind: str, **more: Any) -> dict[str, Any]:
    own = {"payment_id": name, "status": status, "seq": seq, "type": f"payment.{kind}"}
    usual = {"flags": [], "merchant": "default", "at": "2026-01-02T03:04:05.678Z"}
    return {**usual, **own, **more}


def events(*said: tuple[str, str, int, str]) -> list[Any]:
    told = [event(*one) for one in said]
    return ["events", told]


EXPECT: list[Any] = ["expect", None]


def test_what_is_heard_while_a_page_is_on_its_way_is_not_undone_by_it() -> None:
    shown = listed(
        {},
        EXPECT,
        events(("pay_1", "confirmed", 4, "confirmed")),
        page(("pay_1", "confirming", 3)),
    )
    assert shown["rows"] == [["pay_1", "confirmed", 4]]
    assert shown["heard"] is None, "it is kept no longer than the page is awaited"


def test_a_later_page_does_not_undo_it_either() -> None:
    shown = listed(
        {},
        EXPECT,
        page(("pay_2", "pending", 1)),
        EXPECT,
        events(("pay_1", "confirmed", 4, "confirmed")),
        page(("pay_1", "confirming", 3)),
    )
    assert shown["rows"] == [["pay_2", "pending", 1], ["pay_1", "confirmed", 4]]


def test_an_event_that_the_page_knows_already_changes_nothing() -> None:
    shown = listed(
        {},
        EXPECT,
        events(("pay_1", "confirming", 3, "confirming")),
        page(("pay_1", "confirmed", 4)),
    )
    assert shown["rows"] == [["pay_1", "confirmed", 4]]


def test_a_payment_that_is_made_meanwhile_is_listed_once() -> None:
    made = events(("pay_2", "pending", 1, "created"))
    with_it = listed(
        {}, EXPECT, made, page(("pay_2", "pending", 1), ("pay_1", "pending", 1))
    )
    without = listed({}, EXPECT, made, page(("pay_1", "pending", 1)))
    for shown in (with_it, without):
        assert [name for name, *_ in shown["rows"]] == ["pay_2", "pay_1"]


def test_one_that_came_to_fit_the_filter_meanwhile_is_known_to_be_missing() -> None:
    wanted = {"status": "confirmed"}
    told = events(("pay_1", "confirmed", 4, "confirmed"))
    assert listed(wanted, EXPECT, told, page())["is_missing"] is True
    assert listed(wanted, EXPECT, page())["is_missing"] is False


PAID: dict[str, Any] = {"merchant": "ann", "flags": ["late"], "at": "2026-01-02T12:00Z"}


WANTED: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    ({"status": "pending"}, True),
    ({"status": "confirmed"}, False),
    ({"flag": "late"}, True),
    ({"flag": "overpaid"}, False),
    ({"merchant": "ann"}, True),
    ({"merchant": "bob"}, False),
    ({"after": "2026-01-02T12:00Z"}, True),
    ({"after": "2026-01-02T12:01Z"}, False),
    ({"before": "2026-01-02T12:00Z"}, False),
    ({"before": "2026-01-02T12:01Z"}, True),
    ({"status": "pending", "flag": "overpaid"}, False),
    ({"flag": "late", "merchant": "bob"}, False),
    ({"merchant": "ann", "before": "2026-01-02T12:00Z"}, False),
]
"""Filters, and whether a payment of `PAID` that is made comes in."""

MISSED: list[tuple[dict[str, str], bool]] = [
    ({}, False),  # an older page has it
    ({"status": "confirmed"}, True),
    ({"flag": "late"}, True),
    ({"status": "confirmed", "search": "x"}, False),  # the server alone can say
    ({"status": "expired"}, False),
]
"""And whether one is missing that is confirmed and not here."""


def test_a_new_payment_comes_in_where_the_filter_wants_it() -> None:
    told = ["events", [event("pay_1", "pending", 1, "created", **PAID)]]
    found = answers(*[(wanted, (told,)) for wanted, _ in WANTED])
    for (wanted, fits), shown in zip(WANTED, found, strict=True):
        assert [name for name, *_ in shown["rows"]] == ["pay_1"] * fits, wanted
        assert shown["is_missing"] is False, "it is here, or not wanted"


def test_one_that_changed_and_is_not_here_is_missed_where_the_filter_wants_it_now() -> (
    None
):
    told = ["events", [event("pay_1", "confirmed", 4, "confirmed", **PAID)]]
    found = answers(*[(wanted, (told,)) for wanted, _ in MISSED])
    for (wanted, is_missing), shown in zip(MISSED, found, strict=True):
        assert shown["is_missing"] is is_missing, wanted


def test_one_that_is_missing_is_missing_whatever_is_heard_after_it() -> None:
    told = [event("pay_1", "confirmed", 4, "confirmed", **PAID)]
    told.append(event("pay_2", "pending", 1, "created", **PAID))
    told.append({**told[0], "payment_id": "pay_3", "flags": []})
    wanted = {"flag": "late"}
    assert listed(wanted, ["events", told])["is_missing"] is True
    assert listed({**wanted, "search": "x"}, ["events", told])["is_missing"] is False


def test_nothing_new_comes_into_what_was_searched_for() -> None:
    shown = listed({"search": "x"}, events(("pay_1", "pending", 1, "created")))
    assert (shown["rows"], shown["is_missing"]) == ([], False)


def test_the_newest_stands_first_and_they_are_counted() -> None:
    told = events(("a", "pending", 1, "created"), ("b", "pending", 1, "created"))
    shown = listed({}, page(("old", "pending", 1)), told)
    assert [name for name, *_ in shown["rows"]] == ["b", "a", "old"]
    assert listed({}, ["news", 3])["is_missing"] == 3


def test_a_new_row_has_what_its_event_says() -> None:
    price = {"currency": "EUR", "minor": 1_250, "decimals": 2}
    sums = {"amount_sat": 5, "received_sat": 0, "external_id": "order 7"}
    depth = {"confirmations": 0, "confirmations_required": 2}
    own = {
        **PAID,
        **sums,
        **depth,
        "address": "bcrt1q",
        "data": {"terms": {"price": price}},
    }
    told = ["events", [event("pay_1", "pending", 1, "created", **own)]]
    (row,) = listed({}, told)["items"]
    assert row == {
        "id": "pay_1",
        "status": "pending",
        "seq": 1,
        "flags": ["late"],
        "merchant": "ann",
        **sums,
        **depth,
        "address": "bcrt1q",
        "method": "onchain",
        "price": {"currency": "EUR", "amount": "12.50"},
        "created_at": "2026-01-02T12:00Z",
        "version": 0,
    }
    yen = {"terms": {"price": {"currency": "JPY", "minor": 1_250, "decimals": 0}}}
    own = {"method": "lightning", "data": yen}
    (row,) = listed({}, ["events", [event("p", "pending", 1, "created", **own)]])[
        "items"
    ]
    assert (row["method"], row["price"]["amount"]) == ("lightning", "1250")


def test_only_what_is_new_draws_a_row_anew() -> None:
    seen = page(("pay_1", "confirming", 3))
    (row,) = listed({}, seen, events(("pay_1", "pending", 3, "confirming")))["items"]
    assert (row["version"], row["status"]) == (0, "confirming"), "it was told already"
    (row,) = listed({}, seen, events(("pay_1", "confirmed", 4, "confirmed")))["items"]
    assert (row["version"], row["status"]) == (1, "confirmed")
    assert "created_at" not in row
    assert "method" not in row, "only the first event says it"
    (row,) = listed({}, seen, page(("pay_1", "cancelled", 3)))["items"]
    assert (row["version"], row["status"]) == (1, "cancelled"), "a page says all of it"


def test_before_the_first_page_nothing_is_known_of_the_list() -> None:
    shown = listed({}, ["news", 0])
    assert (shown["cursor"], shown["is_whole"], shown["heard"]) == (None, False, None)


def test_the_list_is_whole_when_the_last_page_is_here() -> None:
    shown = listed({}, ["pages", [2, 3]])
    assert (shown["cursor"], shown["is_whole"], shown["count"]) == ("after 2", False, 6)
    shown = listed({}, ["pages", [2, 3]], page(("p7", "pending", 1)))
    assert (shown["cursor"], shown["is_whole"], shown["count"]) == (None, True, 7)


def test_of_very_many_the_oldest_go_back_to_the_end_of_a_page() -> None:
    """60,000 stay; one more, and it is read on from the last page below 50,000."""
    stays = listed({}, ["pages", [60, 999]], ["news", 60])
    assert (stays["count"], stays["known"]) == (60_000, 60_000)
    goes = listed({}, ["pages", [60, 999]], ["news", 61])
    # 61 new ones and 49 pages: a fiftieth would end at 50,011.
    assert goes["count"] == goes["known"] == 61 + 49 * 999
    assert (goes["first"], goes["last"]) == ("n61", f"p{49 * 999}")
    assert (goes["cursor"], goes["is_whole"]) == ("after 49", False)
    # The 50,000th row is the last that may stay, and one that ends a page does.
    just = listed({}, ["pages", [60, 1_000]], ["news", 1_000])
    assert (just["count"], just["last"]) == (50_000, "p49000")
    above = listed({}, ["pages", [60, 1_000]], ["news", 1])
    assert (above["count"], above["last"]) == (49_001, "p49000")
    # No page ends there: the list is cut all the same, and cannot be read on.
    alone = listed({}, ["news", 60_001])
    assert (alone["count"], alone["known"]) == (50_000, 50_000)
    assert (alone["first"], alone["last"]) == ("n60001", "n10002")
    assert (alone["cursor"], alone["is_whole"]) == (None, True)
