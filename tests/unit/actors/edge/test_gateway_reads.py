"""The way in: channels, counts, sessions, and what is read as it is."""

from typing import Any

import gevent

import actors.edge.gateway
import actors.edge.kept
import actors.edge.tree
from actors.delivery.notifiers import NotifiersActor
from engine.delivery.channel import Channel
from engine.payment.observations import ProviderClaim
from engine.runtime.ref import ActorScope, Ref
from engine.secrets.vault import Vault
from engine.store.writes import ChannelRow, Requeue, Write
from tests.unit.actor_stage import Inbox
from tests.unit.actors.edge.house import House
from tests.unit.payment_cases import T0

CLAIM = ProviderClaim(provider="btc", txid="t" * 64, amount_sat=5, window_s=60)


# -- channels and counts ---------------------------------------------------------------


def test_a_channel_is_kept_listed_and_removed(house: House) -> None:
    channel = Channel(id="c", url="https://shop", secret="sealed", created_at=T0)
    house.gateway.save_channel(channel)
    assert house.gateway.channels() == [channel]
    assert house.gateway.remove_channel("c")
    assert not house.gateway.remove_channel("c")
    assert house.gateway.channels() == []


def test_a_redelivery_says_how_much_it_concerns(house: House) -> None:
    house.stage.append(Write(rows=(ChannelRow("c", "*", True, (), T0, b"{}"),)))
    house.node.notifiers = house.stage.start("silent", Inbox())
    house.create()
    assert house.gateway.requeue(Requeue(at=T0)) == 1
    assert house.gateway.counters()["outbox.pending"] == 1


def test_a_redelivery_goes_on_step_by_step_until_all_is_done(house: House) -> None:
    house.stage.append(Write(rows=(ChannelRow("c", "*", True, (), T0, b"{}"),)))
    house.node.notifiers = house.stage.start("silent", Inbox())
    for number in range(1, 8):
        house.create(number)
    before = house.node.counters["journal.writes"]
    assert house.gateway.requeue(Requeue(at=T0, limit=2)) == 7
    assert house.node.counters["journal.writes"] - before == 4
    assert house.gateway.requeue(Requeue(merchant="ann", at=T0, limit=2)) == 0


def test_counts_and_gauges_have_dotted_names(house: House) -> None:
    house.create()
    counters = house.gateway.counters()
    assert (counters["watchers"], counters["sessions"]) == (1, 0)
    assert (counters["journal.events"], counters["journal.writes"]) == (1, 1)


def test_a_channel_that_a_stopped_journal_wrote_is_told_of_all_the_same(
    house: House,
) -> None:
    scope = ActorScope(
        house.stage.dispatcher,
        lambda _name: NotifiersActor(house.node, Vault(bytes(32)), None),  # type: ignore[arg-type]
    )
    house.node.notifiers = Ref(scope, "notifiers")
    house.node.notifiers.start()
    channel = Channel(id="c", url="https://shop", secret="none", created_at=T0)
    house.gateway.save_channel(channel)
    gevent.sleep(0)
    house.stage.run()
    assert house.node.counters["channels.sealed"] == 1


# -- what is read as it is ----------------------------------------------------------


def test_payments_and_events_are_read_as_they_were_asked_for(house: House) -> None:
    gateway, payment = house.gateway, house.create(external_id="order 1")
    other = house.create(2, merchant="ann")
    assert gateway.payments_of("order 1") == [payment]
    page = gateway.list_payments({}, None, 1)
    assert page.payments == (other,)
    assert gateway.list_payments({}, page.next_place, 5).payments == (payment,)
    assert gateway.list_payments({"merchant": "ann"}, None, 5).payments == (other,)
    after = gateway.command(payment, CLAIM)
    assert [stored.seq for stored in gateway.history(payment.id, 0, 9)] == [1, 2]
    assert [stored.seq for stored in gateway.history(payment.id, 1, 9)] == [2]
    assert [stored.seq for stored in gateway.history(payment.id, 0, 1)] == [1]
    assert after.seq == 2
    assert [stored.offset for stored in gateway.events_after(1, 9, None)] == [2, 3]
    assert [stored.offset for stored in gateway.events_after(0, 2, None)] == [1, 2]
    assert [stored.offset for stored in gateway.events_after(0, 9, "ann")] == [2]
    assert gateway.counted_outpoints([payment.terms.address]) == {}
    assert gateway.attempts("nothing", None, 5) == []


def test_time_and_freshness_are_those_of_the_node(house: House) -> None:
    assert house.gateway.now() == house.stage.clock.now()
    assert house.gateway.freshness() is house.stage.published.now.freshness
    assert house.gateway.health().freshness is house.gateway.freshness()


def test_an_edge_waits_ten_seconds_and_the_tree_one(house: House) -> None:
    assert (actors.edge.kept.ASK_S, actors.edge.tree.DESCRIBE_S) == (10.0, 1.0)


class Quiet:
    """A client's wire that keeps nothing."""

    closed = 0

    def has_room(self, _again: object) -> bool:
        return True

    def state(self, _payment: object, _since: object) -> bool:
        return True

    event = freshness = lambda self, _told: True
    problem = state

    def close(self, _code: int, _reason: str) -> None:
        self.closed += 1


def test_a_session_is_handled_through_what_the_edge_was_given(house: House) -> None:
    payment, wire = house.create(), Quiet()
    handle = house.gateway.open_session("test", wire)
    handle.follow(payment.id, None)
    handle.follow_all(0, "ann")
    house.stage.run()
    router: Any = house.node.router.actor
    (ref,) = router._sessions
    assert ref.name == "session.1.test"
    assert router._everyone == {ref: 2}
    assert router._all[ref][0] == "ann"
    handle.unfollow(payment.id)
    house.stage.run()
    assert router._everyone == {ref: 1}
    assert house.gateway.health().sessions == 1
    assert house.gateway.counters()["sessions"] == 1
    handle.close()
    house.stage.run()
    assert (house.gateway.health().sessions, wire.closed) == (0, 1)
    house.gateway.open_session("test", wire)
    house.stage.run()
    assert [ref.name for ref in router._sessions] == ["session.2.test"]
