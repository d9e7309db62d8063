"""Restart rules, as pure values: backoff with jitter, intensity, quarantine.

After Erlang/OTP: more than `max_restarts` within `window_s` means that restarting does
not help. OTP then ends the supervisor; we quarantine the one child, because the
children here are payments of different shops and none may hurt another. Backoff is
what OTP lacks and Akka has: the n-th restart in a row waits `min * 2^n`, at most
`max`, spread by jitter so that a common cause does not bring all back at one moment.

Burst and rate are two separate choices: 5 in 60 s allows five quick tries, yet one
per 12 s sustained.
"""

import msgspec

__all__ = ["CrashVerdict", "RestartHistory", "RestartPolicy"]


class RestartPolicy(msgspec.Struct, frozen=True):
    """How often and how fast a child may be restarted. Times in seconds."""

    max_restarts: int = 5
    window_s: float = 60.0
    backoff_min_s: float = 0.1
    backoff_max_s: float = 30.0
    jitter: float = 0.2  # a delay is spread by ± this part of itself


class CrashVerdict(msgspec.Struct, frozen=True):
    """What to do with a crashed child: restart after `delay_s`, or quarantine (None).

    `redeliver` says whether the message that crashed it gets one more try: the first
    crash may be chance; after the second the message is the problem and is parked.
    """

    delay_s: float | None
    redeliver: bool


class RestartHistory(msgspec.Struct, frozen=True):
    """What is remembered of a child that crashed."""

    crashes: tuple[float, ...] = ()  # monotonic seconds, those within the window
    total: int = 0
    last_error: str = ""
    last_message: object = None

    def after_crash(
        self, now_s: float, error: str, message: object, policy: RestartPolicy
    ) -> "RestartHistory":
        recent = tuple(at for at in self.crashes if now_s - at < policy.window_s)
        return RestartHistory((*recent, now_s), self.total + 1, error, message)

    def verdict(
        self, previous: "RestartHistory", rand: float, policy: RestartPolicy
    ) -> CrashVerdict:
        """Judge the newest crash. `rand` is uniform in [0, 1)."""
        in_row = len(self.crashes)
        if in_row > policy.max_restarts:
            return CrashVerdict(None, redeliver=False)
        delay = min(policy.backoff_min_s * 2 ** (in_row - 1), policy.backoff_max_s)
        spread = 1 + policy.jitter * (2 * rand - 1)
        poison = self.last_message is not None and (
            self.last_message is previous.last_message
        )
        return CrashVerdict(delay * spread, redeliver=not poison)
