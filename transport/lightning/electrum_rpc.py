"""Electrum's JSON-RPC, as far as it is asked (`commands.py`, `daemon.py` of 4.3.4).

Errors are those of `engine/lightning/node.py`; what Electrum says in its own words is
compared with words that we know, and never shown.
"""

import base64
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from engine.errors.lightning import NodeRefused, NodeUnavailable
from engine.lightning.account import Account
from transport.lightning.electrum_words import (
    NO_WALLET,
    NOT_FOUND,
    Channel,
    Moved,
    Request,
    RpcReply,
)
from transport.lightning.http import (
    DEADLINE_S,
    MAX_BYTES,
    NodeHttp,
    NodeRequest,
    decode,
    garbage,
)

__all__ = ["ElectrumRpc", "SaidNo"]

LIST_BYTES: Final = 8 * 1024 * 1024
"""About 20,000 payments of a history."""

LIST_S: Final = 20.0
LONGEST_S: Final = 60.0

ID: Final = 1  # of every call: a connection has one at a time

T = TypeVar("T")


class SaidNo(NodeRefused):
    """Electrum answered with an error. `text` is its own: compared, never shown."""

    def __init__(self, detail: str, text: str) -> None:
        super().__init__(detail)
        self.text = text


class ElectrumRpc:
    """One account's. `longest_s`: no answer is waited for longer."""

    def __init__(self, account: Account) -> None:
        self.longest_s = LONGEST_S
        self._wallet = account.wallet
        token = f"{account.user}:{account.secret}".encode()
        self._secret = f"Basic {base64.b64encode(token).decode()}"
        self._http = NodeHttp(
            account.name, account.url, lambda: {"Authorization": self._secret}
        )

    def __repr__(self) -> str:
        return f"<ElectrumRpc {self._http.name}>"

    def request(self, payment_hash: str) -> Request | None:
        """An invoice that the wallet made; None: there is none."""
        return self.found("get_request", Request, {"request_id": payment_hash})

    def asked_msat(self, payment_hash: str) -> int:
        """0: whatever comes, or an invoice that is no more."""
        request = self.request(payment_hash)
        return request.amount_msat or 0 if request is not None else 0

    def open_invoices(self) -> dict[str, float]:
        """Those that can be paid, oldest first; when they expire (unix s)."""
        requests = self.call(
            "list_requests",
            list[Request],
            {"pending": True},
            max_bytes=LIST_BYTES,
            deadline_s=LIST_S,
        )
        return {one.rhash: one.expiration or float("inf") for one in requests}

    def history(self) -> list[Moved]:
        """All that ever came in or went out, by its arrival."""
        return self.call(
            "lightning_history",
            list[Moved],
            {},
            max_bytes=LIST_BYTES,
            deadline_s=LIST_S,
        )

    def received(self) -> list[Moved]:
        return [row for row in self.history() if row.came_in]

    def channels(self) -> list[Channel]:
        return self.call("list_channels", list[Channel], {})

    def ping(self, within_s: float) -> None:
        """That it answers, and takes the key."""
        self.call("ping", bool, {}, "", deadline_s=within_s)

    def found(
        self, method: str, type_: type[T], params: Mapping[str, object]
    ) -> T | None:
        """None: there is no such invoice."""
        try:
            return self.call(method, type_, params)
        except SaidNo as error:
            if error.text == NOT_FOUND:
                return None
            raise

    def call(
        self,
        method: str,
        type_: type[T],
        params: Mapping[str, object],
        wallet: str | None = None,
        *,
        repeat: bool = True,
        max_bytes: int = MAX_BYTES,
        deadline_s: float = DEADLINE_S,
    ) -> T:
        """`wallet`: empty, where a call takes none. `repeat`: it may be asked twice.
        Raises `LightningError`."""
        of_wallet = self._wallet if wallet is None else wallet
        params = {**params, "wallet": of_wallet} if of_wallet else params
        request = NodeRequest(
            path="/",
            body=msgspec.json.encode({"id": ID, "method": method, "params": params}),
            max_bytes=max_bytes,
            deadline_s=min(deadline_s, self.longest_s),
            label=method,
            repeat=repeat,
        )
        where = self._http.where(request)
        answer = decode(self._http.ask(request).body, RpcReply, where)
        if answer.id != ID:
            raise garbage(where, "the answer to another call")
        if answer.error is None:
            return decode(bytes(answer.result), type_, where)
        text = answer.error.message
        if text == NO_WALLET:
            raise NodeUnavailable(f"{where}: no wallet is loaded: electrum load_wallet")
        raise SaidNo(f"{where} was refused", text)
