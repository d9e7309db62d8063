"""The live supervision tree over HTTP: who watches, how it is, and look now.

Runs in the request's greenlet.
"""

from typing import Any, Literal

import msgspec

from engine.bitcoin.address import parse_address
from engine.errors import InvalidAddress
from engine.errors.codes import Code
from engine.gateway import Gateway, WatcherState
from engine.merchants.scopes import Scope
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import answer, environ
from transport.http.cursors import read_text, text_cursor
from transport.http.inputs import NoFields
from transport.http.openapi import Operation
from transport.http.params import CursorQuery
from transport.http.problems import Problem
from transport.http.request_json import json_body, query, typed
from transport.http.views import PaymentView, iso_or_none, view

__all__ = ["Watchers"]


class WatcherView(msgspec.Struct, frozen=True, kw_only=True):
    """One watcher in the live supervision tree."""

    payment_id: str
    address: str
    status: str
    state: Literal["running", "restarting", "quarantined"]
    incarnation: int
    restarts: int
    backlog: int
    last_error: str | None
    seen_at: str | None
    next_poll_at: str | None
    next_deadline_at: str | None


class CoreView(msgspec.Struct, frozen=True, kw_only=True):
    """An actor that all watchers depend on."""

    name: str
    state: str
    incarnation: int
    backlog: int


class WatcherPage(msgspec.Struct, frozen=True, kw_only=True):
    """The supervision tree: `core` in order of dependence, and a page of watchers."""

    core: list[CoreView]
    data: list[WatcherView]
    next_cursor: str | None


class PollAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The chain is being checked; what is found is sent as events."""

    address: str
    payment_id: str


class Watchers:
    """One method for each operation."""

    def __init__(self, gateway: Gateway, auth: Auth, network: str) -> None:
        self._gateway = gateway
        self._auth = auth
        self._network = network

    @Operation(
        name="list_watchers",
        method="GET",
        path="/v1/watchers",
        scope=Scope.OPERATOR,
        tag="node",
        summary="The live supervision tree. Needs a key of the whole node.",
        query=CursorQuery,
        answers={200: WatcherPage},
    )
    def list_watchers(self) -> Any:
        self._auth.require(environ())
        asked = query(environ(), CursorQuery)
        after = read_text(asked.cursor) if asked.cursor is not None else ""
        found = self._gateway.watchers(asked.limit + 1, after)
        page = found[: asked.limit]
        more = len(found) > len(page)
        return answer(
            WatcherPage(
                core=[
                    CoreView(
                        name=core.name,
                        state=core.state,
                        incarnation=core.incarnation,
                        backlog=core.backlog,
                    )
                    for core in self._gateway.core()
                ],
                data=[_watcher_view(state) for state in page],
                next_cursor=text_cursor(page[-1].payment_id) if more else None,
            )
        )

    @Operation(
        name="get_watcher",
        method="GET",
        path="/v1/watchers/<address>",
        scope=Scope.READ,
        tag="node",
        summary="The watcher of an address.",
        answers={200: WatcherView},
        problems=(404,),
    )
    def get_watcher(self, address: str) -> Any:
        return answer(_watcher_view(self._watcher(address)))

    @Operation(
        name="poll_watcher",
        method="POST",
        path="/v1/watchers/<address>/poll",
        scope=Scope.CREATE,
        tag="node",
        summary="Check an address on the chain now.",
        request=NoFields,
        body_may_be_absent=True,
        answers={202: PollAccepted},
        problems=(404,),
    )
    def poll_watcher(self, address: str) -> Any:
        state = self._watcher(address, takes_body=True)
        if not self._gateway.poll(state.address):
            raise _not_watched()
        accepted = PollAccepted(address=state.address, payment_id=state.payment_id)
        return answer(accepted, 202)

    @Operation(
        name="release_address",
        method="POST",
        path="/v1/watchers/<address>/release",
        scope=Scope.OPERATOR,
        tag="node",
        summary="Take an address from the payment that holds it, so that another"
        " merchant's payment can have it. A payment that is not paid in full is"
        " cancelled; what comes in afterwards is not counted for it.",
        request=NoFields,
        body_may_be_absent=True,
        answers={200: PaymentView},
        problems=(404, 409),
    )
    def release_address(self, address: str) -> Any:
        principal = self._auth.require(environ())
        typed(json_body(environ(), may_be_empty=True), NoFields)
        wanted = _parsed(address, self._network)
        released = self._gateway.release(wanted, principal.key_id)
        if released is None:
            raise _not_watched()
        return answer(view(released))

    def _watcher(self, text: str, *, takes_body: bool = False) -> WatcherState:
        """The watcher, if it is there for this caller: others' are not (404)."""
        principal = self._auth.require(environ())
        if takes_body:
            typed(json_body(environ(), may_be_empty=True), NoFields)
        state = self._gateway.watcher(_parsed(text, self._network))
        if state is None or not self._is_own(state, principal):
            raise _not_watched()
        return state

    def _is_own(self, state: WatcherState, principal: Principal) -> bool:
        if principal.merchant is None:
            return True
        payment = self._gateway.payment(state.payment_id)
        return payment is not None and principal.may_see(payment.terms.merchant)


def _parsed(text: str, network: str) -> str:
    """The address in its normal form. Raises `Problem` 404."""
    try:
        return parse_address(text, network).text
    except InvalidAddress as error:
        raise _not_watched() from error


def _not_watched() -> Problem:
    return Problem(Code.WATCHER_NOT_FOUND, "No payment is watched at this address.")


def _watcher_view(state: WatcherState) -> WatcherView:
    values = msgspec.structs.asdict(state)
    for name in ("seen_at", "next_poll_at", "next_deadline_at"):
        values[name] = iso_or_none(values[name])
    return WatcherView(**values)
