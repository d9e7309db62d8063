"""Alerts: what stands, for how long, and that nothing of them grows for ever."""

import logging

import pytest

from actors.facts.alerts import ASSURED, MAX_ALERTS, MAX_OF_MERCHANT, Alerts
from actors.facts.counters import Counters
from engine.ports import Alert


def test_an_alert_stands_from_its_first_word_until_it_is_cleared(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "paybell.alert")
    alerts = Alerts(counters := Counters())
    alerts.raise_("payment.waits", "p", "node is behind", 5)
    alerts.raise_("payment.waits", "p", "node has a gap", 9)
    alerts.raise_("address.unreadable", "p", "esplora cannot read it", 7)
    first, second = alerts.standing()
    assert first == Alert("payment.waits", "p", "node has a gap", 5)
    assert (second.kind, len(alerts)) == ("address.unreadable", 2)
    alerts.clear("payment.waits", "p")
    alerts.clear("payment.waits", "p")
    assert alerts.standing() == (second,)
    assert counters["alerts.raised"] == 2
    assert [r.getMessage().split()[0] for r in caplog.records] == [
        "alert.raised",
        "alert.raised",
        "alert.cleared",
    ]


def test_beyond_the_bound_alerts_are_counted_and_not_kept() -> None:
    alerts = Alerts(counters := Counters())
    for number in range(MAX_ALERTS + 3):
        alerts.raise_("payment.waits", f"p{number}", "why", number)
    alerts.raise_("payment.waits", "p0", "another why", 9)
    assert len(alerts) == MAX_ALERTS
    assert alerts.standing()[0].detail == "another why"
    assert counters["alerts.raised"] == MAX_ALERTS
    assert counters["alerts.not_kept"] == 3


def test_many_of_one_kind_leave_room_for_every_other() -> None:
    """Each payment that waits for a source is one; that none is current must stand."""
    alerts = Alerts(Counters())
    for number in range(MAX_ALERTS + 1):
        alerts.raise_("payment.waits", f"p{number}", "why", number)
    alerts.raise_("sources.none_current", "", "none is", 5)
    assert alerts.standing()[-1].kind == "sources.none_current"
    alerts.clear("payment.waits", "p7")
    alerts.raise_("payment.waits", "new", "why", 6)
    assert alerts.standing()[-1].subject == "new", "there is room again"


def test_one_merchants_alerts_leave_room_for_anothers() -> None:
    alerts = Alerts(Counters())
    for number in range(MAX_ALERTS):
        alerts.raise_("payment.waits", f"a{number}", "why", 5, merchant="ann")
    assert len(alerts) == MAX_OF_MERCHANT
    alerts.raise_("payment.waits", "b", "why", 5, merchant="bob")
    alerts.clear("payment.waits", "a0")
    alerts.raise_("payment.waits", "a999", "why", 5, merchant="ann")
    assert {alert.subject for alert in alerts.standing()} >= {"b", "a999"}


def test_many_merchants_alerts_hide_neither_one_mores_nor_the_nodes() -> None:
    """Beside four whose room is full another has its first ones, and so has the node;
    the next is only counted, until there is room again."""
    alerts = Alerts(counters := Counters())
    for number in range(MAX_ALERTS):
        whose = f"m{number % 4}"
        alerts.raise_("payment.waits", f"p{number}", "why", 5, merchant=whose)
    assert len(alerts) == MAX_ALERTS
    for merchant in ("eve", None):
        for number in range(ASSURED + 1):
            subject = f"{merchant}{number}"
            alerts.raise_("payment.waits", subject, "why", 5, merchant=merchant)
        its = [a.subject for a in alerts.standing() if a.merchant == merchant]
        assert its == [f"{merchant}{number}" for number in range(ASSURED)]
    assert counters["alerts.not_kept"] == 2
    alerts.clear("payment.waits", "eve3")
    alerts.raise_("payment.waits", "eve20", "why", 5, merchant="eve")
    assert alerts.standing()[-1].subject == "eve20", "an assured place is free again"


@pytest.mark.parametrize(
    ("kind", "merchant", "said"),
    [
        ("payment.waits", "cafe", "subject=x payment=x merchant=cafe"),
        ("source.behind", None, "subject=x source=x"),
        ("forward.waits", "x", "subject=x merchant=x"),
        ("forward.waits", None, "subject=x merchant=x"),
        ("rates.none", None, "subject=x"),
    ],
)
def test_its_line_names_what_it_is_about(
    kind: str, merchant: str | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "paybell.alert")
    alerts = Alerts(Counters())
    alerts.raise_(kind, "x", "two words", 1, merchant=merchant)
    alerts.clear(kind, "x")
    assert [r.getMessage() for r in caplog.records] == [
        f"alert.raised kind={kind} {said} detail=two words",
        f"alert.cleared kind={kind} {said}",
    ]
