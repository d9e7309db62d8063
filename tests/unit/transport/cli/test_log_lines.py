"""A line of the log as an object: its own words are fields, others' words are text."""

import json
import logging
from typing import Any

import pytest

from transport.cli.log_lines import as_json, as_text
from transport.cli.logs import LineFormatter


def said(text: str, below: str = "") -> dict[str, Any]:
    line = as_json(1_767_323_045.678, "info", text, below)
    assert "\n" not in line
    assert line.isascii()
    found: dict[str, Any] = json.loads(line)
    assert found.pop("at") == "2026-01-02T03:04:05.678Z"
    assert found.pop("level") == "info"
    return found


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("node.started", {"event": "node.started"}),
        (
            "payment.confirmed payment=pay_1 seq=4",
            {"event": "payment.confirmed", "payment": "pay_1", "seq": "4"},
        ),
        (
            "payment.failed payment=pay_1 detail=no route payment=pay_2 level=x",
            {
                "event": "payment.failed",
                "payment": "pay_1",
                "detail": "no route payment=pay_2 level=x",
            },
        ),
        ("a.b some words k=v", {"event": "a.b", "message": "some words", "k": "v"}),
        ("a.b at=1 level=2", {"event": "a.b", "at_": "1", "level_": "2"}),
        ("a.b k= x=1", {"event": "a.b", "k": "", "x": "1"}),
        ("a.b k=é\u202e", {"event": "a.b", "k": "é\u202e"}),
    ],
)
def test_keys_are_fields_and_what_is_quoted_stays_whole(
    text: str, fields: dict[str, str]
) -> None:
    assert said(text) == fields


def test_a_traceback_is_a_field_of_its_line() -> None:
    assert said("x.crash", "Traceback\nKeyError")["trace"] == "Traceback\nKeyError"
    text = as_text(0.0, "error", "x.crash", "Traceback\nKeyError")
    assert text.splitlines()[1:] == ["    Traceback", "    KeyError"]


def test_a_record_is_formatted_in_either_form() -> None:
    record = logging.LogRecord(
        "paybell.payment", logging.INFO, "p", 1, "payment.late payment=%s", ("p",), None
    )
    assert json.loads(LineFormatter(as_json).format(record))["payment"] == "p"
    assert LineFormatter().format(record).endswith("info payment.late payment=p")
