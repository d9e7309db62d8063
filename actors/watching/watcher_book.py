"""Who watches what, as the supervisor writes it; all others read it as `Watchers`.

No actor, and no message: there may be a million watchers, and every webhook asks for
one of them.
"""

from collections.abc import Iterator

from actors.facts.published import WatcherTrouble
from actors.watching.deadlines import Deadlines
from engine.runtime.ref import Ref
from engine.runtime.registry import Registry

__all__ = ["WatcherBook"]


class WatcherBook:
    """The supervisor's side of `Watchers`."""

    __slots__ = ("_by_address", "_quarantined", "_refs", "_troubles", "deadlines")

    def __init__(self) -> None:
        self._refs: Registry[str, Ref] = Registry()
        self._by_address: Registry[str, str] = Registry()  # -> payment id
        self._troubles: dict[str, WatcherTrouble] = {}
        self._quarantined = 0
        self.deadlines = Deadlines()

    # -- reading ---------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._refs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._refs)

    def __getitem__(self, payment_id: str) -> Ref:
        return self._refs[payment_id]

    def get(self, payment_id: str) -> Ref | None:
        return self._refs.get(payment_id)

    def values(self) -> Iterator[Ref]:
        return self._refs.values()

    def at(self, address: str) -> Ref | None:
        payment_id = self._by_address.get(address)
        return None if payment_id is None else self._refs.get(payment_id)

    def trouble_of(self, payment_id: str) -> WatcherTrouble | None:
        return self._troubles.get(payment_id)

    def deadline_of(self, payment_id: str) -> int | None:
        return self.deadlines.get(payment_id)

    @property
    def quarantined(self) -> int:
        return self._quarantined

    # -- writing ---------------------------------------------------------------------

    def add(self, ref: Ref, address: str) -> None:
        """`ref`, named as its payment, watches this address."""
        self._refs[ref.name] = ref
        self._by_address[address] = ref.name

    def remove(self, payment_id: str, address: str) -> Ref | None:
        """The payment is watched no more; who did, if anybody still does."""
        self.deadlines.forget(payment_id)
        if self._by_address.get(address) == payment_id:
            self._by_address.pop(address)
        self.note_trouble(payment_id, None)
        return self._refs.pop(payment_id)

    def note_trouble(self, payment_id: str, trouble: WatcherTrouble | None) -> None:
        """None: it is well again."""
        before = self._troubles.pop(payment_id, None)
        if before is not None and before.quarantined:
            self._quarantined -= 1
        if trouble is not None:
            self._troubles[payment_id] = trouble
            self._quarantined += trouble.quarantined

    def clear(self) -> None:
        """The supervisor begins anew."""
        self._refs.clear()
        self._by_address.clear()
        self._troubles.clear()
        self._quarantined = 0
        self.deadlines = Deadlines()
