"""How often people may ask for what costs the node or its neighbours more than a call.

The settings of these names. Made by `transport/cli/starting.py`. Values only.
"""

import msgspec

__all__ = ["AskingLimits"]


class AskingLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Where a limit is "per minute", as many may come at once."""

    #: Of one merchant: enough to try out an endpoint by hand, and nothing to call with.
    channel_tests_per_minute: int = 12
    #: Of one merchant. Each keeps a request open for as long as the endpoint takes.
    channel_tests_open: int = 2
    #: Of one merchant, behind the one that runs, and how long each waits for its turn.
    searches_waiting: int = 20
    search_wait_s: float = 5.0
    #: Of one client address: new payments in the place of those that are over.
    reorders_per_minute: int = 10
    #: Of one client address: invoices for what is missing of a payment.
    rests_per_minute: int = 10
