"""Which invoices a node is asked about one by one, when, and how many at once. A value
of one upstream's actor.

That is at an invoice's expiry, and when somebody says that it was paid. Ten thousand
may expire in one moment, and claims come from outside: they wait in line, each once,
and go out in small batches at a bounded rate, however many there are.
"""

from collections.abc import Iterable
from typing import Final

from engine.policy.token_bucket import TokenBucket

__all__ = ["Questions"]

BATCH: Final = 10
RATE_PER_S: Final = 4.0
BURST: Final = 20.0
"""Invoices that are asked about, of one account."""

MAX_IN_LINE: Final = 100_000
MAX_CLAIMS: Final = 100
"""In line; who is refused asks again at its next deadline, or is found by reading."""


class Questions:
    """In line: hashes, with the payment that wants to know (or "" of a claim)."""

    __slots__ = ("_bucket", "_claims", "_line")

    def __init__(self) -> None:
        self._line: dict[str, str] = {}  # the oldest first
        self._claims: dict[str, str] = {}  # they go first: somebody waits at a till
        self._bucket = TokenBucket.full(RATE_PER_S, BURST)

    def __len__(self) -> int:
        return len(self._line) + len(self._claims)

    def add(self, payment_hash: str, payment_id: str) -> bool:
        """An invoice is over its time. False: too many are."""
        if len(self._line) >= MAX_IN_LINE and payment_hash not in self._line:
            return False
        self._line[payment_hash] = payment_id
        return True

    def claim(self, payment_hash: str) -> bool:
        """Somebody says that it was paid."""
        if len(self._claims) >= MAX_CLAIMS and payment_hash not in self._claims:
            return False
        self._claims[payment_hash] = ""
        return True

    def wait_s(self, now_s: float) -> float | None:
        """How long until the next may be asked; None: there is none."""
        if not self:
            return None
        self._bucket = bucket = self._bucket.at(now_s)
        return max(0.0, (1 - bucket.tokens) / RATE_PER_S)

    def take(self, now_s: float) -> dict[str, str]:
        """The next batch, which leaves the line; empty: not yet."""
        self._bucket = bucket = self._bucket.at(now_s)
        count = min(BATCH, int(bucket.tokens))
        taken: dict[str, str] = {}
        for line in (self._claims, self._line):
            for payment_hash in list(_first(line, count - len(taken))):
                payment_id = line.pop(payment_hash)
                taken[payment_hash] = payment_id or taken.get(payment_hash, "")
        self._bucket = bucket.spend(len(taken))
        return taken

    def put_back(self, taken: dict[str, str]) -> None:
        """Nobody could be asked: in line again, if there is room."""
        for payment_hash, payment_id in taken.items():
            line = self._line if payment_id else self._claims
            most = MAX_IN_LINE if payment_id else MAX_CLAIMS
            if len(line) < most:
                line.setdefault(payment_hash, payment_id)


def _first(line: dict[str, str], count: int) -> Iterable[str]:
    return (one for _, one in zip(range(count), line, strict=False))
