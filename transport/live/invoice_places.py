"""How many invoices are followed at one time: of a shop, and of one visitor of it.

A place is memory, and is held as long as its client stays. Whoever had all places of a
shop would keep every other customer from hearing "paid": so one client address, and one
user of the site's tokens, has a share of them at most. Behind a proxy that is not named
in `trusted_proxies` all visitors have one address.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from transport.live.doors import Guest

__all__ = ["LIMIT", "SHARE", "InvoicePlaces"]

LIMIT: Final = "socketio_per_merchant"

#: Of a shop's places, the part that one visitor may have: 1,250 of 20,000.
SHARE: Final = 16

_Key = tuple[str, str, str]


class InvoicePlaces:
    """Of one protocol. One per node."""

    def __init__(self, most: int) -> None:
        """`most`: of one shop."""
        self.most = most
        self.most_of_one = max(most // SHARE, 1)
        self._taken: Counter[_Key] = Counter()

    def __len__(self) -> int:
        """Invoices that are followed now."""
        return sum(n for (_, kind, _), n in self._taken.items() if kind == "shop")

    def refusal(self, guest: Guest, client: str) -> str:
        """The sentence that names the setting; "": there is a place."""
        shop, *visitor = _keys(guest, client)
        if self._taken[shop] >= self.most:
            return f"at most {self.most} invoices of a shop ({LIMIT})"
        if any(self._taken[key] >= self.most_of_one for key in visitor):
            return (
                f"at most {self.most_of_one} invoices of one visitor, a {SHARE}th of"
                f" a shop's ({LIMIT})"
            )
        return ""

    def take(self, guest: Guest, client: str) -> Callable[[], None]:
        """Call what it returns once, to give the place back."""
        keys = _keys(guest, client)
        self._taken.update(keys)

        def leave() -> None:
            for key in keys:
                self._taken[key] -= 1
                assert self._taken[key] >= 0, "a place was given back twice"
                if not self._taken[key]:
                    del self._taken[key]

        return leave


def _keys(guest: Guest, client: str) -> list[_Key]:
    keys = [(guest.merchant, "shop", ""), (guest.merchant, "address", client)]
    if guest.user is not None:
        keys.append((guest.merchant, "user", guest.user))
    return keys
