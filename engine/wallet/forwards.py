"""How a node sends money on: its ways out, who signs, and by which rules. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from engine.chain.broadcast import Broadcaster
from engine.wallet.coin import Coin
from engine.wallet.forward_policy import ForwardPolicy
from engine.wallet.plan import Plan
from engine.wallet.signing import Keys, Signed, sign

__all__ = ["Forwards", "HeldKeys", "Signer"]


class HeldKeys(Keys, Protocol):
    """Port: the keys of our coins (`engine/wallet/keyring.py`)."""

    def holds(self, wallet: str) -> bool:
        """Whether we have its secret at all; else it is watched only."""

    def can_sign(self, wallet: str) -> bool: ...

    def collected(self, coins: Iterable[Coin]) -> Keys:
        """The keys of these coins, for signing in another thread."""


InThread = Callable[[Callable[[], Signed]], Signed]


class Signer:
    """Signs plans with the keys that are held, in a native thread if there is one:
    `in_thread` calls a function there, and raises what it raises."""

    def __init__(
        self, keys: HeldKeys, in_thread: InThread = lambda call: call()
    ) -> None:
        self.keys = keys
        self._in_thread = in_thread

    def sign(self, plan: Plan, previous: Mapping[str, bytes]) -> Signed:
        """Raises `SigningError`, `WalletLocked`, `WrongKey`.

        The keys are collected here: some are asked of the store, in the hub's thread.
        """
        keys = self.keys.collected(plan.coins)
        return self._in_thread(lambda: sign(plan, keys, previous))


class Forwards(msgspec.Struct, frozen=True):
    """See the module docstring."""

    ways: Broadcaster
    signer: Signer
    policy: ForwardPolicy
