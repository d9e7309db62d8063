"""A token bucket as a value: how much somebody may still do, or be asked. Pure.

The one rule of rates in this program: the budget of a chain source, the calls of a
client (`transport/server/limits.py`, a bucket per key), the frames of a WebSocket and
the messages in it.
"""

import msgspec

__all__ = ["TokenBucket"]

_ROUNDING = 1e-9
"""The sum of many refills may miss a whole token by a rounding error."""


class TokenBucket(msgspec.Struct, frozen=True, gc=False):
    """`tokens` may be spent now; `rate_per_s` more come in, up to `burst`.

    Times are seconds of any clock; a step backwards counts as no time. Nothing comes in
    before the bucket is looked `at` for the first time.
    """

    rate_per_s: float
    burst: float
    tokens: float
    updated_s: float | None = None

    def __post_init__(self) -> None:
        if self.rate_per_s <= 0 or self.burst < 1:
            raise ValueError(
                "a rate limit wants rate_per_s > 0 and burst >= 1, got"
                f" rate_per_s={self.rate_per_s} burst={self.burst}"
            )

    @classmethod
    def full(cls, rate_per_s: float, burst: float) -> "TokenBucket":
        """As many tokens as it holds. Raises `ValueError` if none could ever come."""
        return cls(rate_per_s, burst, burst)

    @classmethod
    def per_minute(cls, requests: float) -> "TokenBucket":
        """So many requests a minute, a tenth of them (at least 5) at once."""
        return cls.full(requests / 60, max(requests / 10, 5.0))

    def at(self, now_s: float) -> "TokenBucket":
        """The bucket now, with what came in since it was last looked at."""
        if self.updated_s is None:
            return TokenBucket(self.rate_per_s, self.burst, self.tokens, now_s)
        came_in = max(now_s - self.updated_s, 0.0) * self.rate_per_s
        tokens = min(self.tokens + came_in, self.burst)
        return TokenBucket(self.rate_per_s, self.burst, tokens, now_s)

    def spend(self, tokens: float) -> "TokenBucket":
        """With so many fewer; it may go below zero.

        What a round of a source costs is known when it is over: later rounds wait.
        """
        return TokenBucket(
            self.rate_per_s, self.burst, self.tokens - tokens, self.updated_s
        )

    def wait_s(self, tokens: float) -> float:
        """Seconds until so many tokens are there, or as many as it holds; 0: now."""
        missing = min(tokens, self.burst) - self.tokens
        return missing / self.rate_per_s if missing > _ROUNDING else 0.0

    def take(self, now_s: float) -> tuple["TokenBucket", float]:
        """Spend one token: the bucket then, and 0.0 or the seconds until there is one.

        Who is refused spends nothing: one that keeps knocking does not wait longer.
        """
        bucket = self.at(now_s)
        wait_s = bucket.wait_s(1)
        return (bucket if wait_s else bucket.spend(1)), wait_s
