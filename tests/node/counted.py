"""Before a real node's RPC: a proxy that counts what is asked, by method."""

import json
from types import TracebackType
from typing import Any, Self

import requests

from tests.node.rpc import RpcNode
from tests.tools import fake_upstream as fake
from tests.tools.fake_upstream import Answer, Request, Upstream
from tests.tools.wait import PATIENCE

__all__ = ["CountedNode"]


class CountedNode:
    """`url` is the node's, by way of the proxy; `calls` counts what is asked."""

    def __init__(self, node: RpcNode) -> None:
        self.node = node
        self.calls: dict[str, int] = {}
        self._session = requests.Session()
        self._session.trust_env = False
        self._proxy = Upstream(self._answer)

    def __enter__(self) -> Self:
        self._proxy.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._proxy.__exit__(kind, error, trace)
        self._session.close()

    @property
    def url(self) -> str:
        credentials = self.node.url.split("//", 1)[1].rpartition("@")[0]
        return f"http://{credentials}@127.0.0.1:{self._proxy.port}"

    def _answer(self, request: Request) -> Answer:
        asked = request.json()
        if not isinstance(asked, list):
            return fake.of(self._counted(asked, request))
        return fake.of([self._counted(call, request) for call in asked])

    def _counted(self, call: dict[str, Any], request: Request) -> Any:
        method = call["method"]
        self.calls[method] = self.calls.get(method, 0) + 1
        return self._reply(call, request)

    def _reply(self, call: dict[str, Any], request: Request) -> Any:
        """The node's own."""
        answer = self._session.post(
            f"http://{self.node.url.rpartition('@')[2]}",
            data=json.dumps(call),
            headers={"Authorization": request.headers["authorization"]},
            timeout=60 * PATIENCE,
        )
        return answer.json()
