"""Whom one socket on `/ws` speaks for, by tokens of a shop's site (S3.7).

A token comes in the URL, for the whole connection, or in a message, for what that one
asks. The socket ends when the first of them does: its client comes back with a newer
one and `since`. Runs in the connection's greenlet.
"""

from collections.abc import Callable, Iterable

from transport.live.doors import DoorClosed, Doors, Guest
from transport.live.leases import Lease, Leases

__all__ = ["Visit", "is_site_token"]


def is_site_token(token: str | None) -> bool:
    """Whether it has the form of one: a payment's `client_secret` holds no dot."""
    return token is not None and token.count(".") == 2


class Visit:
    """One socket's."""

    __slots__ = ("_doors", "_end", "_guest", "_lease", "_leases", "_rules")

    def __init__(
        self,
        doors: Doors,
        leases: Leases,
        end: Callable[[], None],
        guest: Guest | None = None,
    ) -> None:
        """`end` is called when a token has ended. `guest`: by the token in the URL."""
        self._doors = doors
        self._leases = leases
        self._end = end
        self._guest = guest
        self._lease: Lease | None = None
        self._rules: dict[str, Lease] = {}  # of each merchant's that a token was of
        if guest is not None:
            self._hold(guest)

    def guest_of(self, token: str | None, merchants: Iterable[str]) -> Guest | None:
        """By the token of a message, or else the one of the URL: of the first of these
        merchants whose it is. None: it opens nothing of theirs."""
        names = dict.fromkeys(merchants)
        if token is None or not is_site_token(token):
            guest = self._guest
            return guest if guest is not None and guest.merchant in names else None
        for name in names:
            try:
                guest = self._doors.guest_of(token, name)
            except DoorClosed:
                continue
            self._hold(guest)
            return guest
        return None

    def merchant(self) -> str | None:
        """Of the token in the URL."""
        return None if self._guest is None else self._guest.merchant

    def close(self) -> None:
        """The client has gone."""
        for lease in self._rules.values():
            lease.release()
        if self._lease is not None:
            self._lease.release()

    def _hold(self, guest: Guest) -> None:
        assert guest.expires_at is not None, "a token that does not end"
        self._hold_to_rules(guest)
        if self._lease is not None:
            if self._lease.expires_at <= guest.expires_at:
                return
            self._lease.release()
        self._lease = self._leases.until(guest.expires_at, self._end)

    def _hold_to_rules(self, guest: Guest) -> None:
        if guest.rules not in self._rules:
            self._rules[guest.rules] = self._leases.of_key(guest.rules, self._end)
