"""The states of a Ref, by name, and the ways in which an actor ends."""

from enum import Enum

__all__ = ["FOR_GOOD", "ExitReason", "Life", "Turn"]


class Life(Enum):
    """Where the incarnation behind a ref is."""

    DEAD = "dead"
    """No actor is there: not started yet, crashed or killed. Mail is kept."""

    STARTING = "starting"
    """`on_start` has not run yet."""

    READY = "ready"
    """It takes mail."""

    SUSPENDED = "suspended"
    """It waits for one answer; other mail is stashed."""

    STOPPED = "stopped"
    """Dead for good: mail is refused."""


class Turn(Enum):
    """What the dispatcher has to do with a ref."""

    IDLE = "idle"
    """Nothing."""

    SCHEDULED = "scheduled"
    """It will run it."""

    RUNNING = "running"
    """It runs it; a blocking actor stays in its turn while others run."""


class ExitReason(Enum):
    """Why an actor ended."""

    STOPPED = "stopped"
    CRASHED_IN_START = "crashed in start"
    CRASHED = "crashed in a handler"
    CRASHED_IN_STOP = "crashed in stop"
    KILLED = "killed"
    TIMED_OUT = "timed out"


FOR_GOOD = frozenset({ExitReason.STOPPED, ExitReason.CRASHED_IN_STOP})
"""Ends after which a ref is stopped; after the others it may start again."""
