"""The way in: what costs a query, what is refused, and what is said of the tree."""

from typing import Any

import gevent
import pytest

import actors.edge.gateway
from actors.edge.gateway import REFUSED_MS
from actors.facts.published import JournalReport, Published
from engine.errors import Duplicate, EngineBusy, Refused
from engine.gateway import REPLAYED_FOR_MS
from engine.payment.model import Payment, Status
from engine.payment.observations import Amend, Cancel, ConfirmByHand, ProviderClaim
from engine.store.writes import (
    ApiKey,
    Conflict,
    InboundWebhook,
    KeptAnswer,
    Prune,
    Release,
    Write,
)
from tests.unit.actor_stage import Inbox
from tests.unit.actors.edge.house import House, asked
from tests.unit.payment_cases import T0

CLAIM = ProviderClaim(provider="btc", txid="t" * 64, amount_sat=5, window_s=60)


# -- what costs a query ------------------------------------------------------------


def test_a_payment_that_is_watched_is_found_without_a_query(house: House) -> None:
    payment = house.create()
    assert house.gateway.payment(payment.id) == payment
    assert house.gateway.payment_at(payment.terms.address) == payment
    assert house.store.asked == []


def test_a_webhook_costs_no_query(house: House) -> None:
    """Find the payment at its address, then put the claim before its watcher."""
    payment = house.create()
    found = house.gateway.payment_at(payment.terms.address)
    assert found is not None
    row = InboundWebhook("btc", "key", T0, found.id, "claimed", b"{}")
    after = house.gateway.command(found, CLAIM, inbound=row)
    assert after.seq == 2
    assert house.gateway.payment(payment.id) == after
    assert house.store.asked == []


def test_what_nobody_watches_is_read(house: House) -> None:
    assert house.gateway.payment("nothing") is None
    assert house.gateway.payment_at("nowhere") is None
    assert house.store.asked == ["payment", "payment_at"]


def test_while_a_commit_is_under_way_the_store_knows_better(house: House) -> None:
    payment = house.create()
    ref = house.watcher(payment)
    ref.suspend(lambda _answer: None)
    assert house.gateway.payment(payment.id) == payment
    assert house.store.asked == ["payment"]


def test_a_watcher_that_is_gone_shows_nothing(house: House) -> None:
    payment = house.create()
    house.watcher(payment).kill()
    assert house.watcher(payment).shown is None
    assert house.gateway.payment(payment.id) == payment
    assert house.store.asked == ["payment"]


# -- creating and commanding ---------------------------------------------------------


def test_an_address_that_is_watched_is_a_conflict_in_its_place(house: House) -> None:
    taken = house.create()
    answers = house.gateway.create(
        [asked(2), asked(3, address=taken.terms.address), asked(4)]
    )
    assert [type(answer) for answer in answers] == [Payment, Conflict, Payment]


def test_an_address_that_only_the_database_knows_is_a_conflict_of_all(
    house: House,
) -> None:
    payment = house.create()
    house.stage.book.remove(payment.id, payment.terms.address)
    again = asked(2, address=payment.terms.address)
    answers = house.gateway.create([again, asked(3)])
    assert [type(answer) for answer in answers] == [Conflict, Conflict]


def test_rows_that_conflict_are_a_duplicate_and_nothing_is_created(
    house: House,
) -> None:
    kept = KeptAnswer("scope", "key", b"hash", 201, b"{}", T0)
    first = house.gateway.create([asked(1)], lambda _answers: kept)
    with pytest.raises(Duplicate):
        house.gateway.create([asked(2)], lambda _answers: kept)
    assert isinstance(first[0], Payment)
    assert house.gateway.payment("p2") is None
    answer = house.gateway.idempotent_answer("scope", "key")
    assert answer is not None
    assert (answer.status, answer.body) == (201, b"{}")


def test_a_kept_answer_is_forgotten_after_a_day_by_the_next(house: House) -> None:
    kept = [
        KeptAnswer("s", name, b"hash", 201, b"{}", house.gateway.now())
        for name in ("old", "new")
    ]
    house.gateway.create([asked(1)], lambda _answers: kept[0])
    house.stage.clock.advance(REPLAYED_FOR_MS)
    assert house.gateway.idempotent_answer("s", "old") is not None
    house.stage.clock.advance(1)
    assert house.gateway.idempotent_answer("s", "old") is None
    house.gateway.create([asked(2)], lambda _answers: kept[1])
    rows = house.stage.journal.connection.execute("SELECT key FROM idempotency")
    assert rows.fetchall() == [("new",)]


def test_what_nobody_wants_to_keep_is_not_kept(house: House) -> None:
    house.gateway.create([asked()], lambda _answers: None)
    (count,) = house.stage.journal.connection.execute(
        "SELECT count(*) FROM idempotency"
    ).fetchone()
    assert count == 0


