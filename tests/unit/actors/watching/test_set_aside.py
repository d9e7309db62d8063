"""One damaged row is set aside by name, and does not stop the node."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import CreatePayments
from actors.watching.supervisor import PAYMENTS_PER_PAGE, SupervisorActor
from engine.bitcoin.address import script_to_address
from engine.payment.events import opening
from engine.payment.model import Payment, Terms
from engine.runtime.ref import ActorScope, Ref
from engine.store.sqlite import outbox
from engine.store.writes import ApiKey, ChannelRow, Conflict, Entry, Write
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import T0, terms


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ActorStage]:
    staged = ActorStage(tmp_path)
    yield staged
    staged.close()


def asked(number: int, name: str = "p") -> Terms:
    address = script_to_address(b"\0\x14" + number.to_bytes(20, "big"), "regtest")
    assert address is not None
    return terms(id=f"{name}{number}", address=address)


def made(stage: ActorStage, count: int) -> list[str]:
    for number in range(count):
        event, payment = opening(asked(number))
        stage.journal.commit([Write((Entry(payment, (event,)),))])
    return [f"p{number}" for number in range(count)]


def spoil(stage: ActorStage, statement: str) -> None:
    assert stage.journal.connection.execute(statement).rowcount == 1


def started(stage: ActorStage) -> Ref:
    scope = ActorScope(
        stage.dispatcher,
        lambda _name: SupervisorActor(stage.node, stage.book, stage.booted),
    )
    supervisor = stage.node.supervisor = Ref(scope, "supervisor")
    supervisor.start()
    stage.run()
    return supervisor


@pytest.mark.parametrize("damage", ["state = x'00'", "state = '{}'", "crc = crc + 1"])
@pytest.mark.parametrize("number", [0, PAYMENTS_PER_PAGE - 1, PAYMENTS_PER_PAGE])
def test_a_damaged_payment_is_named_and_all_others_are_watched(
    stage: ActorStage, number: int, damage: str
) -> None:
    """Also the last of a page, by which the next one is found."""
    names = made(stage, PAYMENTS_PER_PAGE + 2)
    spoil(stage, f"UPDATE payments SET {damage} WHERE id = 'p{number}'")  # noqa: S608
    supervisor = started(stage)
    assert stage.booted.now
    watched = {ref.name for ref in stage.book.values()}
    assert watched == {*names} - {f"p{number}"}
    (alert,) = stage.node.alerts.standing()
    assert (alert.kind, alert.subject) == ("payment.damaged", f"p{number}")
    assert "paybell replay" in alert.detail
    answers: list[Any] = []
    again = asked(number, "again")
    supervisor.tell(CreatePayments((again, asked(9_999)), answers.append))
    stage.run()
    ((taken, fresh),) = answers
    assert isinstance(taken, Conflict), "its address is free for no other"
    assert isinstance(fresh, Payment)


def test_a_damaged_key_opens_nothing_and_the_others_open_what_they_did(
    stage: ActorStage,
) -> None:
    for name in ("key_1", "key_2"):
        row = ApiKey(name, "till", None, name.encode() * 6, T0, ("read",))
        stage.journal.commit([Write(rows=(row,))])
    spoil(stage, "UPDATE api_keys SET merchant = 'cafe' WHERE id = 'key_1'")
    found = {key.id: key for key in stage.store.api_keys()}
    assert not found["key_2"].is_damaged
    bad = found["key_1"]
    assert (bad.is_damaged, bad.hash, bad.scopes) == (True, b"", ())
    assert bad.revoked_at
    assert "key_1 is not as it was written" in bad.name


def test_a_damaged_channel_is_told_nothing_and_the_others_go_on(
    stage: ActorStage, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("ch_1", "ch_2"):
        row = ChannelRow(name, "*", True, (), T0, b"{}")
        stage.journal.commit([Write(rows=(row,))])
    spoil(stage, "UPDATE channels SET state = x'7b7d7d' WHERE id = 'ch_1'")
    assert [channel.id for channel in stage.store.channels()] == ["ch_2"]
    assert outbox.damaged_channels(stage.journal.connection) == ["ch_1"]
    assert "channel.damaged channel=ch_1" in caplog.text
