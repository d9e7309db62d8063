"""A real supervisor on a stage, and what it is asked for."""

from typing import Any

import pytest

from actors.messages import CreatePayments
from actors.watching.supervisor import SupervisorActor
from engine.bitcoin.address import script_to_address
from engine.payment.model import Terms
from engine.runtime.clock import Timer
from engine.runtime.ref import ActorScope, Ref
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import terms

__all__ = ["asked", "created", "supervised", "timers"]


def asked(number: int, **changes: Any) -> Terms:
    address = script_to_address(b"\0\x14" + number.to_bytes(20, "big"), "regtest")
    return terms(**({"id": f"p{number:04}", "address": address} | changes))


def supervised(stage: ActorStage) -> Ref:
    scope = ActorScope(
        stage.dispatcher,
        lambda _name: SupervisorActor(stage.node, stage.book, stage.booted),
    )
    supervisor = stage.node.supervisor = Ref(scope, "supervisor")
    supervisor.start()
    stage.run()
    return supervisor


def created(stage: ActorStage, supervisor: Ref, *agreed: Terms, **how: Any) -> Any:
    answers: list[Any] = []
    supervisor.tell(CreatePayments(agreed, answers.append, **how))
    stage.run()
    (answer,) = answers
    return answer


def timers(
    stage: ActorStage, patch: pytest.MonkeyPatch, kind: type[object]
) -> list[float]:
    found: list[float] = []
    original = stage.clock.call_later

    def counted(delay_s: float, ref: Ref, message: object) -> Timer:
        if isinstance(message, kind):
            found.append(delay_s)
        return original(delay_s, ref, message)

    patch.setattr(stage.clock, "call_later", counted)
    return found