def test_a_key_is_kept_and_can_be_revoked(house: House) -> None:
    house.gateway.save_key(ApiKey("k", "shop", "ann", b"hash", T0, ("read",)))
    house.gateway.revoke_key("k")
    (key,) = house.gateway.keys()
    assert (key.id, key.merchant, key.revoked_at) == ("k", "ann", house.gateway.now())


def test_a_webhook_that_was_heard_before_is_a_duplicate(house: House) -> None:
    payment = house.create()
    row = InboundWebhook("btc", "key", T0, payment.id, "claimed", b"{}")
    house.gateway.command(payment, CLAIM, inbound=row)
    with pytest.raises(Duplicate):
        house.gateway.command(payment, CLAIM, inbound=row)


def test_what_the_rules_refuse_is_raised(house: House) -> None:
    payment = house.create()
    house.gateway.command(payment, ConfirmByHand("the shop"))
    with pytest.raises(Refused):
        house.gateway.command(payment, Cancel("the shop"))


def released(house: House) -> Payment:
    """A payment that is over and watched by nobody."""
    payment = house.create()
    house.gateway.command(payment, Cancel("the shop"))
    house.stage.append(Write(rows=(Release(payment.id),)))
    house.stage.run()
    house.stage.book.remove(payment.id, payment.terms.address)
    house.stage.clock.jump_wall(actors.edge.gateway.NEW_MS)
    return house.stage.payment(payment.id)


def test_a_webhook_for_a_payment_that_is_over_is_noted_if_it_changes_nothing(
    house: House,
) -> None:
    payment = released(house)
    row = InboundWebhook("btc", "key", T0, payment.id, "claimed", b"{}")
    after = house.gateway.command(payment, CLAIM, inbound=row)
    assert (after, after.status) == (payment, Status.CANCELLED)
    with pytest.raises(Duplicate):
        house.gateway.note_webhook(row)


def test_what_would_change_a_payment_that_is_over_is_refused(house: House) -> None:
    payment = released(house)
    with pytest.raises(Refused, match="no longer watched"):
        house.gateway.command(payment, ConfirmByHand("the shop"))
    assert house.gateway.payment(payment.id) == payment


def test_a_payment_that_is_over_can_still_be_written_on(house: House) -> None:
    payment = released(house)
    after = house.gateway.command(payment, Amend(by="api", metadata={"a": 1}))
    assert after.terms.metadata == {"a": 1}
    assert house.gateway.payment(payment.id) == after
    again = house.gateway.command(after, Amend(by="api", metadata={"a": 1}))
    assert again.seq == after.seq


def test_not_when_its_events_are_gone(house: House) -> None:
    payment = released(house)
    house.create(2)  # the newest event of the journal stays
    house.stage.append(Write(rows=(Prune(payment.id, payment.seq),)))
    house.stage.run()
    with pytest.raises(Refused, match="kept no longer"):
        house.gateway.command(payment, Amend(by="api", metadata={"a": 1}))


def test_not_when_they_go_in_the_moment_in_which_it_is_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = released(house)
    house.create(2)
    look = house.gateway._must_have_its_events

    def look_and_lose(payment: Payment) -> None:
        look(payment)
        house.stage.append(Write(rows=(Prune(payment.id, payment.seq),)))

    monkeypatch.setattr(house.gateway, "_must_have_its_events", look_and_lose)
    with pytest.raises(EngineBusy, match="changed meanwhile"):
        house.gateway.command(payment, Amend(by="api", metadata={"a": 1}))
    assert house.gateway.payment(payment.id) == payment
    assert house.gateway.history(payment.id, 0, 9) == []


def unread(house: House, payment: Payment, row: InboundWebhook | None) -> Any:
    """A command that waits in the mailbox of a watcher which has something to await."""
    watcher = house.watcher(payment)
    watcher.suspend(lambda _answer: None)
    asks = gevent.spawn(house.gateway.command, payment, CLAIM, row)
    while not watcher.backlog:
        gevent.sleep(0)
    return asks


def test_a_webhook_that_comes_while_the_release_is_written_is_noted_and_answered(
    house: House,
) -> None:
    payment = house.create()
    payment = house.gateway.command(payment, Cancel("the shop"))
    row = InboundWebhook("btc", "key", T0, payment.id, "claimed", b"{}")
    asks = unread(house, payment, row)
    house.stage.append(Write(rows=(Release(payment.id),)))
    house.stage.run()
    watcher = house.watcher(payment)
    watcher.kill()
    house.stage.book.remove(payment.id, payment.terms.address)
    watcher.stop()
    assert asks.get() == payment
    with pytest.raises(Duplicate):
        house.gateway.note_webhook(row)


