"""Lightning connections over HTTP: how each stands, and a person's wish that it begin
anew.

Runs in the request's greenlet; asked of memory alone. The same live:
`transport/live/upstreams.py`.
"""

from typing import Any

from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.merchants.scopes import Scope
from transport.http.auth import Auth, Principal
from transport.http.bottle_app import answer, environ
from transport.http.openapi import Operation
from transport.http.problems import Problem
from transport.http.upstream_views import UpstreamPage, UpstreamView, upstream_page

__all__ = ["Upstreams"]


class Upstreams:
    """One method for each operation."""

    def __init__(self, gateway: Gateway, auth: Auth) -> None:
        self._gateway = gateway
        self._auth = auth

    @Operation(
        name="list_upstreams",
        method="GET",
        path="/v1/upstreams",
        scope=Scope.READ,
        tag="node",
        summary="The Lightning accounts and how their connections stand. A merchant's"
        " key sees those of its payments.",
        answers={200: UpstreamPage},
    )
    def list_upstreams(self) -> Any:
        return answer(self._page(self._auth.require(environ())))

    @Operation(
        name="reconnect_upstream",
        method="POST",
        path="/v1/upstreams/<name>/reconnect",
        scope=Scope.CREATE,
        tag="node",
        summary="Begin the connection of a Lightning account anew, now. Nothing that"
        " was paid meanwhile is missed.",
        answers={202: UpstreamView},
        problems=(404,),
    )
    def reconnect_upstream(self, name: str) -> Any:
        page = self._page(self._auth.require(environ()))
        view = next((one for one in page.data if one.name == name), None)
        if view is None or self._gateway.reconnect(name) is None:
            raise Problem(
                Code.UPSTREAM_NOT_FOUND, "There is no Lightning account of this name."
            )
        return answer(view, 202)

    def _page(self, principal: Principal) -> UpstreamPage:
        return upstream_page(
            self._gateway.upstreams(),
            principal.merchant,
            details=principal.merchant is None and principal.may(Scope.OPERATOR),
        )
