"""What the till counts and how it reads a payment, without a browser: its modules in
Node, held against the engine's own rules."""

import json
import os
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.money.currency import minor_of, minor_text
from engine.money.rates import minor_value, sat_price
from engine.payment.model import PAID_ONCE, Flag, Status
from tests.tools import children

PROGRAM = Path(__file__).with_name("pos_sums.mjs")
RATES = ("49999.99", "7500000", "0.00000001", "123456789012345", "1", "99999.12345678")
SUMS = (1, 2, 99, 100, 1_250, 9_999_999_999)
CURRENCIES = (("EUR", 2), ("JPY", 0), ("KWD", 3))


def counted(asked: list[list[Any]]) -> list[Any]:
    found = children.run(
        ["node", PROGRAM],
        env={**os.environ, "LC_ALL": "en_US.UTF-8"},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    answers: list[Any] = json.loads(found.stdout)
    return answers


def test_a_price_is_about_what_the_node_will_fix_it_at() -> None:
    rand = random.Random(14)
    cases = [(s, c, r) for s in SUMS for c in CURRENCIES for r in RATES]
    for _ in range(200):
        rate = f"{rand.randrange(1, 10**7)}.{rand.randrange(10**8):08}"
        cases.append((rand.randrange(1, 10**10), rand.choice(CURRENCIES), rate))
    asked: list[list[Any]] = []
    expected = []
    for minor, (currency, decimals), rate in cases:
        if minor * 10**8 // 10**decimals <= Decimal(rate) * 20_999_999 * 10**8:
            asked.append(["in_sat", str(minor), decimals, rate])
            expected.append(str(sat_price(minor, decimals, Decimal(rate))))
        asked.append(["in_currency", str(minor), decimals, rate])
        expected.append(str(minor_value(minor, currency, Decimal(rate))))
    assert len([one for one in asked if one[0] == "in_sat"]) > 100
    assert counted(asked) == expected


def test_the_pages_and_the_engine_call_the_same_payments_paid() -> None:
    """The dashboard's file and the till's are one."""
    assert counted([["paid"]]) == [sorted(PAID_ONCE)]
    web = Path("transport/web")
    assert (web / "till/statuses.mjs").samefile(web / "desk/statuses.mjs")


def test_sums_are_text_as_the_api_takes_them() -> None:
    cases = [(s, c) for s in (0, 1, 5, 10, 99, 100, 1_234_567) for c in CURRENCIES]
    texts = counted([["text", str(minor), d] for minor, (_, d) in cases])
    assert texts == [minor_text(minor, d) for minor, (_, d) in cases]
    assert [minor_of(t, d) for t, (_, (_, d)) in zip(texts, cases, strict=True)] == [
        minor for minor, _ in cases
    ]
    back = counted(
        [["parsed", t, d] for t, (_, (_, d)) in zip(texts, cases, strict=True)]
    )
    assert back == [str(minor) for minor, _ in cases]
    wrong = [["parsed", t, 2] for t in ("", "1.234", "-1", "1e3", "x", ".5", "1.")]
    assert set(counted(wrong)) == {"null"}


def test_a_tip_in_percent_is_rounded_to_the_nearest_part() -> None:
    sums = [["percent", str(minor), 15] for minor in (0, 1, 3, 4, 10, 1_250)]
    assert counted(sums) == ["0", "0", "0", "1", "2", "188"]
    assert counted([["percent", "7", 7], ["percent", "5", 10]]) == ["0", "1"]


def test_people_are_shown_a_sum_in_its_unit() -> None:
    asked = [("1250", "EUR", 2), ("1250", "JPY", 0), ("2100", None, 0), ("7", "USD", 2)]
    shown = counted([["shown", *one] for one in asked])
    assert shown == ["€12.50", "¥1,250", "2,100 sat", "$0.07"]


@pytest.mark.parametrize(
    ("keys", "digits"),
    [
        ("000", ""),
        ("1250", "1250"),
        ("007", "7"),
        ("12<5", "15"),
        ("<", ""),
        ("12345678901", "1234567890"),
    ],
)
def test_keys_come_in_from_the_right(keys: str, digits: str) -> None:
    assert counted([["typed", "", keys]]) == [digits]


def payment(status: str, *flags: str, received: int = 0) -> dict[str, Any]:
    assert status in set(Status)
    assert set(flags) <= set(Flag)
    known = {"status": status, "flags": list(flags), "seq": 3}
    return {**known, "amount_sat": 5_000, "received_sat": received}


STAGES = [
    (payment("pending"), "waiting", "state_waiting"),
    ({"status": "pending", "amount_sat": 5_000}, "waiting", "state_waiting"),
    ({"status": "expired", "amount_sat": 5_000}, "expired", "state_expired"),
    (payment("pending", received=1), "short", "state_short"),
    (payment("expired", received=1), "expired", "state_money_back"),
    (payment("pending", "replaced"), "gone", "state_gone"),
    (payment("pending", "reorged"), "gone", "state_gone"),
    (payment("confirming", "underpaid", received=3_000), "short", "state_short"),
    (payment("confirming", received=4_999), "short", "state_short"),
    (payment("confirming", received=5_000), "seen", "state_seen"),
    (payment("confirming", "overpaid", received=6_000), "seen", "state_seen"),
    (payment("confirming", "late", received=5_000), "seen", "state_seen"),
    (payment("confirmed", received=5_000), "paid", "state_paid"),
    (payment("confirmed", "overpaid", received=6_000), "paid", "state_over"),
    (payment("confirmed", "late", received=5_000), "paid", "state_late"),
    (payment("forwarded", received=5_000), "paid", "state_paid"),
    (payment("failed", received=5_000), "paid", "state_paid"),
    (payment("expired"), "expired", "state_expired"),
    (payment("expired", "underpaid", received=9), "expired", "state_money_back"),
    (payment("cancelled"), "cancelled", "state_cancelled"),
    (payment("cancelled", "late", received=5_000), "cancelled", "state_money_back"),
]


def test_each_status_and_flag_has_its_words() -> None:
    asked = [["stage", given, False] for given, _, _ in STAGES]
    assert counted(asked) == [stage for _, stage, _ in STAGES]
    asked = [["line", given] for given, _, _ in STAGES]
    assert counted(asked) == [line for _, _, line in STAGES]
    # Where money goes on to another account, it is done when it is there.
    paid = ["stage", payment("confirmed", received=5_000), True]
    assert counted([paid]) == ["passing"]
    assert counted([["stage", payment("forwarded"), True]]) == ["paid"]


def test_an_older_event_changes_nothing() -> None:
    before = payment("confirmed", received=5_000)
    older = {"seq": 2, "status": "confirming", "received_sat": 1}
    newer = {"seq": 4, "status": "forwarded", "flags": ["late"], "type": "x"}
    asked = [["moved", before, older], ["moved", before, newer]]
    moved = {**before, "seq": 4, "status": "forwarded", "flags": ["late"]}
    assert counted(asked) == [before, moved]


def test_an_event_says_all_that_is_read_of_a_payment_also_one_of_the_same_place() -> (
    None
):
    before = payment("pending")
    sums = {"amount_sat": 7_000, "received_sat": 7_000}
    depth = {"confirmations": 1, "confirmations_required": 2}
    said = {"seq": 3, "status": "confirming", "flags": ["late"], **sums, **depth}
    assert counted([["moved", before, said]]) == [{**before, **said}]


def test_a_sale_is_open_until_it_is_paid_or_over() -> None:
    stages = {stage for _, stage, _ in STAGES} | {"passing"}
    answers = counted([["is_open", stage] for stage in sorted(stages)])
    still = {
        stage for stage, is_open in zip(sorted(stages), answers, strict=True) if is_open
    }
    assert still == {"waiting", "short", "seen", "gone"}
