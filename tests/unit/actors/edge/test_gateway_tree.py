"""What the way in says of the tree: watchers, the core, sources."""

import gevent
import pytest

import actors.edge.tree
from actors.messages import DescribeSources, PollNow
from engine.runtime.actor import Actor
from engine.runtime.ref import ActorScope, Ref
from tests.unit.actor_stage import Inbox
from tests.unit.actors.edge.house import House


def test_a_watcher_describes_itself(house: House) -> None:
    payment = house.create()
    state = house.gateway.watcher(payment.terms.address)
    assert state is not None
    assert (state.payment_id, state.address) == (payment.id, payment.terms.address)
    assert (state.state, state.status, state.incarnation) == ("running", "pending", 1)
    assert (state.restarts, state.last_error, state.seen_at) == (0, None, None)
    assert state.next_poll_at is not None
    assert state.next_deadline_at == payment.terms.expires_at
    assert house.store.asked == []
    assert house.gateway.watcher("nowhere") is None


def test_a_watcher_that_crashed_is_shown_with_its_last_error(house: House) -> None:
    payment = house.create()
    house.crash(payment, 1)
    state = house.gateway.watcher(payment.terms.address)
    assert state is not None
    assert (state.state, state.incarnation, state.restarts) == ("running", 2, 1)
    assert "a bug" in (state.last_error or "")
    assert house.gateway.health().quarantined == 0


def test_a_watcher_in_quarantine_is_shown_and_a_poll_wakes_it(house: House) -> None:
    payment = house.create()
    house.crash(payment, 2)
    state = house.gateway.watcher(payment.terms.address)
    assert state is not None
    assert (state.state, state.status) == ("quarantined", "pending")
    assert (state.next_poll_at, house.gateway.health().quarantined) == (None, 1)
    (alert,) = house.gateway.alerts()
    assert (alert.kind, alert.subject) == ("watcher.quarantined", payment.id)
    assert house.gateway.poll(payment.terms.address)
    house.stage.run()
    state = house.gateway.watcher(payment.terms.address)
    assert state is not None
    assert (state.state, house.gateway.health().quarantined) == ("running", 0)
    assert house.gateway.alerts() == ()
    assert "a bug" in (state.last_error or "")


def test_between_a_crash_and_the_restart_a_watcher_is_restarting(
    house: House,
) -> None:
    payment = house.create()
    house.watcher(payment).kill(RuntimeError("a bug"))
    house.stage.run()
    state = house.gateway.watcher(payment.terms.address)
    assert state is not None
    assert (state.state, state.restarts) == ("restarting", 0)


def test_a_watcher_that_is_busy_does_not_hold_up_the_tree(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors.edge.tree, "DESCRIBE_S", 3_600.0)
    busy, free, gone = (house.create(number) for number in (1, 2, 3))
    house.watcher(gone).kill(RuntimeError("a bug"))
    house.watcher(busy).suspend(lambda _answer: None)
    states = {s.payment_id: s for s in house.gateway.watchers(10)}
    assert states[busy.id].next_poll_at is None
    assert states[busy.id].status == "pending"
    assert states[free.id].next_poll_at is not None
    assert states[gone.id].state == "restarting"


def test_a_watcher_that_never_answers_is_waited_for_a_moment(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors.edge.tree, "DESCRIBE_S", 0.01)
    payment = house.create()
    silent = Ref(ActorScope(house.stage.dispatcher, lambda _name: Inbox()), payment.id)
    silent.start()
    house.stage.book.add(silent, payment.terms.address)
    state = house.gateway.watcher(payment.terms.address)
    assert state is not None
    assert (state.status, state.seen_at) == ("pending", None)


def test_watchers_come_in_pages_in_the_order_of_their_ids(house: House) -> None:
    for number in (3, 1, 2):
        house.create(number)
    first = house.gateway.watchers(2)
    assert [state.payment_id for state in first] == ["p1", "p2"]
    assert [s.payment_id for s in house.gateway.watchers(2, after="p2")] == ["p3"]


def test_a_poll_of_an_address_reaches_its_watcher(house: House) -> None:
    payment = house.create()
    silent = Inbox()
    ref = house.stage.start(payment.id, silent)
    house.stage.book.add(ref, payment.terms.address)
    assert house.gateway.poll(payment.terms.address)
    gevent.sleep(0)
    house.stage.run()
    assert [type(message) for message in silent.got] == [PollNow]
    assert not house.gateway.poll("nowhere")


def test_the_core_is_listed_in_the_order_of_dependence(house: House) -> None:
    names = [state.name for state in house.gateway.core()]
    assert names == ["reader", "journal", "router", "source", "notifiers", "supervisor"]
    house.node.router.kill()
    states = {state.name: state.state for state in house.gateway.core()}
    assert (states["router"], states["journal"]) == ("restarting", "running")
    house.node.router.start()
    lives = {state.name: state.incarnation for state in house.gateway.core()}
    assert (lives["router"], lives["journal"]) == (2, 1)
    assert {state.backlog for state in house.gateway.core()} == {0}
    house.node.source.tell("something")
    backlogs = {state.name: state.backlog for state in house.gateway.core()}
    assert (backlogs["source"], backlogs["journal"]) == (1, 0)


def test_sources_describe_themselves(house: House) -> None:
    class Source(Actor):
        def on_receive(self, message: object) -> None:
            if isinstance(message, DescribeSources):
                message.reply(("a source",))

    house.node.source = house.stage.start("source", Source())
    assert list(map(str, house.gateway.sources())) == ["a source"]
