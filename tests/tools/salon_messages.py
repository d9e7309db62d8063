"""What a site of the salon's kind is told of an event, as docs/socketio.md has it."""

import json

__all__ = ["Message", "messages_of"]

Message = tuple[int, str, str]  # seq, name of the message, type of the event


def messages_of(wire: bytes) -> list[Message]:
    """For who asked for steps, too; of a payment that is not forwarded. `wire`: the
    event as the API shows it."""
    event = json.loads(wire)
    kind, status, seq = event["type"], event["status"], event["seq"]
    told: list[Message] = []
    ends = kind.removeprefix("payment.") in (
        "confirmed",
        "expired",
        "failed",
        "reversed",
    )
    on_its_way = status in ("pending", "confirming") and kind != "payment.created"
    if ends or on_its_way:
        told.append((seq, "payment:status-update", kind))
    if kind == "payment.confirmed":
        told.append((seq, "payment:completed", kind))
    return told