def test_what_comes_as_all_watchers_begin_anew_is_not_taken_for_too_late(
    house: House,
) -> None:
    payment = house.create()
    asks = unread(house, payment, None)
    house.node.supervisor.kill(RuntimeError("a bug"))
    house.node.supervisor.start()
    with pytest.raises(EngineBusy) as caught:
        asks.get()
    assert (caught.value.retry_after_s, caught.value.unknown) == (1, False)


# -- trouble -------------------------------------------------------------------------


def test_while_the_node_starts_new_work_is_refused_for_a_second(house: House) -> None:
    payment = house.create()
    house.stage.booted.publish(False)
    for ask in (
        lambda: house.gateway.create([asked(2)]),
        lambda: house.gateway.command(payment, Cancel("the shop")),
    ):
        with pytest.raises(EngineBusy) as caught:
            ask()
        assert caught.value.retry_after_s == 1
    assert house.gateway.alerts() == (), "a start is nobody's trouble"


def test_while_the_journal_cannot_write_new_work_is_refused(house: House) -> None:
    house.stage.journal_report.publish(JournalReport(trouble="the disk is full"))
    with pytest.raises(EngineBusy, match="the disk is full") as caught:
        house.gateway.create([asked()])
    assert caught.value.retry_after_s == 5


def test_payments_that_are_refused_are_one_alert_until_a_while_after_the_last(
    house: House,
) -> None:
    full = JournalReport(trouble="the disk is full")
    for _ in range(2):
        house.stage.journal_report.publish(full)
        with pytest.raises(EngineBusy):
            house.gateway.create([asked()])
        house.stage.journal_report.publish(JournalReport())
        (alert,) = house.gateway.alerts()
        assert (alert.kind, alert.subject, alert.merchant) == (
            "creations.refused",
            "",
            None,
        )
        assert "the disk is full" in alert.detail
        house.stage.clock.advance(REFUSED_MS - 1)
    house.create()
    assert len(house.gateway.alerts()) == 1, "the last is not ten minutes ago"
    house.stage.clock.advance(1)
    assert house.gateway.alerts() == ()


def test_a_write_that_the_journal_refuses_is_busy(house: House) -> None:
    house.stage.journal.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(EngineBusy) as caught:
        house.gateway.revoke_key("k")
    assert (caught.value.retry_after_s, caught.value.unknown) == (5, False)


def test_no_answer_in_time_is_busy_and_unknown(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors.edge.gateway, "ASK_S", 0.01)
    house.node.journal = house.stage.start("silent", Inbox())
    house.node.source = house.node.journal
    for ask in (lambda: house.gateway.revoke_key("k"), house.gateway.sources):
        with pytest.raises(EngineBusy) as caught:
            ask()
        assert caught.value.unknown


def test_a_full_mailbox_is_busy_and_nothing_was_done(house: House) -> None:
    house.node.source = house.stage.start("full", Inbox(), limit=0)
    with pytest.raises(EngineBusy, match="full has too much to do") as caught:
        house.gateway.sources()
    assert not caught.value.unknown


def test_health_says_everything_that_is_wrong(house: House) -> None:
    house.create()
    health = house.gateway.health()
    assert (health.ready, health.reasons) == (True, ())
    assert (health.watchers, health.quarantined, health.last_offset) == (1, 0, 1)
    house.stage.booted.publish(False)
    house.stage.journal_report.publish(JournalReport("the disk is full", fatal=True))
    house.stage.journal.connection.execute("ALTER TABLE events RENAME TO gone")
    health = house.gateway.health()
    assert not health.ready
    assert [reason.split()[0] for reason in health.reasons] == [
        "the",
        "watchers",
        "stopped",
        "the",
    ]


def test_a_root_that_gave_up_is_fatal(house: House) -> None:
    assert not house.node.health.fatal
    house.node.gave_up = Published(True)
    assert house.node.health.fatal


def test_a_payment_that_is_read_before_its_watcher_is_there_waits_for_it(
    house: House,
) -> None:
    """A second webhook of a new invoice finds the row of the first one's payment."""
    payment = house.create()
    watcher = house.watcher(payment)
    house.stage.book.remove(payment.id, payment.terms.address)
    asks = gevent.spawn(house.gateway.command, payment, ConfirmByHand("the shop"))
    for _ in range(20):
        gevent.sleep(0)
    assert not asks.ready(), "nobody else may write to it"
    house.stage.book.add(watcher, payment.terms.address)
    assert asks.get(timeout=30).status is Status.CONFIRMED


def test_one_whose_watcher_does_not_come_is_tried_again_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors.edge.gateway, "COMING_S", 0.02)
    payment = house.create(method="external", gateway="payable")
    house.stage.book.remove(payment.id, payment.terms.address)
    with pytest.raises(EngineBusy, match="is starting"):
        house.gateway.command(payment, ConfirmByHand("the shop"))
