"""What went wrong, in words for programs. What each means to a client, and what to do,
is in docs/errors.md: a test compares. Pure; imports nothing of ours.
"""

from enum import StrEnum
from typing import Self

__all__ = ["Code", "StreamCode"]


class Code(StrEnum):
    """What went wrong, for programs: the `code` of a problem answer, with its status.

    A code never changes its meaning or its status; new ones may come.
    """

    status: int

    def __new__(cls, code: str, status: int) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.status = status
        return member

    BAD_REQUEST = "bad_request", 400
    INVALID_BODY = "invalid_body", 400
    INVALID_JSON = "invalid_json", 400
    INVALID_QUERY = "invalid_query", 400
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key", 400
    UNAUTHORIZED = "unauthorized", 401
    FORBIDDEN = "forbidden", 403
    CSRF_REFUSED = "csrf_refused", 403
    ORIGIN_NOT_ALLOWED = "origin_not_allowed", 403
    NOT_FOUND = "not_found", 404
    GATEWAY_NOT_FOUND = "gateway_not_found", 404
    PAYMENT_NOT_FOUND = "payment_not_found", 404
    CHANNEL_NOT_FOUND = "channel_not_found", 404
    MERCHANT_NOT_FOUND = "merchant_not_found", 404
    KEY_NOT_FOUND = "key_not_found", 404
    UPSTREAM_NOT_FOUND = "upstream_not_found", 404
    FORWARD_NOT_FOUND = "forward_not_found", 404
    REFUND_NOT_FOUND = "refund_not_found", 404
    WATCHER_NOT_FOUND = "watcher_not_found", 404
    TRANSACTION_NOT_FOUND = "transaction_not_found", 404
    WEBHOOKS_OFF = "webhooks_off", 404
    METHOD_NOT_ALLOWED = "method_not_allowed", 405
    REQUEST_TIMEOUT = "request_timeout", 408
    ADDRESS_TAKEN = "address_taken", 409
    DUPLICATE = "duplicate", 409
    WRONG_PAYMENT_STATE = "wrong_payment_state", 409
    LIMIT_REACHED = "limit_reached", 409
    INSUFFICIENT_FUNDS = "insufficient_funds", 409
    REFUND_TOO_LARGE = "refund_too_large", 409
    MERCHANT_CHANGED = "merchant_changed", 412
    PAYMENT_CHANGED = "payment_changed", 412
    CURSOR_GONE = "cursor_gone", 410
    BODY_TOO_LARGE = "body_too_large", 413
    URI_TOO_LONG = "uri_too_long", 414
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", 415
    HOST_NOT_ALLOWED = "host_not_allowed", 421
    INVALID_REQUEST = "invalid_request", 422
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", 422
    UPGRADE_REQUIRED = "upgrade_required", 426
    RATE_LIMITED = "rate_limited", 429
    TOO_MANY_CONNECTIONS = "too_many_connections", 429
    HEADERS_TOO_LARGE = "headers_too_large", 431
    INTERNAL_ERROR = "internal_error", 500
    METHOD_NOT_IMPLEMENTED = "method_not_implemented", 501
    BUSY = "busy", 503
    LIGHTNING_UNAVAILABLE = "lightning_unavailable", 503
    NO_RATE = "no_rate", 503
    NOT_READY = "not_ready", 503
    OVERLOADED = "overloaded", 503
    REQUEST_IN_PROGRESS = "request_in_progress", 503
    SOURCE_UNAVAILABLE = "source_unavailable", 503
    STOPPING = "stopping", 503
    STORE_UNAVAILABLE = "store_unavailable", 503
    WALLET_LOCKED = "wallet_locked", 503
    HTTP_VERSION_NOT_SUPPORTED = "http_version_not_supported", 505


class StreamCode(StrEnum):
    """What went wrong, in a message to a client whose stream goes on."""

    BAD_JSON = "bad_json"
    BAD_MESSAGE = "bad_message"
    BEGINS_ANEW = "begins_anew"
    NOT_ALLOWED = "not_allowed"
    SINCE_IN_FUTURE = "since_in_future"
    TOO_MANY = "too_many"
    UNKNOWN = "unknown"
    UNKNOWN_PAYMENT = "unknown_payment"
    UNKNOWN_TYPE = "unknown_type"
