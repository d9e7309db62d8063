"""A token bucket as a value: how many requests a source may still be asked. Pure."""

import msgspec

__all__ = ["Budget"]


class Budget(msgspec.Struct, frozen=True):
    """`tokens` requests may be made now; `rate_per_s` more come in, up to `burst`.

    Tokens may go below zero: a round costs what it costs, later rounds wait for it.
    """

    rate_per_s: float
    burst: float
    tokens: float
    updated_s: float | None = None

    @classmethod
    def per_minute(cls, requests: float) -> "Budget":
        """So many requests a minute, a tenth of them (at least 5) at once."""
        burst = max(requests / 10, 5.0)
        return cls(requests / 60, burst, burst)

    def at(self, now_s: float) -> "Budget":
        """The budget at a monotonic time, with what came in since it was last seen."""
        if self.updated_s is None:
            return Budget(self.rate_per_s, self.burst, self.tokens, now_s)
        came_in = max(now_s - self.updated_s, 0.0) * self.rate_per_s
        tokens = min(self.tokens + came_in, self.burst)
        return Budget(self.rate_per_s, self.burst, tokens, now_s)

    def spend(self, requests: int) -> "Budget":
        return Budget(
            self.rate_per_s, self.burst, self.tokens - requests, self.updated_s
        )

    def wait_s(self, requests: float) -> float:
        """Seconds until so many tokens are there (0 if they are)."""
        return max(min(requests, self.burst) - self.tokens, 0.0) / self.rate_per_s
