"""The client: one method for each thing that a shop asks of its node.

Sync, and for one thread at a time (a session of requests is inside): make one for each
thread. Every call ends within `timeout_s` for each attempt.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, cast
from urllib.parse import quote

from paybell_client.calls import Calls
from paybell_client.cursor import CursorFile
from paybell_client.follow import GoneHandler, follow
from paybell_client.types import Event, Payment, PaymentPage, Refund

__all__ = ["Client"]


class Client:
    """One node, and one API key (`pbk_…`, of `run.py keys create`).

    `timeout_s`: how long one attempt may wait for its answer. `attempts`: how often a
    call is made in all, where making it again is safe (calls.py says where).
    """

    def __init__(
        self, url: str, key: str, *, timeout_s: float = 30.0, attempts: int = 4
    ) -> None:
        self._calls = Calls(url, key, timeout_s=timeout_s, attempts=attempts)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Its connections."""
        self._calls.close()

    def __repr__(self) -> str:
        return f"Client({self._calls.url!r})"

    # -- payments ----------------------------------------------------------------------

    def create(self, *, idempotency_key: str | None = None, **fields: Any) -> Payment:
        """Ask for a payment: `amount_sat`, or `amount` and `currency`, or
        `any_amount=True`; and `external_id`, `metadata`, `expires_in_s`, … as `POST
        /v1/payments` takes them.

        A key of its own is drawn for each call, so that repeating it after a lost
        answer makes no second payment. Give `idempotency_key` (of the order, say) to
        have the same after your own process has died between asking and writing down.
        """
        return cast(
            "Payment", self._make("/v1/payments", _given(fields), idempotency_key)
        )

    def get(self, payment_id: str) -> Payment:
        """As it is now. `Problem` 404 where there is none."""
        return cast("Payment", self._calls.call("GET", _payment(payment_id)))

    def list(self, *, limit: int = 100, **filters: Any) -> Iterator[Payment]:
        """All that the filters (`status`, `external_id`, `address`, …) let through, the
        newest first; a page of `limit` is asked for when it is come to."""
        cursor: str | None = None
        while True:
            page = self.page(limit=limit, cursor=cursor, **filters)
            yield from page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def page(
        self, *, limit: int = 100, cursor: str | None = None, **filters: Any
    ) -> PaymentPage:
        """One page, and where the next one begins."""
        query = _given({"limit": limit, "cursor": cursor, **filters})
        return cast("PaymentPage", self._calls.call("GET", "/v1/payments", query=query))

    def change(
        self, payment_id: str, *, if_seq: int | None = None, **fields: Any
    ) -> Payment:
        """PATCH (RFC 7396): what is not named stays, None takes away; `metadata`,
        `external_id`, `description`, `expires_at`, `expires_in_s`.

        With `if_seq` (the `seq` of the payment as you read it) it is a `Problem` 412 if
        it has moved on. Such a call is not repeated after a lost answer: its own
        success would refuse it.
        """
        return cast(
            "Payment",
            self._calls.call(
                "PATCH",
                _payment(payment_id),
                body=fields,
                headers={} if if_seq is None else {"If-Match": f'"{if_seq}"'},
                repeatable=if_seq is None,
            ),
        )

    def cancel(self, payment_id: str) -> Payment:
        """Nobody is waited for any more. `Problem` 409 if money is there."""
        return cast("Payment", self._calls.call("POST", _payment(payment_id, "cancel")))

    def confirm(self, payment_id: str) -> Payment:
        """Say by hand that it is paid, whatever the chain shows."""
        return cast(
            "Payment", self._calls.call("POST", _payment(payment_id, "confirm"))
        )

    def refund(
        self, payment_id: str, *, idempotency_key: str | None = None, **fields: Any
    ) -> Refund:
        """Money back: all that is left, or `amount_sat`, or `amount` and `currency`; to
        `address`, else by a link (`claim_url`) that the payer opens."""
        path = _payment(payment_id, "refund")
        return cast("Refund", self._make(path, _given(fields), idempotency_key))

    def payment_events(self, payment_id: str) -> Iterator[Event]:
        """The whole story of one payment, from its beginning."""
        after: str | None = "0"
        while after is not None:
            page = self._calls.call(
                "GET",
                _payment(payment_id, "events"),
                query={"after": after, "limit": 100},
            )
            yield from cast("list[Event]", page["data"])
            after = page["next_after"]

    # -- following ---------------------------------------------------------------------

    def events(
        self,
        *,
        cursor_file: str | os.PathLike[str] | None = None,
        after: str = "0",
        on_gone: GoneHandler | None = None,
        limit: int = 100,
        wait_s: float = 30.0,
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Every event of the key's merchant, in the node's order, without end.

            for event in paybell.events(cursor_file="paybell.cursor"):
                handle(event)

        At least once: `cursor_file` moves past an event when the next one is asked for,
        that is, when the loop's body has ended without an exception. One whose handler
        died comes again. Without a file (or before there is one) it begins at `after`;
        "0" is the beginning of all, "newest" passes over what has happened so far.

        Where the node is away or answers 429 or 5xx, it is asked again, for ever, with
        pauses of up to 30 s. A wrong key is a `Problem` at once.

        After a restore of the node's database (410) `on_gone` is called with the
        `CursorGone`: events may have been lost, so ask for each payment that you wait
        for. When it returns, following goes on; some events may come twice. Without
        `on_gone` the `CursorGone` is raised, that nobody goes on unknowing.

        `stop`, once set, ends it after the event that is being handled; the wait for
        the next one lasts up to `wait_s`. `CursorInUse`: another process has the file.
        """
        file = None if cursor_file is None else CursorFile(cursor_file)
        with ExitStack() as held:
            if file is not None:
                held.enter_context(file.held())
            yield from follow(
                self._calls,
                file=file,
                after=after,
                on_gone=on_gone,
                limit=limit,
                wait_s=wait_s,
                stop=stop or threading.Event(),
            )

    # -- within ------------------------------------------------------------------------

    def _make(
        self, path: str, fields: Mapping[str, Any], idempotency_key: str | None
    ) -> Any:
        key = idempotency_key or f"py-{uuid.uuid4()}"
        return self._calls.call(
            "POST", path, body=fields, headers={"Idempotency-Key": key}
        )


def _payment(payment_id: str, action: str = "") -> str:
    if not payment_id:
        raise ValueError("a payment's id is empty")
    path = f"/v1/payments/{quote(payment_id, safe='')}"
    return f"{path}/{action}" if action else path


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
