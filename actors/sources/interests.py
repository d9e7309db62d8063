"""What payments know of their scripts when they are watched, for whom reads the chain.

Few know anything: most are paid once, and were made while all was well.
"""

from engine.chain.feed import Output, Tip

__all__ = ["Interests"]


class Interests:
    """By script. To be read; only `put` and `forget` change it."""

    def __init__(self) -> None:
        self.known: dict[bytes, tuple[Output, ...]] = {}  # receipts in blocks
        # The best tip when the payment was made, where it decides what is older: see
        # `engine.payment.old_outputs`.
        self.since: dict[bytes, Tip] = {}

    def put(
        self, script: bytes, known: tuple[Output, ...], since: Tip | None = None
    ) -> None:
        self.forget(script)
        if known:
            self.known[script] = known
        if since is not None:
            self.since[script] = since

    def forget(self, script: bytes) -> None:
        self.known.pop(script, None)
        self.since.pop(script, None)
