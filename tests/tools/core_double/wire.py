"""HTTP and JSON-RPC of the double (httpserver.cpp, httprpc.cpp, rpc/request.cpp).

The order in which Core looks: the client's address (403), the path (404), room in the
work queue (503; 500 before Core 22), POST (405), credentials (401, after a quarter of a
second), the user's whitelist (403 for a whole batch), and then the calls. Errors of a
single call in JSON-RPC 1 come as HTTP errors; those of a batch, and of JSON-RPC 2 where
it is known (Core 28), with 200.
"""

import base64
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from gevent.lock import BoundedSemaphore

from tests.tools import fake_upstream as fake
from tests.tools.core_double.methods import METHOD_NOT_FOUND, RpcFailure
from tests.tools.fake_upstream import Answer, Request

if TYPE_CHECKING:
    from tests.tools.core_double.node import CoreDouble

__all__ = ["Wire"]

INVALID_REQUEST = -32600
PARSE_ERROR = -32700
WRONG_PASSWORD_S = 0.25  # "Deter brute-forcing"


class Wire:
    """The HTTP server. What it was asked is counted; how it is set is public."""

    def __init__(self, node: "CoreDouble") -> None:
        self._node = node
        self.path = "/"  # a hosted node has its token here
        self.asks_for_user = True  # a hosted one does not
        self.rpcallowip = True  # False: our address is not in it
        self.whitelist: dict[str, set[str]] = {}  # user -> methods
        self.whitelist_default = False  # True: others may call nothing
        self.threads, self.work_queue = 4, 16  # -rpcthreads, -rpcworkqueue
        self.takes_s: dict[str, float] = {}  # method -> how long; "*": each other one
        self.calls: Counter[str] = Counter()
        self.under_way = 0  # requests in the queue or with a thread
        self.most_under_way = 0
        self._workers = BoundedSemaphore(self.threads)

    def answer(self, request: Request) -> Answer:
        if not self.rpcallowip:
            return fake.text("", 403)
        if request.path != self.path:
            return fake.text("", 404)
        if self.under_way >= self.threads + self.work_queue:
            status = 503 if self._node.version >= 22 else 500
            return fake.text("Work queue depth exceeded", status)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            with self._workers:
                return self._rpc(request)
        finally:
            self.under_way -= 1

    def _rpc(self, request: Request) -> Answer:
        """HTTPReq_JSONRPC."""
        if request.method != "POST":
            return fake.text("JSONRPC server handles only POST requests", 405)
        user = self._user(request)
        if user is None:
            if "authorization" in request.headers:
                self._node.pause(WRONG_PASSWORD_S)
            return fake.text("", 401, WWW_Authenticate='Basic realm="jsonrpc"')
        try:
            asked = json.loads(request.body)
        except ValueError:
            return _failed(RpcFailure(PARSE_ERROR, "Parse error"), None)
        if user not in self.whitelist and self.whitelist_default:
            return fake.text("", 403)
        if isinstance(asked, list):
            if not all(self._may(user, one.get("method")) for one in asked):
                return fake.text("", 403)
            replies = [self._one(call) for call in asked]
            return fake.of([reply for reply in replies if reply is not None])
        if not isinstance(asked, dict):
            return _failed(
                RpcFailure(PARSE_ERROR, "Top-level object parse error"), None
            )
        method = asked.get("method")
        if isinstance(method, str) and not self._may(user, method):
            return fake.text("", 403)
        reply = self._one(asked)
        if reply is None:
            return fake.text("", 204)
        if reply.get("error") is not None and "jsonrpc" not in reply:
            return _failed(RpcFailure(**reply["error"]), reply["id"])
        return fake.of(reply)

    def _user(self, request: Request) -> str | None:
        """RPCAuthorized: the user's name, None for anybody else."""
        if not self.asks_for_user:
            return ""
        kind, _, digits = request.headers.get("authorization", "").partition(" ")
        try:
            secret = base64.b64decode(digits, validate=True).decode()
        except ValueError:
            return None
        if kind != "Basic" or secret != self._node.secret:
            return None
        return secret.partition(":")[0]

    def _may(self, user: str, method: object) -> bool:
        return user not in self.whitelist or method in self.whitelist[user]

    def _one(self, call: Any) -> dict[str, Any] | None:
        """One call and its reply; None for a notification of JSON-RPC 2."""
        id_ = call.get("id") if isinstance(call, dict) else None
        second = False
        try:
            second = self._is_version_2(call)
            result = self._execute(call)
        except RpcFailure as failure:
            return _reply(id_, second, error=failure)
        if second and "id" not in call:
            return None
        return _reply(id_, second, result=result)

    def _is_version_2(self, call: Any) -> bool:
        """JSONRPCRequest::parse: what `jsonrpc` says, where it is looked at."""
        if not isinstance(call, dict):
            raise RpcFailure(INVALID_REQUEST, "Invalid Request object")
        if self._node.version < 28 or "jsonrpc" not in call:
            return False
        if call["jsonrpc"] not in ("1.0", "2.0"):
            raise RpcFailure(INVALID_REQUEST, "JSON-RPC version not supported")
        return bool(call["jsonrpc"] == "2.0")

    def _execute(self, call: dict[str, Any]) -> Any:
        method, params = call.get("method"), call.get("params") or []
        if not isinstance(method, str):
            raise RpcFailure(INVALID_REQUEST, "Missing method")
        self.calls[method] += 1
        self._node.pause(self.takes_s.get(method, self.takes_s.get("*", 0.0)))
        return self._node.methods.execute(method, params)


def _reply(
    id_: object, second: bool, *, result: Any = None, error: RpcFailure | None = None
) -> dict[str, Any]:
    """JSONRPCReplyObj: in version 1 both are there, in version 2 one of them."""
    said = None if error is None else {"code": error.code, "message": error.message}
    if not second:
        return {"result": result, "error": said, "id": id_}
    part = {"result": result} if said is None else {"error": said}
    return {"jsonrpc": "2.0", **part, "id": id_}


def _failed(failure: RpcFailure, id_: object) -> Answer:
    """JSONErrorReply."""
    statuses = {INVALID_REQUEST: 400, METHOD_NOT_FOUND: 404}
    return fake.of(
        _reply(id_, second=False, error=failure), statuses.get(failure.code, 500)
    )
