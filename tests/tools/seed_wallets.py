"""Merchants' wallets whose seeds a test holds: `Seeds` is who signs for a node.

The keys are real, and so are the signatures: the dev chain verifies them.
"""

from collections.abc import Iterable
from typing import Any

from engine.errors import SigningError
from engine.wallet.coin import Coin, SpendKind
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.forwards import Forwards, Signer
from engine.wallet.secret_key import SecretKey
from engine.wallet.seed import SeedAccount, account_of
from tests.tools.node import RunningNode
from transport.devchain.broadcast import DevBroadcaster
from transport.devchain.chain import DevChain

__all__ = ["WORDS", "Seeds"]

WORDS = "abandon " * 11 + "about"


class Seeds:
    """Implements `engine.wallet.forwards.HeldKeys`. One seed, an account for each
    merchant."""

    def __init__(self, policy: ForwardPolicy) -> None:
        self._policy = policy
        self._accounts: dict[str, SeedAccount] = {}
        self._descriptors: dict[str, str] = {}  # by merchant

    def forwards(self, chain: DevChain) -> Forwards:
        return Forwards(DevBroadcaster(chain), Signer(self), self._policy)

    def give(
        self,
        node: RunningNode,
        merchant: str,
        kind: SpendKind = "p2wpkh",
        **record: Any,
    ) -> None:
        """The merchant gets a wallet, whose seed is here."""
        account = account_of(WORDS, "", kind, "regtest", len(self._accounts))
        self._descriptors[merchant] = account.descriptor
        self.say(node, merchant, **record)
        payment = node.create(merchant=merchant, amount_sat=1_000)
        self._accounts[payment["derived"]["wallet"]] = account

    def say(self, node: RunningNode, merchant: str, **record: Any) -> None:
        """The merchant's record is this, with its wallet."""
        fields = {"descriptor": self._descriptors[merchant], **record}
        answer = node.call("PUT", f"/v1/merchants/{merchant}", json=fields)
        assert answer.status_code == 200, answer.text

    def forget(self) -> None:
        """None of the seeds is here any more: their wallets are watched only."""
        self._accounts.clear()

    def holds(self, wallet: str) -> bool:
        return wallet in self._accounts

    def can_sign(self, wallet: str) -> bool:
        return wallet in self._accounts

    def collected(self, coins: Iterable[Coin]) -> "Seeds":
        return self

    def key_of(self, coin: Coin) -> SecretKey:
        if coin.wallet not in self._accounts:
            raise SigningError(f"no seed of {coin.wallet}")
        return self._accounts[coin.wallet].key(coin.index)
