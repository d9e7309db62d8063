"""The dashboard's list of payments: what is heard while a page of it is on its way is
newer than the page. Its module in Node, without a browser."""

import json
from pathlib import Path
from typing import Any

from tests.tools import children

PROGRAM = Path(__file__).with_name("payment_rows.mjs")


def listed(wanted: dict[str, str], *told: list[Any]) -> dict[str, Any]:
    found = children.run(
        ["node", PROGRAM],
        input=json.dumps([[wanted, told]]),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    answers: list[dict[str, Any]] = json.loads(found.stdout)
    return answers[0]


def page(*payments: tuple[str, str, int]) -> list[Any]:
    data = [
        {"id": name, "status": status, "seq": seq, "flags": [], "checkout_url": "/"}
        for name, status, seq in payments
    ]
    return ["page", {"data": data, "next_cursor": None}]


def events(*said: tuple[str, str, int, str]) -> list[Any]:
    told = [
        {
            "payment_id": name,
            "status": status,
            "seq": seq,
            "type": f"payment.{kind}",
            "flags": [],
            "merchant": "default",
            "at": "2026-01-02T03:04:05.678Z",
        }
        for name, status, seq, kind in said
    ]
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
