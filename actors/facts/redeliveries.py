"""How often deliveries that were over became owed anew, by merchant.

The journal counts each such commit before it tells of anything that came with it or
after. A notifier asks before it sends what it knows by itself: the number says at once
that something earlier may be owed again, while the message to read all of it comes once
a second at most, through others' mailboxes.
"""

__all__ = ["Redeliveries"]


class Redeliveries:
    """See the module docstring."""

    __slots__ = ("_of_all", "_of_one")

    def __init__(self) -> None:
        self._of_all = 0  # asked for without the name of a merchant
        self._of_one: dict[str, int] = {}

    def count(self, merchant: str | None) -> None:
        """Some of this merchant's channels (None: of anybody's) are owed more now."""
        if merchant is None:
            self._of_all += 1
        else:
            self._of_one[merchant] = self._of_one.get(merchant, 0) + 1

    def of(self, merchant: str) -> int:
        """How many so far may concern this merchant's channels."""
        return self._of_all + self._of_one.get(merchant, 0)
