"""What many worlds came to: added up, told in lines, kept as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

__all__ = ["Failure", "Result", "Sums"]

_NUMBERS = (
    "steps", "boots", "commits", "payments", "events", "sent", "acknowledged",
    "unanswered", "visits", "told", "rounds", "dropped_messages", "dropped_answers",
    "ambiguous", "orders", "told_of_orders", "kept_from_cancelling", "refunds_asked",
    "refunds_paid", "refunds_expired", "refunds_cancelled", "refunds_pending",
    "refunds_sent_again", "refunds_moved", "psbts_given", "psbts_several",
    "psbts_mined",
)  # fmt: skip

_WORDS = {
    "steps": "steps, a crash of the process possible between any two",
    "boots": "starts of the process",
    "commits": "group commits",
    "sent": "webhooks received by endpoints",
    "acknowledged": "of them taken with 2xx",
    "unanswered": "requests refused, failed or not answered in time",
    "visits": "connections of clients",
    "told": "events told to clients",
    "rounds": "requests to sources",
    "dropped_messages": "messages lost in crashes of the process",
    "dropped_answers": "answers and commits lost on their way in such crashes",
    "ambiguous": "payments whose money is older than they are; not compared",
    "orders": "orders of several payments",
    "refunds_asked": "requests for refunds",
    "refunds_paid": "refunds that were paid",
    "refunds_expired": "whose link ran out",
    "refunds_cancelled": "that were withdrawn",
    "refunds_pending": "that wait, with an alert, or of money that is gone",
    "refunds_sent_again": "for which more than one transaction of ours was sent",
    "refunds_moved": "of which another one was mined after it was told",
    "psbts_given": "refunds of which a PSBT was given out",
    "psbts_several": "of them, of which several were that differ",
    "psbts_mined": "of them, of which one was signed and mined",
    "told_of_orders": "events that said how such an order stood",
    "kept_from_cancelling": "of them, of a payment that was over, its order being paid",
}


class Failure(msgspec.Struct, frozen=True):
    """A seed whose world broke a rule, or fell over."""

    seed: int
    days: float
    error: str
    kind: str = ""  # of `run.KINDS`

    @property
    def command(self) -> str:
        kind = f"--{self.kind}" if self.kind else f"--days {self.days:g}"
        return f"python -m tests.simulation --seed {self.seed} {kind}"


class Result(msgspec.Struct, frozen=True):
    """What one seed came to."""

    seed: int
    days: float
    numbers: dict[str, int]
    faults: dict[str, int]
    types: dict[str, int]
    digest: str


class Sums(msgspec.Struct):
    """See the module docstring."""

    worlds: int = 0
    days: float = 0.0
    numbers: dict[str, int] = {}
    faults: dict[str, int] = {}
    types: dict[str, int] = {}
    failures: list[Failure] = []
    cpu_s: float = 0.0
    most_mb: int = 0  # that a process took, 10**6 bytes

    def add(self, result: Result) -> None:
        self.worlds += 1
        self.days += result.days
        self._count(result)

    def merge(self, other: Sums) -> None:
        self.worlds += other.worlds
        self.days += other.days
        self.cpu_s += other.cpu_s
        self.most_mb = max(self.most_mb, other.most_mb)
        self.failures.extend(other.failures)
        self._count(other)

    def _count(self, other: Any) -> None:
        for name in ("numbers", "faults", "types"):
            sums = Counter(getattr(self, name))
            sums.update(getattr(other, name))
            setattr(self, name, dict(sums))

    @property
    def fault_count(self) -> int:
        return sum(self.faults.values())

    def short(self) -> str:
        """One line."""
        n = self.numbers
        return (
            f"{self.worlds:,} worlds, {self.days:,.0f} simulated days,"
            f" {n.get('steps', 0):,} steps, {n.get('payments', 0):,} payments,"
            f" {n.get('events', 0):,} events, {n.get('sent', 0):,} deliveries,"
            f" {self.fault_count:,} faults, {len(self.failures)} failed"
        )

    def lines(self) -> list[str]:
        """All of it, for people."""
        lines = [self.short()]
        lines += [
            f"  {self.numbers[name]:>12,} {_WORDS.get(name, name)}"
            for name in _NUMBERS
            if name in self.numbers
        ]
        lines.append("events: " + _list(self.types))
        lines.append(f"faults ({self.fault_count:,}): " + _list(self.faults))
        for failure in self.failures:
            lines += [f"FAILED {failure.error}", f"  {failure.command}"]
        return lines

    def table(self, machine: str) -> list[str]:
        """The form that goes into docs/reliability.md."""
        n = self.numbers
        rows = [
            ("date, machine", machine),
            (
                "worlds",
                f"{self.worlds:,}, together {self.days:,.0f} simulated days"
                f" ({self.days / 365.25:,.0f} years) and {n['steps']:,} steps;"
                f" {self.cpu_s / 60:,.0f} min of CPU",
            ),
            ("rules broken", str(len(self.failures))),
            (
                "lived",
                f"{n['payments']:,} payments from their creation to their end,"
                f" {n['events']:,} events in"
                f" {n['commits']:,} group commits; {n['sent']:,} webhooks came in at"
                f" endpoints, {n['acknowledged']:,} of them were taken; {n['told']:,}"
                f" events told in {n['visits']:,} connections of clients;"
                f" {n['rounds']:,} requests to sources",
            ),
            (
                "lost in crashes of the process",
                f"{n['dropped_messages']:,} messages, {n['dropped_answers']:,} answers"
                f" or commits on their way, in {n['boots'] - self.worlds:,} crashes",
            ),
            ("faults", f"{self.fault_count:,}: {_list(self.faults)}"),
            ("events", _list(self.types)),
        ]
        return ["| | |", "|---|---|", *(f"| {what} | {said} |" for what, said in rows)]


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
