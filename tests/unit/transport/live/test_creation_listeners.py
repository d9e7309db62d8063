"""Who waits for a payment that is not made yet hears of it, and nobody else."""

import msgspec

from engine.payment.changed import Changed, TextMoved
from engine.payment.events import Change, CommittedEvent, opening
from engine.payment.model import EventType
from tests.tools.wait import wait_until
from tests.unit.transport.live.stage import FakeGateway, terms_of
from transport.live.creation_listeners import CreationListeners


def anybody(_merchant: str) -> bool:
    return True


def created(external_id: str, payment_id: str = "pay_1", **more: object) -> object:
    event, _ = opening(terms_of(payment_id, external_id))
    return CommittedEvent(77, msgspec.structs.replace(event, **more), "default", b"{}")


def listening() -> tuple[CreationListeners, FakeGateway, list[str]]:
    gateway = FakeGateway()
    listeners = CreationListeners(gateway)  # type: ignore[arg-type]
    heard: list[str] = []
    listeners.add("order-1", anybody, heard.append)
    return listeners, gateway, heard


def test_one_session_follows_all_from_where_the_journal_stands() -> None:
    listeners, gateway, heard = listening()
    listeners.add("order-2", anybody, heard.append)
    (session,) = gateway.sessions
    assert session.all_after == [41]
    assert session.sink.event(created("order-1"))
    assert session.sink.event(created("order-2", "pay_2"))
    assert session.sink.event(created("order-3", "pay_3"))
    assert heard == ["pay_1", "pay_2"]


def test_only_the_creation_of_a_payment_is_told() -> None:
    _, gateway, heard = listening()
    (session,) = gateway.sessions
    assert session.sink.event(created("order-1", type=EventType.DETECTED))
    assert heard == []


def test_a_payment_that_gets_the_number_is_told_too() -> None:
    """A shop may give a payment another order number later."""
    _, gateway, heard = listening()
    (session,) = gateway.sessions
    for told in (
        Changed(external_id=TextMoved("order-9", "order-1")),
        Changed(external_id=TextMoved("order-1", "order-8")),
        Changed(external_id=TextMoved("order-1", None)),
        Changed(description=TextMoved(None, "order-1")),
    ):
        about = Change(changed=told)
        assert session.sink.event(
            created("order-1", type=EventType.UPDATED, data=about)
        )
    assert heard == ["pay_1"]


def test_who_wants_one_merchant_hears_of_no_other() -> None:
    listeners, _, of_all = listening()
    theirs: list[str] = []
    listeners.add("order-1", "theirs".__eq__, theirs.append)
    listeners.created("pay_1", "order-1", "default")
    listeners.created("pay_2", "order-1", "theirs")
    assert of_all == ["pay_1", "pay_2"]
    assert theirs == ["pay_2"]


def test_the_session_ends_when_nobody_waits_and_begins_anew_for_the_next() -> None:
    gateway = FakeGateway()
    listeners = CreationListeners(gateway)  # type: ignore[arg-type]
    heard: list[str] = []
    one, other = heard.append, heard.append
    listeners.add("order-1", anybody, one)
    listeners.add("order-2", anybody, other)
    listeners.remove("order-1", one)
    (session,) = gateway.sessions
    assert not session.closed
    assert len(listeners) == 1
    listeners.remove("order-2", other)
    assert session.closed
    assert len(listeners) == 0
    listeners.created("pay_1", "order-1", "default")
    assert heard == []
    listeners.add("order-3", anybody, one)
    assert len(gateway.sessions) == 2


def test_a_saved_card_is_shown_to_who_asks_in_the_same_session() -> None:
    listeners, gateway, heard = listening()
    cards: list[object] = []
    saved = created("order-1", type=EventType.TOKEN_SAVED)
    (session,) = gateway.sessions
    assert session.sink.event(saved)
    listeners.listen_for_cards(cards.append)
    assert session.sink.event(saved)
    assert session.sink.event(created("order-1"))
    assert (cards, heard) == ([saved], ["pay_1"])
    listeners.remove("order-1", heard.append)
    assert not session.closed
    listeners.forget_cards()
    assert session.closed
    assert len(gateway.sessions) == 1


def test_a_session_for_cards_alone_goes_on_when_it_was_ended() -> None:
    gateway = FakeGateway()
    listeners = CreationListeners(gateway)  # type: ignore[arg-type]
    cards: list[object] = []
    listeners.listen_for_cards(cards.append)
    (first,) = gateway.sessions
    assert first.sink.event(created("order-9"))
    first.sink.close(1011, "gone")
    wait_until(lambda: len(gateway.sessions) > 1, 30, "the session to be opened again")
    assert gateway.sessions[1].all_after == [77]
    assert gateway.sessions[1].sink.event(created("x", type=EventType.TOKEN_SAVED))
    assert len(cards) == 1


def test_a_session_that_was_ended_goes_on_behind_what_it_had_seen() -> None:
    listeners, gateway, heard = listening()
    (first,) = gateway.sessions
    assert first.sink.event(created("order-9"))
    first.sink.close(1011, "gone")
    first.sink.close(1011, "twice")  # nothing more comes of it
    wait_until(lambda: len(gateway.sessions) > 1, 30, "the session to be opened again")
    second = gateway.sessions[1]
    assert second.all_after == [77]
    first.sink.close(1011, "late: not ours any more")
    assert second.sink.event(created("order-1"))
    assert heard == ["pay_1"]
    assert len(gateway.sessions) == 2
    listeners.add("order-9", anybody, heard.append)
    assert len(gateway.sessions) == 2  # the second is the one, and stays it
