"""Who is told what of alerts, and when: each rule once, then any history at all."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from engine.alerts.telling import (
    FOR_ALL,
    AlertMessage,
    Pace,
    Subject,
    concerns,
    next_message,
    next_moment,
)
from engine.ports import Alert
from engine.store.records import ToldAlert

PACE = Pace(after=60, every=300)
BEHIND = ToldAlert("source.behind", "node", "slow", 1_000)
OTHER = ToldAlert("source.behind", "esplora", "slow", 1_010)
WAITS = ToldAlert("payment.waits", "p", "why", 1_000)


def by_key(*alerts: ToldAlert) -> dict[Subject, ToldAlert]:
    return {(a.kind, a.subject): a for a in alerts}


def message(
    now: int,
    standing: Mapping[Subject, ToldAlert] = {},
    told: Mapping[Subject, ToldAlert] = {},
    gone: Mapping[Subject, int] = {},
    told_at: Mapping[str, int] = {},
) -> AlertMessage | None:
    return next_message(standing, told, gone, told_at, now, PACE)


def test_what_stands_for_a_while_is_told_once() -> None:
    standing = by_key(BEHIND)
    assert message(1_059, standing) is None
    assert message(1_060, standing) == AlertMessage(
        "alert.raised", "source.behind", (BEHIND,)
    )
    assert message(9_000, standing, told=standing) is None
    assert next_moment(standing, {}, {}, {}, PACE) == 1_060
    assert next_moment(standing, standing, {}, {}, PACE) is None


def test_its_end_is_told_after_a_while_to_whom_it_was_told() -> None:
    key = (BEHIND.kind, BEHIND.subject)
    told = by_key(BEHIND)
    assert message(2_059, told=told, gone={key: 2_000}) is None
    assert message(2_060, told=told, gone={key: 2_000}) == AlertMessage(
        "alert.resolved", "source.behind", (BEHIND,)
    )
    assert message(2_060, gone={key: 2_000}) is None  # they never heard of it
    assert message(2_060, told, told, gone={key: 2_000}) is None  # it is back
    assert next_moment({}, told, {key: 2_000}, {}, PACE) == 2_060
    assert message(9_999, told=told) is None  # nobody knows yet since when


def test_of_one_kind_one_message_in_a_while_that_names_all() -> None:
    standing = by_key(BEHIND, OTHER)
    told = by_key(BEHIND)
    at = {"source.behind": 1_060}
    assert message(1_359, standing, told, told_at=at) is None
    assert message(1_360, standing, told, told_at=at) == AlertMessage(
        "alert.raised", "source.behind", (OTHER,)
    )
    assert next_moment(standing, told, {}, at, PACE) == 1_360
    both = message(5_000, standing)
    assert both is not None
    assert {alert.subject for alert in both.alerts} == {"node", "esplora"}


def test_another_kind_does_not_wait_for_it() -> None:
    standing = by_key(BEHIND, WAITS)
    found = message(1_100, standing, told_at={"payment.waits": 1_060})
    assert found == AlertMessage("alert.raised", "source.behind", (BEHIND,))
    first = message(1_100, standing)
    assert first is not None
    assert first.kind == "payment.waits", "equally old: by name"


def test_what_is_over_is_told_before_what_begins() -> None:
    key = (WAITS.kind, WAITS.subject)
    found = message(5_000, by_key(BEHIND), by_key(WAITS), {key: 2_000})
    assert found is not None
    assert found.type == "alert.resolved"


def test_a_merchant_hears_of_its_own_and_of_what_concerns_all() -> None:
    mine = Alert("payment.waits", "p", "why", 5, "ann")
    nodes = Alert("source.failing", "node", "10.0.0.1 refused", 5)
    all_ = Alert("sources.none_current", "", "node, esplora", 5)
    assert concerns(mine, "ann") == ToldAlert("payment.waits", "p", "why", 5)
    assert concerns(mine, "bob") is None
    assert concerns(nodes, "ann") is None
    heard = concerns(all_, "ann")
    assert heard is not None
    assert heard.detail == FOR_ALL["sources.none_current"], "no name of the node's"
    for alert in (mine, nodes, all_):
        operator = concerns(alert, "*")
        assert operator is not None
        assert operator.detail == alert.detail


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from("abc"), st.booleans()),
        max_size=40,
    )
)
def test_whatever_comes_and_goes_a_channel_hears_begin_and_end_by_turns(
    steps: list[tuple[int, str, bool]],
) -> None:
    """Driven as the actor does, to its end: each subject is told by turns, kinds keep
    their pace, and when all has been quiet nobody believes that something stands."""
    standing: dict[Subject, ToldAlert] = {}
    told: dict[Subject, ToldAlert] = {}
    gone: dict[Subject, int] = {}
    told_at: dict[str, int] = {}
    heard: list[tuple[int, str, str]] = []
    now = 0
    the_end = [*((1_000, name, False) for name in "abc"), (9_999, "a", False)]
    for wait, name, begins in [*steps, *the_end]:
        until = now + wait
        while True:
            found = next_message(standing, told, gone, told_at, now, PACE)
            if found is not None:
                assert now >= told_at.get(found.kind, -PACE.every) + PACE.every
                told_at[found.kind] = now
                for alert in found.alerts:
                    key = alert.kind, alert.subject
                    heard.append((now, found.type, alert.subject))
                    if found.type == "alert.raised":
                        told[key] = alert
                    else:
                        del told[key]
                continue
            moment = next_moment(standing, told, gone, told_at, PACE)
            assert moment is None or moment > now, "it would wake for nothing"
            if moment is None or moment > until:
                break
            now = moment
        now = until
        key = ("k", name)
        if begins and key not in standing:
            standing[key] = ToldAlert("k", name, "", now)
            gone.pop(key, None)
        elif not begins and key in standing:
            del standing[key]
            if key in told:
                gone[key] = now
    for name in "abc":
        words = [type_ for _, type_, subject in heard if subject == name]
        assert words == ["alert.raised", "alert.resolved"] * (len(words) // 2)
    assert not told
