"""The table of the control API: every operation, what it takes and may answer.

Routes and the OpenAPI document are both made from it. The name of an operation is the
name of the method that handles it. Data only.
"""

from transport.http.inputs import (
    BatchRequest,
    ChannelPatch,
    ChannelRequest,
    NoFields,
    PaymentRequest,
    RedeliverPaymentRequest,
    RedeliverRequest,
)
from transport.http.openapi import Header, Link, Operation, Text
from transport.http.params import AfterQuery, CursorQuery, PaymentsQuery
from transport.http.views import (
    BatchPage,
    ChannelPage,
    ChannelView,
    DeliveryPage,
    EventPage,
    HealthView,
    PaymentPage,
    PaymentView,
    PollAccepted,
    ReadyView,
    Requeued,
    SourcePage,
    TestResult,
    WatcherPage,
    WatcherView,
)

__all__ = ["BATCH", "CHANNELS", "NODE", "PAYMENTS"]

IDEMPOTENCY_KEY = Header(
    name="Idempotency-Key",
    description="1 to 255 visible ASCII characters. The same key with the same body"
    " gets the first answer again for 24 h (Idempotent-Replayed: true); with another"
    " body it is refused (422).",
    schema={"type": "string", "pattern": "^[!-~]{1,255}$"},
)


def _next(operation: str, parameter: str, place: str = "/id") -> Link:
    return Link(
        operation=operation, parameter=parameter, expression=f"$response.body#{place}"
    )


BATCH = Operation(
    name="create_payments",
    method="POST",
    path="/v1/payments/batch",
    tag="payments",
    summary="Create up to 1,000 payments in one commit. One entry each comes back, in"
    ' order: {"payment": …} or {"problem": …}; a wrong one harms no other.',
    request=BatchRequest,
    headers=(IDEMPOTENCY_KEY,),
    answers={200: BatchPage},
    answer_headers={200: ("Idempotent-Replayed",)},
    problems=(409,),
)

PAYMENTS = (
    Operation(
        name="create_payment",
        method="POST",
        path="/v1/payments",
        tag="payments",
        summary="Create a payment and watch for it. Its client_secret is told here"
        " only.",
        request=PaymentRequest,
        headers=(IDEMPOTENCY_KEY,),
        answers={201: PaymentView},
        answer_headers={201: ("Location", "Idempotent-Replayed")},
        problems=(409,),
        links={
            "get": _next("get_payment", "payment_id"),
            "events": _next("list_payment_events", "payment_id"),
            "cancel": _next("cancel_payment", "payment_id"),
            "confirm": _next("confirm_payment", "payment_id"),
            "redeliver": _next("redeliver_payment", "payment_id"),
            "watcher": _next("get_watcher", "address", "/address"),
            "poll": _next("poll_watcher", "address", "/address"),
            "follow": _next("followBalance", "address", "/address"),
            "callback": _next("receiveBlockonomicsCallback", "addr", "/address"),
            "webhook": Link(
                operation="receiveBtcWebhook",
                parameter="address",
                expression="$response.body#/address",
                in_body=True,
            ),
        },
    ),
    Operation(
        name="list_payments",
        method="GET",
        path="/v1/payments",
        tag="payments",
        summary="Payments, newest first.",
        query=PaymentsQuery,
        answers={200: PaymentPage},
        links={
            "next": _next("list_payments", "cursor", "/next_cursor"),
            "newest": _next("get_payment", "payment_id", "/data/0/id"),
        },
    ),
    Operation(
        name="get_payment",
        method="GET",
        path="/v1/payments/<payment_id>",
        tag="payments",
        summary="A payment as it is now.",
        answers={200: PaymentView},
        problems=(404,),
    ),
    Operation(
        name="list_payment_events",
        method="GET",
        path="/v1/payments/<payment_id>/events",
        tag="payments",
        summary="The events of a payment after a seq, in order.",
        query=AfterQuery,
        answers={200: EventPage},
        problems=(404,),
    ),
    Operation(
        name="cancel_payment",
        method="POST",
        path="/v1/payments/<payment_id>/cancel",
        tag="payments",
        summary="Cancel an unpaid payment. Doing it twice changes nothing.",
        request=NoFields,
        body_may_be_absent=True,
        answers={200: PaymentView},
        problems=(404, 409),
    ),
    Operation(
        name="confirm_payment",
        method="POST",
        path="/v1/payments/<payment_id>/confirm",
        tag="payments",
        summary="Declare a payment paid, whatever the chain says.",
        request=NoFields,
        body_may_be_absent=True,
        answers={200: PaymentView},
        problems=(404, 409),
    ),
    Operation(
        name="redeliver_payment",
        method="POST",
        path="/v1/payments/<payment_id>/redeliver",
        tag="payments",
        summary="Deliver a payment's events to its channels again.",
        request=RedeliverPaymentRequest,
        body_may_be_absent=True,
        answers={200: Requeued},
        problems=(404,),
    ),
    Operation(
        name="redeliver_range",
        method="POST",
        path="/v1/redeliver",
        tag="payments",
        summary="Deliver the events of a time range again.",
        request=RedeliverRequest,
        answers={200: Requeued},
    ),
)

