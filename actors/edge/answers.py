"""What actors and the journal answer an edge: values, or the errors they stand for."""

from typing import Any

from engine.errors import Duplicate, EngineBusy, Refused
from engine.store.writes import Conflict, Unavailable

__all__ = ["good"]


def good(answer: Any) -> Any:
    """The answer, if it is one. Raises `Duplicate`, `EngineBusy`, `Refused`.

    That an address is watched already is a `Conflict` for its payment alone.
    """
    match answer:
        case Conflict(what, detail):
            if what == "address":
                return answer
            raise Duplicate(detail)
        case Unavailable(detail):
            raise EngineBusy(detail, 5)
        case Refused():
            raise answer
    return answer
