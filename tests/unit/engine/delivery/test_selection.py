"""Which events and alerts a channel of these types gets."""

import re

import pytest

from engine.delivery.channel import Channel, channel_row, wants
from engine.delivery.kinds import KINDS
from engine.delivery.selection import (
    ALERTS,
    FOR_PEOPLE,
    NAMES,
    PAYMENTS,
    AlertType,
    is_chosen,
)
from engine.payment.model import EventType
from transport.http.input_values import ONE_TYPE


@pytest.mark.parametrize(
    ("types", "chosen", "left_out"),
    [
        ((), ["payment.confirmed", "payment.of_a_later_version"], ["alert.raised"]),
        ((PAYMENTS,), ["payment.confirmed", "payment.of_a_later_version"],
         ["alert.raised"]),
        (("payment.late",), ["payment.late"], ["payment.confirmed", "alert.raised"]),
        ((ALERTS,), list(AlertType), ["payment.late"]),
        (("alert.raised",), ["alert.raised"], ["alert.resolved", "payment.late"]),
        ((PAYMENTS, ALERTS), [*EventType, *AlertType], []),
        (("payment.late", ALERTS), ["payment.late", "alert.raised"],
         ["payment.confirmed"]),
    ],
)  # fmt: skip
def test_a_channel_gets_what_it_names(
    types: tuple[str, ...], chosen: list[str], left_out: list[str]
) -> None:
    assert [name for name in chosen if not is_chosen(types, name)] == []
    assert [name for name in left_out if is_chosen(types, name)] == []


@pytest.mark.parametrize(
    "types", [(), (PAYMENTS,), ("payment.late",), (ALERTS,), (ALERTS, PAYMENTS)]
)
@pytest.mark.parametrize("type_", EventType)
def test_the_outbox_and_the_notifier_choose_alike(
    types: tuple[str, ...], type_: EventType
) -> None:
    """The store puts into the outbox by the row's types; empty: all."""
    channel = Channel(id="c", types=types, created_at=0)
    in_row = channel_row(channel).types
    assert wants(channel, type_, "ann") is (not in_row or type_ in in_row)


def test_a_channel_may_name_what_there_is_and_nothing_else() -> None:
    def fits(name: str) -> bool:
        return re.search(ONE_TYPE, name) is not None

    assert all(map(fits, [*EventType, *AlertType, PAYMENTS, ALERTS]))
    wrong = ["", "*", "payment", "payment.*x", "alert.", "all", "payment.late\n"]
    assert not any(map(fits, [*wrong, "paymentxlate", "payment..late"]))


def test_no_kind_is_told_of_alerts_unless_somebody_says_so() -> None:
    for kind in KINDS.values():
        assert not any(is_chosen(kind.default_types, alert) for alert in AlertType)
        assert set(kind.default_types) <= set(NAMES)
    assert set(FOR_PEOPLE) <= set(EventType)
