"""The state machine of a payment, as one dict.

`TRANSITIONS[status][event type]` is the set of statuses the payment may have after the
event. A missing key is an `IllegalTransition`: a bug, and nothing changes. Everything
that affects the state machine must live here; `docs/states.md` is generated from it
(`python -m engine.payment.transitions`) and a test compares the two.
"""

import sys

from engine.errors import IllegalTransition
from engine.payment.model import EventType as E
from engine.payment.model import Status as S  # noqa: N817 - the table reads as a table

__all__ = ["TRANSITIONS", "check", "diagram"]

_TRACKING = {  # what can happen to receipts without moving the status
    E.DETECTED,
    E.CONFIRMING,
    E.REPLACED,
    E.REORGED,
    E.OVERPAID,
    E.UNDERPAID,
    E.LATE,
    E.TOKEN_SAVED,
    E.REFUNDED,
    E.UPDATED,
}


_TELLING = {  # where money is that had been sent on, of a payment that was reversed
    E.FORWARDING,
    E.FORWARDED,
}


def _stay(status: S) -> dict[E, frozenset[S]]:
    return {event: frozenset({status}) for event in _TRACKING | _TELLING}


TRANSITIONS: dict[S | None, dict[E, frozenset[S]]] = {
    None: {E.CREATED: frozenset({S.PENDING})},
    S.PENDING: {
        # A webhook's claim leaves the payment pending; the chain's word moves it.
        E.DETECTED: frozenset({S.PENDING, S.CONFIRMING}),
        E.CONFIRMING: frozenset({S.CONFIRMING}),  # the chain corroborates a claim
        E.REPLACED: frozenset({S.PENDING}),  # a claim is withdrawn
        E.EXPIRED: frozenset({S.EXPIRED}),
        E.CANCELLED: frozenset({S.CANCELLED}),
        E.CONFIRMED: frozenset({S.CONFIRMED}),  # by hand, or by a gateway's word
        E.FAILED: frozenset({S.FAILED}),  # by a gateway's word
        E.TOKEN_SAVED: frozenset({S.PENDING}),
        E.UPDATED: frozenset({S.PENDING}),
        E.REFUNDED: frozenset({S.PENDING}),  # and then its money was taken back
        E.FORWARDING: frozenset({S.PENDING}),
        E.FORWARDED: frozenset({S.PENDING}),
    },
    S.CONFIRMING: {
        **_stay(S.CONFIRMING),
        E.REPLACED: frozenset({S.CONFIRMING, S.PENDING}),
        E.CONFIRMED: frozenset({S.CONFIRMED}),
        E.EXPIRED: frozenset({S.EXPIRED}),  # too little until the deadline
        E.FAILED: frozenset({S.FAILED}),  # by a gateway's word
    },
    S.CONFIRMED: {
        **_stay(S.CONFIRMED),
        # A gateway takes back for good what a chain may yet bring again.
        E.REVERSED: frozenset({S.CONFIRMING, S.PENDING, S.FAILED}),
        E.CREDITED: frozenset({S.CONFIRMED}),
        E.FORWARDING: frozenset({S.CONFIRMED}),
        # All of it, or a part; or the last that was on its way, another having failed.
        E.FORWARDED: frozenset({S.FORWARDED, S.CONFIRMED, S.FAILED}),
        E.FAILED: frozenset({S.FAILED, S.CONFIRMED}),  # a part; others are on their way
    },
    S.FORWARDED: {
        **_stay(S.FORWARDED),
        E.REVERSED: frozenset({S.CONFIRMING, S.PENDING, S.FAILED}),
        # More money came; or that which had arrived lost its block.
        E.FORWARDING: frozenset({S.CONFIRMED, S.FORWARDED}),
        E.FAILED: frozenset({S.FAILED}),
    },
    S.EXPIRED: {
        **_stay(S.EXPIRED),
        # A late payment in full goes on as any other, with the flag `late`.
        E.DETECTED: frozenset({S.EXPIRED, S.CONFIRMING}),
        E.CONFIRMING: frozenset({S.EXPIRED, S.CONFIRMING}),
        E.CANCELLED: frozenset({S.CANCELLED}),
        E.CONFIRMED: frozenset({S.CONFIRMED}),  # by hand, or by a gateway's word
    },
    S.FAILED: {
        **_stay(S.FAILED),
        # A card was declined; another one paid, or paid a part.
        E.DETECTED: frozenset({S.FAILED, S.CONFIRMING}),
        E.CONFIRMED: frozenset({S.CONFIRMED}),
        # Of a payment that is paid all the same: its forward is tried again.
        E.REVERSED: frozenset({S.CONFIRMING, S.PENDING}),
        E.FORWARDING: frozenset({S.CONFIRMED, S.FAILED}),
        E.FORWARDED: frozenset({S.FORWARDED, S.CONFIRMED, S.FAILED}),
        E.FAILED: frozenset({S.FAILED}),
    },
    S.CANCELLED: {**_stay(S.CANCELLED), E.CONFIRMED: frozenset({S.CONFIRMED})},
}


def check(status: S | None, event: E, after: S) -> None:
    """Raise `IllegalTransition` unless the table allows the step."""
    if after not in TRANSITIONS[status].get(event, frozenset()):
        raise IllegalTransition(status, event, after)


def diagram() -> str:
    """The table as a Mermaid state diagram; steps that stay are left out."""
    lines = ["stateDiagram-v2"]
    for status, events in TRANSITIONS.items():
        moves: dict[S, list[str]] = {}
        for event in E:
            for after in sorted(events.get(event, ())):
                if after is not status:
                    moves.setdefault(after, []).append(event.removeprefix("payment."))
        for after, names in moves.items():
            lines.append(f"    {status or '[*]'} --> {after}: {', '.join(names)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(diagram())
