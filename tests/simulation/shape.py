"""What kind of a world a seed makes: how large, how hurried, asking whom, how often.

Many small worlds find more than a few large ones: something strikes while the one
payment there is under way. Large ones are among them for what only a crowd shows.
Nothing here happens; it is drawn once, when the world begins.
"""

from dataclasses import dataclass
from random import Random

__all__ = ["MINUTE_MS", "Shape", "draw_shape"]

MINUTE_MS = 60_000


_EVERY_S = (180.0, *[600.0] * 8, *[1_800.0] * 18, *[3_600.0] * 21)
"""Seldom often: a round in which nothing is new proves nothing and takes its time."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The measures of one world."""

    payments: int
    """About how many are asked for."""

    rush: bool
    """They come within hours, not over all the days."""

    sources: str
    """One letter each, in the order of preference: "b" by block, "a" by address."""

    every_s: float
    """How often a source is asked when nothing urges."""

    per_minute: float | None
    """The request budget of a source by address."""

    poll_slow_s: int
    channels: int
    clients: int
    on_file: bool
    """The journal is in a file, in WAL mode, closed and opened again at each crash;
    else in memory, with the same transactions."""

    trouble_mean_ms: int
    """Between two troubles, while something is under way."""

    probe_s: float = 30.0
    """How often a source that is not asked is asked how it is."""

    money: bool = False
    """Credits, a hot wallet, and owners to whom its money goes on."""

    refunds: bool = False
    """And of it is given back."""

    psbts: bool = False
    """Much of it from a wallet that is watched only."""

    orders: int = 0
    """So many, each paid by several payments; 0: each payment is an order."""

    network: str = "regtest"
    """On mainnet blocks always come: a tip that is old is behind."""


def draw_shape(random: Random) -> Shape:
    dice = random.random()
    if dice < 0.75:
        payments = random.choice((1, 1, 2, 2, 3))
    elif dice < 0.97:
        payments = random.randrange(4, 10)
    else:
        payments = random.randrange(20, 40)
    return Shape(
        payments=payments,
        rush=random.random() < 0.6,
        sources=random.choice(("b", "b", "bb", "a", "ba", "ab", "aa")),
        every_s=random.choice(_EVERY_S),
        per_minute=random.choice((None, 60.0, 600.0)),
        poll_slow_s=random.choice((1_200, 7_200, 14_400, 28_800)),
        channels=random.choice((1, 2, 3)),
        clients=4 if payments > 3 else random.choice((1, 2, 4)),
        on_file=random.random() < 0.04,
        trouble_mean_ms=random.choice((5, 10, 20, 45)) * MINUTE_MS,
        probe_s=random.choice((30.0, 600.0, 1_800.0, 1_800.0)),
        network=random.choice(("regtest", "regtest", "mainnet")),
    )
