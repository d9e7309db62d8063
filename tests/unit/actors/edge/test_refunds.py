"""A step of a refund that is committed is told of, whoever still waits for it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from actors.edge.gateway import ActorGateway
from actors.messages import RefundMoved
from engine.errors import EngineBusy, Refused
from engine.payment.refund import Refund, RefundState
from engine.payment.refund_rules import cancelled
from engine.store.writes import Committed, Conflict, Outcome, Write
from engine.wallet.outgoing import Outgoing, OutgoingKind, OutgoingState
from tests.unit.engine.store.outgoing_cases import coin, outgoing
from tests.unit.engine.store.refund_cases import refund


class Stage:
    """A node whose journal answers when the test says so."""

    def __init__(self) -> None:
        self.told: list[RefundMoved] = []
        self.replies: list[Any] = []

        def append(_write: Write, reply: Any) -> None:
            self.replies.append(reply)

        node: Any = SimpleNamespace(
            append=append, refunds=SimpleNamespace(tell=self.told.append)
        )
        store: Any = None
        wallets: Any = object()
        self.gateway = ActorGateway(node, store, wallets=wallets)

    def claim(self) -> None:
        before = refund(1)
        after = Refund(
            id=before.id,
            payment_id=before.payment_id,
            merchant=before.merchant,
            state=RefundState.PENDING,
            amount_sat=before.amount_sat,
            rate=before.rate,
            created_at=before.created_at,
            address="somewhere",
        )
        with pytest.raises(EngineBusy) as late:
            self.gateway.move_refund(before, after)
        assert late.value.unknown


@pytest.mark.parametrize(
    ("outcome", "is_told"),
    [(Committed(), True), (Conflict("refund", "not open any more"), False)],
)
def test_a_claim_that_is_committed_after_the_time_out_is_heard_of(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, is_told: bool
) -> None:
    """Else nobody would watch its address until the node starts anew."""
    monkeypatch.setattr("actors.edge.kept.ASK_S", 0.0)
    stage = Stage()
    stage.claim()
    assert stage.told == []
    for reply in stage.replies:
        reply(outcome)
    assert stage.told == ([RefundMoved("ref_000001")] if is_told else [])


class Kept:
    """A store that has transactions of one refund."""

    def __init__(self, *made: Outgoing) -> None:
        self._made = {one.id: one for one in made}

    def outgoing(self, name: str) -> Outgoing | None:
        return self._made.get(name)

    def outgoing_family(self, family: str) -> list[Outgoing]:
        return [one for one in self._made.values() if one.family == family]


def tried(number: int, **more: Any) -> Outgoing:
    made = outgoing(number, kind=OutgoingKind.REFUND, cause=refund(1).id)
    return replace(made, state=OutgoingState.FAILED, **more)


@pytest.mark.parametrize(
    ("made", "may_be"),
    [
        ([], True),
        ([tried(1)], False),
        ([tried(1, lost=(coin(1).outpoint,))], True),
        ([tried(1, is_open=False)], True),
        ([tried(2), tried(1, lost=(coin(1).outpoint,), instead_of=("out_000002",))],
         False),
    ],
)  # fmt: skip
def test_what_a_miner_may_yet_take_is_not_withdrawn(
    monkeypatch: pytest.MonkeyPatch, made: list[Outgoing], *, may_be: bool
) -> None:
    monkeypatch.setattr("actors.edge.kept.ASK_S", 0.0)
    stage = Stage()
    stage.gateway._store = cast("Any", Kept(*made))
    before = replace(
        refund(1), state=RefundState.PENDING, outgoing_id="out_000001" if made else ""
    )
    after = cancelled(before, 5, "api", is_psbt_void=False)
    with pytest.raises(EngineBusy if may_be else Refused):
        stage.gateway.move_refund(before, after)
    assert bool(stage.replies) is may_be
