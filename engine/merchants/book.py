"""The merchants of this node by name, in memory: asked on every call, never a query.

Filled from the store before anything runs and kept up with by whoever saves a row (the
gateway), after its commit; one process owns the database, so there is nobody else. No
lock: it is used in the hub's thread only, and never waits.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from engine.merchants.record import PROVIDERS, Limits, Merchant
from engine.merchants.rules import address_name

__all__ = ["MerchantBook"]


class MerchantBook:
    """See the module docstring."""

    __slots__ = (
        "_addresses",
        "_always_open",
        "_destinations",
        "_known",
        "_open",
        "_with_secret",
        "_with_tokens",
        "defaults",
    )

    def __init__(
        self, defaults: Limits | None = None, identifying: Collection[str] = ()
    ) -> None:
        """`defaults`: the node's limits, of whoever has none of its own. `identifying`:
        merchants whose orders may be asked after without a secret, whatever their
        records say."""
        self.defaults = defaults or Limits()
        self._always_open = frozenset(identifying)
        self._known: dict[str, Merchant] = {}
        self._addresses: dict[str, str] = {}  # merchants by their Lightning Addresses
        self._destinations: Counter[str] = Counter()  # how many send money there
        self._open: set[str] = set()  # who identify without a secret
        self._with_tokens: set[str] = set()  # who take those of their sites
        self._with_secret: dict[str, set[str]] = {one: set() for one in PROVIDERS}

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        """Whether there is a row of it."""
        return name in self._known

    def __iter__(self) -> Iterator[Merchant]:
        return iter(self._known.values())

    def get(self, name: str) -> Merchant:
        """The merchant; one of whom nothing is said has the node's limits."""
        known = self._known.get(name)
        return known or Merchant(name=name, limits=self.defaults)

    def put(self, merchant: Merchant) -> None:
        """It is committed: from now on it is so."""
        assert merchant.version > 0, "a merchant without a row"
        self._put_address(merchant)
        self._destinations[_folded(self.get(merchant.name).forward_to)] -= 1
        self._destinations[_folded(merchant.forward_to)] += 1
        self._known[merchant.name] = merchant
        if merchant.identify_without_secret:
            self._open.add(merchant.name)
        else:
            self._open.discard(merchant.name)
        if merchant.jwt is not None:
            self._with_tokens.add(merchant.name)
        else:
            self._with_tokens.discard(merchant.name)
        for provider, names in self._with_secret.items():
            if merchant.is_damaged or provider in merchant.webhook_secrets:
                names.add(merchant.name)
            else:
                names.discard(merchant.name)

    def _put_address(self, merchant: Merchant) -> None:
        """Who has a name keeps it: a second row with it, which nobody could have made
        over the API, takes nothing away."""
        before = address_name(self.get(merchant.name))
        if self._addresses.get(before) == merchant.name:
            del self._addresses[before]
        if name := address_name(merchant):
            self._addresses.setdefault(name, merchant.name)

    def at_lightning_address(self, name: str) -> Merchant | None:
        """Whose Lightning Address has this name before the @."""
        holder = self._addresses.get(name)
        return None if holder is None else self._known[holder]

    def is_destination(self, address: str) -> bool:
        """Whether money of some merchant goes on to it."""
        return bool(address) and self._destinations[_folded(address)] > 0

    def load(self, merchants: Iterable[Merchant]) -> None:
        """All that the store has."""
        for merchant in merchants:
            self.put(merchant)

    def has_secret(self, provider: str) -> bool:
        """Whether any merchant has a secret of its own there, or may have had one."""
        return bool(self._with_secret[provider])

    @property
    def takes_tokens(self) -> bool:
        """Whether any merchant takes tokens that its own site makes."""
        return bool(self._with_tokens)

    def identifies_without_secret(self, merchant: str | None) -> bool:
        """Whether this merchant's order numbers may be asked after by anybody; None:
        whether those of any may."""
        if merchant is None:
            return bool(self._open or self._always_open)
        return merchant in self._open or merchant in self._always_open


def _folded(address: str) -> str:
    """As it is compared: bech32 may be written in capitals. (Of two base58 addresses
    that differ in their case alone, one is passed over for nothing.)"""
    return address.lower()
