"""What tills pass on, over HTTP: how each forward stands, and a person's two words.

Runs in the request's greenlet.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.lightning.till import NEVER, TillForward, TillState
from engine.merchants.name import DEFAULT
from engine.merchants.scopes import Scope
from engine.payment.events import iso
from transport.bodies.problem_body import FieldError
from transport.http.auth import Auth
from transport.http.bottle_app import answer, environ
from transport.http.openapi import Operation, link
from transport.http.params import Query
from transport.http.problems import Problem, invalid
from transport.http.request_json import query

__all__ = ["TillForwards"]

PER_PAGE = 50


class TillForwardsQuery(Query):
    """Of one merchant."""

    merchant: Annotated[
        str | None, Meta(description="a key of the node may name one; absent: default")
    ] = None
    cursor: Annotated[
        str,
        Meta(max_length=64, description="`next_cursor` of a page; absent: the newest"),
    ] = ""
    before: Annotated[
        str,
        Meta(max_length=64, description="the older word for cursor: a forward's id"),
    ] = ""


class TillForwardView(msgspec.Struct, frozen=True, kw_only=True):
    """One forward. `gross_sat` of the payment is what came; `net_sat` is that without
    what the till's node kept (its fee) and `credit_sat`, which cannot be spent;
    `amount_sat` is what the target gets, and `fee_sat` what the network took of the
    rest. `next_at`: when it goes on, or is looked at again, if it is stuck or was given
    up; null: when a person says so, or never.
    """

    id: str
    payment_id: str
    state: TillState
    source: str
    target: str
    net_sat: int
    credit_sat: int
    amount_sat: int
    fee_sat: int
    payment_hash: str | None
    former_payment_hashes: tuple[str, ...]
    attempts: int
    reason: str | None
    created_at: str
    moved_at: str
    next_at: str | None


class TillForwardsView(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first, fifty at most. `next_cursor`: where older ones begin; null:
    there are none."""

    paused: bool
    data: tuple[TillForwardView, ...]
    next_cursor: str | None


class TillForwards:
    """One method for each operation."""

    def __init__(self, gateway: Gateway, auth: Auth) -> None:
        self._gateway = gateway
        self._auth = auth

    @Operation(
        name="list_till_forwards",
        method="GET",
        path="/v1/forwarding/lightning",
        scope=Scope.READ,
        tag="node",
        summary="What was, or is to be, passed on of a merchant's Lightning payments.",
        query=TillForwardsQuery,
        answers={200: TillForwardsView},
        links={"next": link("list_till_forwards", "cursor", "/next_cursor")},
    )
    def list_till_forwards(self) -> Any:
        principal = self._auth.require(environ())
        asked = query(environ(), TillForwardsQuery)
        merchant = asked.merchant or principal.merchant or DEFAULT
        if not principal.may_see(merchant):
            raise Problem(Code.FORBIDDEN, "This key sees its own merchant only.")
        if asked.cursor and asked.before:
            raise invalid(FieldError("?before", "must be left out beside cursor"))
        place = asked.cursor or asked.before
        found = self._gateway.till_forwards_of(merchant, place, PER_PAGE + 1)
        page = found[:PER_PAGE]
        return answer(
            TillForwardsView(
                paused=self._gateway.forwarding_paused() is not None,
                data=tuple(_shown(one) for one in page),
                next_cursor=page[-1].id if len(found) > len(page) else None,
            )
        )

    @Operation(
        name="resume_till_forward",
        method="POST",
        path="/v1/forwarding/lightning/<forward_id>/resume",
        scope=Scope.OPERATOR,
        tag="node",
        summary="Go on with a forward that is stuck, waits, was left or given up. Both"
        " nodes are asked again before anything is paid.",
        answers={202: TillForwardView},
        problems=(404, 409),
    )
    def resume(self, forward_id: str) -> Any:
        after = self._gateway.resume_till_forward(self._seen(forward_id))
        if after is None:
            raise _too_late("It has arrived, or moved on in this moment.")
        return answer(_shown(after), 202)

    @Operation(
        name="give_up_till_forward",
        method="POST",
        path="/v1/forwarding/lightning/<forward_id>/give_up",
        scope=Scope.OPERATOR,
        tag="node",
        summary="Leave the money of a forward at the till. Refused while it may be on"
        " its way.",
        answers={202: TillForwardView},
        problems=(404, 409),
    )
    def give_up(self, forward_id: str) -> Any:
        after = self._gateway.give_up_till_forward(self._seen(forward_id))
        if after is None:
            raise _too_late(
                "It is over, or its money may be on its way: an invoice that was tried"
                " must run out first."
            )
        return answer(_shown(after), 202)

    def _seen(self, forward_id: str) -> TillForward:
        """Raises `Problem` 404."""
        principal = self._auth.require(environ())
        forward = self._gateway.till_forward(forward_id)
        if forward is None or not principal.may_see(forward.merchant):
            raise Problem(Code.FORWARD_NOT_FOUND, "There is no such forward.")
        return forward


def _too_late(why: str) -> Problem:
    return Problem(Code.WRONG_PAYMENT_STATE, why)


def _shown(forward: TillForward) -> TillForwardView:
    is_waited_for = forward.is_open and forward.next_at < NEVER
    return TillForwardView(
        id=forward.id,
        payment_id=forward.payment_id,
        state=forward.state,
        source=forward.source,
        target=forward.target,
        net_sat=forward.net_sat,
        credit_sat=forward.credit_sat,
        amount_sat=forward.amount_sat,
        fee_sat=forward.fee_sat,
        payment_hash=forward.payment_hash or None,
        former_payment_hashes=forward.former,
        attempts=forward.attempts,
        reason=forward.reason or None,
        created_at=iso(forward.at),
        moved_at=iso(forward.moved_at or forward.at),
        next_at=iso(forward.next_at) if is_waited_for else None,
    )
