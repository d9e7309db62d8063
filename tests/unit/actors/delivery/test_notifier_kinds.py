"""What is particular to a kind, as the notifier does it: moves, rests, turns, reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.delivery.attempt import AttemptOutcome, SendResult
from engine.delivery.channel import Channel
from engine.delivery.endpoint import Endpoint, kept_settings
from engine.delivery.kinds import KINDS
from engine.delivery.telegram import TelegramSettings
from engine.payment.model import Payment
from tests.unit.actor_stage import ActorStage
from tests.unit.actors.delivery.street import VAULT, Street
from tests.unit.payment_cases import T0

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
O = AttemptOutcome  # noqa: E741


class Chats:
    """The sender's port: chats that answer as the test says."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []  # chat, payment
        self.under_way = self.most_under_way = 0
        self.plan: list[SendResult] = []
        self.payments: list[Payment | None] = []

    def send(
        self,
        endpoint: Endpoint,
        _msg_id: str,
        _body: bytes,
        _now_s: int,
        payment: Payment | None = None,
    ) -> SendResult:
        assert isinstance(endpoint.settings, TelegramSettings)
        assert payment is not None
        self.payments.append(payment)
        self.told.append((endpoint.settings.chat_id, payment.id))
        if self.plan:
            return self.plan.pop(0)
        return SendResult(O.DELIVERED, 200, None, None, 1.0)


@pytest.fixture(params=range(3))
def street(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Street]:
    stage = ActorStage(tmp_path, seed=request.param)
    made = Street(stage)
    made.shop = Chats()  # type: ignore[assignment]
    actor: Any = made.ref.actor
    actor._sender = made.shop
    yield made
    stage.close()


def open_chat(street: Street, **changes: object) -> Channel:
    given = {"bot_token": TOKEN, "chat_id": "-7"}
    kept = kept_settings(KINDS["telegram"], given, VAULT, "tg")
    base: dict[str, object] = {"kind": "telegram", "url": "", "secret": "", **kept}
    return street.channel("tg", **base | changes)


def chats(street: Street) -> Chats:
    assert isinstance(street.shop, Chats)
    return street.shop


def outcomes(street: Street) -> list[str]:
    log = street.stage.store.attempts("tg", None, 100)
    return [entry.outcome for entry in reversed(log)]


def test_the_sender_gets_the_payment_of_a_kind_that_wants_it(street: Street) -> None:
    open_chat(street)
    street.stage.create("p")
    street.stage.run()
    (payment,) = chats(street).payments
    assert payment is not None
    assert payment.terms == street.stage.payment("p").terms


def test_a_chat_that_moved_is_kept_before_it_is_told_there(street: Street) -> None:
    open_chat(street)
    moved = SendResult(O.MOVED, 400, "moved", None, 1.0, {"chat_id": "-1007"})
    chats(street).plan = [moved]
    street.stage.create("p")
    street.stage.pass_s(10)
    street.grow("p")
    assert [chat for chat, _ in chats(street).told][:2] == ["-7", "-1007"]
    assert {chat for chat, _ in chats(street).told[1:]} == {"-1007"}
    assert street.state("tg").settings["chat_id"] == "-1007"
    assert outcomes(street)[:2] == ["moved", "delivered"]


def test_an_endpoint_that_moves_for_ever_is_given_up(street: Street) -> None:
    open_chat(street, schedule_s=(0.0, 0.0, 0.0))
    chats(street).plan = [
        SendResult(O.MOVED, 400, "moved", None, 1.0, {"chat_id": f"-{n}"})
        for n in range(1, 9)
    ]
    street.stage.create("p")
    street.stage.pass_s(60)
    assert outcomes(street) == ["moved"] * 3
    assert street.stage.store.outbox_counts() == {"dead": 1}
    assert street.state("tg").enabled


def test_a_channel_that_rests_is_told_all_it_was_owed_when_it_is_enabled(
    street: Street,
) -> None:
    channel = open_chat(street)
    blocked = SendResult(O.RESTED, 403, "bot was blocked", None, 1.0)
    chats(street).plan = [blocked]
    street.stage.create("p")
    street.stage.pass_s(600)
    assert chats(street).told == [("-7", "p")], "nothing is tried while it rests"
    resting = street.state("tg")
    assert (resting.enabled, resting.disabled_reason) == (False, "bot was blocked")
    assert outcomes(street) == ["rested"]
    street.channel("tg", **{
        name: getattr(channel, name) for name in Channel.__struct_fields__
    })  # fmt: skip
    street.stage.pass_s(10)
    assert outcomes(street) == ["rested", "delivered"]


def test_a_message_that_is_refused_for_good_holds_nothing_back(street: Street) -> None:
    open_chat(street)
    chats(street).plan = [SendResult(O.REFUSED, 400, "too long", None, 1.0)]
    street.stage.create("p")
    street.grow("p")
    street.stage.pass_s(1)
    assert outcomes(street)[:2] == ["refused", "delivered"]
    assert street.state("tg").enabled


def test_a_chat_is_told_one_message_at_a_time(street: Street) -> None:
    assert KINDS["telegram"].workers == 1
    open_chat(street)
    for number in range(5):
        street.stage.create(f"p{number}")
    actor: Any = street.ref.actor
    notifier: Any = actor._channels["tg"][1].actor
    assert notifier._senders._size == 1
    street.stage.run()
    assert len(chats(street).told) == 5


def test_a_channel_of_a_later_version_of_events_rests_and_says_why(
    street: Street,
) -> None:
    open_chat(street, event_version=2, created_at=T0)
    street.stage.create("p")
    street.stage.pass_s(10)
    assert chats(street).told == []
    resting = street.state("tg")
    assert not resting.enabled
    assert "version 2" in str(resting.disabled_reason)
