"""What actors and the journal answer an edge: values, or the errors they stand for."""

from typing import Any

from engine.errors import AlreadyDrawn, BrokenInvariant, Duplicate, EngineBusy, Refused
from engine.store.writes import Conflict, Unavailable

__all__ = ["good"]


def good(answer: Any) -> Any:
    """The answer, if it is one. Raises `Duplicate`, `EngineBusy`, `Refused`, and
    `BrokenInvariant` for what no client can have brought about.

    That an address is watched already is a `Conflict` for its payment alone.
    """
    match answer:
        case Conflict(what, detail):
            if what == "address":
                return answer
            if what == "seq":  # its watcher starts anew, from what is stored
                raise EngineBusy(f"the {detail}", 1)
            if what == "refund":
                raise Refused(detail.partition("refunds.state: ")[2] or detail)
            if what == "wallet":  # the stock begins anew, from what is stored
                raise AlreadyDrawn(f"the {detail}", 1)
            if what == "other":
                raise BrokenInvariant(f"it cannot be written: {detail}")
            raise Duplicate(f"the {detail}")
        case Unavailable(detail):
            raise EngineBusy(detail, 5)
        case Refused():
            raise answer
    return answer
