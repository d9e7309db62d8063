"""What tests do with any Bitcoin node over its JSON-RPC: look, mine, fund, send.

`BcoinNode` and `LitecoinNode` are such nodes; each starts and ends its own program. No
connection is kept open between calls. Runs in the test's greenlet.
"""

from abc import ABC, abstractmethod
from decimal import Decimal
from typing import Any

import coincurve
import requests

from tests.node.rawtx import address_for
from tests.node.wallet import Wallet
from tests.tools.wait import PATIENCE

__all__ = ["NOBODY", "RpcError", "RpcNode"]

RPC_TIMEOUT_S = 30.0 * PATIENCE
MATURITY = 100  # blocks until a coinbase may be spent
NOBODY = address_for("p2wpkh", 0)  # mined coins that no test wants
ANSWERS = (200, 404, 500)  # Core gives an error's reply one of the others


class RpcError(Exception):
    """The node answered a call with an error."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.code = code


class RpcNode(ABC):
    """A node that listens at `port` of loopback. Addresses are Bitcoin's of regtest."""

    port = 0

    @property
    @abstractmethod
    def url(self) -> str:
        """Where its RPC is, with what Paybell needs to be let in."""

    @abstractmethod
    def _credentials(self) -> tuple[str, str]:
        """User and password of the RPC, as they are now."""

    def rpc(self, method: str, *params: object) -> Any:
        """Call the node. Raises RpcError for its errors, requests' own for the wire.

        Numbers with a fraction come back as Decimal.
        """
        answer = requests.post(
            f"http://127.0.0.1:{self.port}/",
            json={"method": method, "params": list(params), "id": 0},
            auth=self._credentials(),
            # Core waits for open connections before it ends, for up to 30 s.
            headers={"Connection": "close"},
            timeout=RPC_TIMEOUT_S,
        )
        if answer.status_code not in ANSWERS:
            answer.raise_for_status()
        body = answer.json(parse_float=Decimal)
        if body["error"] is not None:
            raise RpcError(method, body["error"]["code"], body["error"]["message"])
        return body["result"]

    def height(self) -> int:
        return int(self.rpc("getblockcount"))

    def tip(self) -> str:
        """The hash of the best block."""
        return str(self.rpc("getbestblockhash"))

    def block_hash(self, height: int) -> str:
        return str(self.rpc("getblockhash", height))

    def mempool(self) -> frozenset[str]:
        """The ids of the transactions that wait for a block."""
        return frozenset(self.rpc("getrawmempool"))

    def generate(self, count: int, address: str | None = None) -> list[str]:
        """Mine blocks with all that waits in the mempool; their hashes."""
        to = self._as_written_here(address or NOBODY)
        return list(self.rpc("generatetoaddress", count, to))

    def fund(self, coins: int = 10) -> Wallet:
        """A wallet with this many mined coins that may be spent at once."""
        wallet = Wallet(self, coincurve.PrivateKey())
        for mined in self.generate(coins, wallet.address):
            txid = self.rpc("getblock", mined)["tx"][0]
            value = self.rpc("gettxout", txid, 0)["value"]
            wallet.receive(txid, 0, int(Decimal(value) * 100_000_000))
        self.generate(MATURITY)
        return wallet

    def send(self, raw: bytes) -> str:
        """Give a transaction to the mempool; its id. RpcError if it is refused."""
        return str(self.rpc("sendrawtransaction", raw.hex()))

    def _as_written_here(self, address: str) -> str:
        """An address of Bitcoin's regtest as this node reads it."""
        return address
