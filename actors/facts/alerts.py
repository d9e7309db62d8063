"""What a person should look at now: raised by who notices it, cleared when it is over.

An alert is a record here, a count (`alerts.raised`, and how many stand) and a log line.
Any actor may raise one; the edges read them. Bounded: beyond `MAX_ALERTS` of a kind new
ones are counted (`alerts.not_kept`), and neither kept nor logged. Of each kind, as
payments that wait must not hide that no source is current; and the first `ASSURED` of
each merchant are kept all the same, as must those of one not hide another's.

Who tells others of it (`actors/alerting/notifier.py`) listens for changes; it reads
what stands by itself.

What happened once and is not over when it is mended (somebody changed a secret) stands
for a time that is given.
"""

import logging
from collections import Counter
from collections.abc import Callable

from actors.facts.counters import Counters
from engine.alerts.subjects import SUBJECTS
from engine.ports import Alert

__all__ = ["MAX_ALERTS", "Alerts"]

log = logging.getLogger("paybell.alert")

MAX_ALERTS = 1_000
"""Of one kind; nobody reads more."""

MAX_OF_MERCHANT = 250
"""Of these one merchant's: its thousand payments must not hide another's."""

ASSURED = 20
"""Of one kind and one merchant (or the node): kept however many others' stand, so that
four merchants in trouble do not hide the fifth's."""


class Alerts:
    """All that stand, by kind and subject. See the module docstring."""

    __slots__ = (
        "_counters",
        "_listener",
        "_of_kind",
        "_of_owner",
        "_standing",
        "_until",
    )

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._standing: dict[tuple[str, str], Alert] = {}  # the oldest first
        self._of_kind: Counter[str] = Counter()
        self._of_owner: Counter[tuple[str, str | None]] = Counter()
        self._until: dict[tuple[str, str], int] = {}  # ms; these pass
        self._listener: Callable[[], None] = lambda: None

    def listen(self, changed: Callable[[], None]) -> None:
        """Call it whenever an alert begins or ends; it must not block, or raise."""
        self._listener = changed

    def __len__(self) -> int:
        return len(self._standing)

    def raise_(
        self,
        kind: str,
        subject: str,
        detail: str,
        at: int,
        for_ms: int | None = None,
        merchant: str | None = None,
    ) -> None:
        """Once more for the same subject only brings its detail up to date.

        `for_ms`: how long it stands; None: until it is cleared. `merchant`: whom it
        concerns; None: the node.
        """
        there = self._standing.get((kind, subject))
        if there is None and not self._has_room(kind, merchant):
            if not self._counters["alerts.not_kept"]:
                log.error("alert.too_many kind=%s detail=from now on they are counted"
                          " only", kind)  # fmt: skip
            self._counters.add("alerts.not_kept")
            return
        if there is None:
            self._counters.add("alerts.raised")
            self._of_kind[kind] += 1
            self._of_owner[kind, merchant] += 1
            log.warning("alert.raised %s detail=%s", _about(kind, subject, merchant),
                        detail)  # fmt: skip
        since = at if there is None else there.since
        merchant = merchant if there is None else there.merchant
        alert = Alert(kind, subject, detail, since, merchant)
        self._standing[kind, subject] = alert
        if for_ms is not None:
            self._until[kind, subject] = at + for_ms
        if there is None:
            self._listener()

    def clear(self, kind: str, subject: str) -> None:
        """It is over, if it was ever raised."""
        self._until.pop((kind, subject), None)
        alert = self._standing.pop((kind, subject), None)
        if alert is not None:
            self._of_kind[kind] -= 1
            self._of_owner[kind, alert.merchant] -= 1
            if not self._of_owner[kind, alert.merchant]:
                del self._of_owner[kind, alert.merchant]
            assert self._of_kind[kind] >= 0, kind
            log.info("alert.cleared %s", _about(kind, subject, alert.merchant))
            self._listener()

    def _has_room(self, kind: str, merchant: str | None) -> bool:
        its = self._of_owner[kind, merchant]
        if its < ASSURED:
            return True
        most = MAX_ALERTS if merchant is None else MAX_OF_MERCHANT
        return its < most and self._of_kind[kind] < MAX_ALERTS

    def standing(self, now: int = 0) -> tuple[Alert, ...]:
        """All that stand `now` (ms), the oldest first."""
        for kind, subject in [k for k, until in self._until.items() if until <= now]:
            self.clear(kind, subject)
        return tuple(self._standing.values())


def _about(kind: str, subject: str, merchant: str | None) -> str:
    """A line about a payment is found by its id, whatever the line is."""
    named = {"kind": kind, "subject": subject, SUBJECTS.get(kind, "subject"): subject}
    named["merchant"] = merchant or named.get("merchant", "")
    return " ".join(f"{key}={value}" for key, value in named.items() if value)