CHANNELS = (
    Operation(
        name="create_channel",
        method="POST",
        path="/v1/channels",
        tag="channels",
        summary="Tell a webhook endpoint from now on. The secret is told here only.",
        request=ChannelRequest,
        answers={201: ChannelView},
        answer_headers={201: ("Location",)},
        problems=(409,),
        links={
            "get": _next("get_channel", "channel_id"),
            "change": _next("change_channel", "channel_id"),
            "deliveries": _next("list_deliveries", "channel_id"),
            "test": _next("test_channel", "channel_id"),
            "remove": _next("remove_channel", "channel_id"),
        },
    ),
    Operation(
        name="list_channels",
        method="GET",
        path="/v1/channels",
        tag="channels",
        summary="All channels that are the caller's.",
        answers={200: ChannelPage},
    ),
    Operation(
        name="get_channel",
        method="GET",
        path="/v1/channels/<channel_id>",
        tag="channels",
        summary="A channel, without its secret.",
        answers={200: ChannelView},
        problems=(404,),
    ),
    Operation(
        name="change_channel",
        method="PATCH",
        path="/v1/channels/<channel_id>",
        tag="channels",
        summary="Change what is given; what happens while it is disabled is not"
        " delivered later.",
        request=ChannelPatch,
        answers={200: ChannelView},
        problems=(404,),
    ),
    Operation(
        name="remove_channel",
        method="DELETE",
        path="/v1/channels/<channel_id>",
        tag="channels",
        summary="Remove a channel and all that it was still owed.",
        answers={204: None},
        problems=(404,),
    ),
    Operation(
        name="list_deliveries",
        method="GET",
        path="/v1/channels/<channel_id>/deliveries",
        tag="channels",
        summary="Attempts to deliver, newest first.",
        query=CursorQuery,
        answers={200: DeliveryPage},
        problems=(404,),
    ),
    Operation(
        name="test_channel",
        method="POST",
        path="/v1/channels/<channel_id>/test",
        tag="channels",
        summary='Send a signed event of type "channel.test" now and tell what came.',
        request=NoFields,
        body_may_be_absent=True,
        answers={200: TestResult},
        problems=(404,),
    ),
)

NODE = (
    Operation(
        name="health",
        method="GET",
        path="/health",
        tag="node",
        summary="The process answers. Always 200; `status` says how it is.",
        answers={200: HealthView},
        needs_key=False,
    ),
    Operation(
        name="ready",
        method="GET",
        path="/ready",
        tag="node",
        summary="Whether new payments are taken; 503 with the reasons if not.",
        answers={200: ReadyView},
        needs_key=False,
    ),
    Operation(
        name="metrics",
        method="GET",
        path="/metrics",
        tag="node",
        summary="Metrics for Prometheus, in its text format. For keys of the node.",
        answers={200: Text("text/plain")},
    ),
    Operation(
        name="openapi",
        method="GET",
        path="/openapi.json",
        tag="node",
        summary="This document.",
        answers={200: Text("application/json", "object")},
        needs_key=False,
    ),
    Operation(
        name="list_watchers",
        method="GET",
        path="/v1/watchers",
        tag="node",
        summary="The live supervision tree. For keys of the node.",
        query=CursorQuery,
        answers={200: WatcherPage},
    ),
    Operation(
        name="get_watcher",
        method="GET",
        path="/v1/watchers/<address>",
        tag="node",
        summary="The watcher of an address.",
        answers={200: WatcherView},
        problems=(404,),
    ),
    Operation(
        name="poll_watcher",
        method="POST",
        path="/v1/watchers/<address>/poll",
        tag="node",
        summary="Look at the chain for an address now.",
        request=NoFields,
        body_may_be_absent=True,
        answers={202: PollAccepted},
        problems=(404,),
    ),
    Operation(
        name="list_sources",
        method="GET",
        path="/v1/sources",
        tag="node",
        summary="The chain sources: state, tip, lag, budget, errors, requests so far.",
        answers={200: SourcePage},
    ),
)
