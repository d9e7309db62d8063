"""A shop whose money is sent on, on a real node: payments, their sweeps, and the sums.

The judge of each transaction is Bitcoin Core's own script code (`pbk`), before the node
is asked; that of the money is the chain: what lies at the destination, to the satoshi.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.bitcoin.address import parse_address
from engine.bitcoin.transaction import parse_tx
from engine.chain.feed import ChainTx
from tests.money.vault import DRAWN, KINDS, PASSPHRASE, make_wallets
from tests.node.litecoin import LitecoinNode
from tests.node.paybell import Paybell
from tests.node.shop import fresh_address
from tests.tools.wait import wait_until
from tests.unit.engine.wallet.coins import judge

__all__ = ["PATIENCE_S", "Till", "judged"]

PATIENCE_S = 60.0


class Till:
    """A Paybell with four merchants' wallets, and one destination."""

    def __init__(self, node: LitecoinNode, folder: Path, *options: str) -> None:
        self.node = node
        self.destination = fresh_address("p2wpkh")
        self.paybell = Paybell(
            node.url,
            folder,
            [
                f"--forward-destinations={self.destination}",
                "--forward-every-s=1",
                "--fee-without-estimate=2",
                *options,
            ],
        )
        self.paybell.environ["PAYBELL_WALLET_PASSPHRASE"] = PASSPHRASE
        make_wallets(self.paybell.db)
        self.payments: dict[str, int] = {}  # what each received, sat

    def order(self, kind: str, amount_sat: int, **terms: Any) -> dict[str, Any]:
        wanted = {
            "merchant": kind,
            "amount_sat": amount_sat,
            "confirmations": 1,
            "forward_to": self.destination,
        }
        return self.paybell.create(**(wanted | terms))

    def pay(self, payment: dict[str, Any], amount_sat: int) -> str:
        txid = self.node.pay(payment["address"], amount_sat)
        have = self.payments.get(payment["id"], 0)
        self.payments[payment["id"]] = have + amount_sat
        return txid

    def status(self, payment_id: str) -> str:
        return str(self.paybell.payment(payment_id)["status"])

    def wait_for_status(self, status: str, names: Iterable[str]) -> None:
        waiting = set(names)

        def all_there() -> bool:
            waiting.difference_update(
                [name for name in waiting if self.status(name) == status]
            )
            return not waiting

        wait_until(
            all_there,
            PATIENCE_S,
            lambda: f"{waiting} to be {status}\n{self.paybell.log[-4_000:]}",
        )

    def wait_to_be_told(self, payment_id: str, *types: str) -> None:
        """Until these were told, one right after the other."""

        def told() -> bool:
            events = self.paybell.events(payment_id)
            found = " ".join(event["type"] for event in events)
            return " ".join(types) in found

        wait_until(
            told, PATIENCE_S, lambda: f"{types} to be told\n{self.paybell.log[-4_000:]}"
        )

    def switch(self, *, paused: bool) -> None:
        answer = self.paybell.call("PUT", "/v1/forwarding", json={"paused": paused})
        assert answer.status_code == 200, answer.text

    def outgoing(self) -> list[dict[str, Any]]:
        """Of all merchants, the newest first."""
        found: list[dict[str, Any]] = []
        for kind in (*KINDS, *DRAWN):
            view = self.paybell.get(f"/v1/forwarding?merchant={kind}")
            found += view["outgoing"]
        return found

    def settle(self) -> None:
        """Mine until all that was paid has arrived."""
        self.node.generate(1)

        def has_arrived() -> bool:
            open_ones = [
                one
                for one in self.outgoing()
                if one["state"] in {"prepared", "broadcast", "seen"}
            ]
            if open_ones and self.node.mempool() & {o["txid"] for o in open_ones}:
                self.node.generate(1)
            return all(self.status(name) == "forwarded" for name in self.payments)

        wait_until(
            has_arrived,
            PATIENCE_S,
            lambda: f"money to arrive\n{self.paybell.log[-4_000:]}",
        )

    def balances(self, kind: str) -> dict[str, int]:
        """Of the merchant's books, in sat."""
        view = self.paybell.get(f"/v1/accounts?merchant={kind}")
        found = [row for row in view["data"] if row["unit"] == "sat"]
        return {row["account"]: row["balance"] for row in found}

    def arrived_sat(self) -> int:
        """What lies at the destination, in blocks: the node's own word."""
        script = parse_address(self.destination, "regtest").script
        found = self.node.rpc("scantxoutset", "start", [f"raw({script.hex()})"])
        sat: int = round(found["total_amount"] * 100_000_000)
        return sat


def raw_of(node: LitecoinNode, txid: str) -> bytes:
    return bytes.fromhex(node.rpc("getrawtransaction", txid))


def judged(node: LitecoinNode, txid: str) -> ChainTx:
    """A transaction of ours, each input verified by Core's script code. The node has an
    index of transactions."""
    raw = raw_of(node, txid)
    tx = parse_tx(raw)
    spent = [parse_tx(raw_of(node, name)).outputs[vout] for name, vout in tx.spends]
    assert judge(raw, spent), txid
    return tx
