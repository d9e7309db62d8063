"""A shop's side of Paybell: ask for payments, follow events, verify webhooks.

    from paybell_client import Client

    with Client("http://127.0.0.1:8080", key) as paybell:
        payment = paybell.create(amount_sat=50_000, external_id="order-1")
        for event in paybell.events(cursor_file="paybell.cursor"):
            ...

README.md beside this package says what each part promises.
"""

from paybell_client.client import Client
from paybell_client.cursor import CursorInUse
from paybell_client.errors import (
    Answer,
    CursorGone,
    PaybellError,
    Problem,
    Unreachable,
)
from paybell_client.state import PaymentState
from paybell_client.types import (
    Event,
    FieldError,
    Lightning,
    Order,
    Payment,
    PaymentPage,
    Price,
    Receipt,
    Refund,
)
from paybell_client.webhooks import Webhook, WebhookRefused, verify_webhook

__all__ = [
    "Answer",
    "Client",
    "CursorGone",
    "CursorInUse",
    "Event",
    "FieldError",
    "Lightning",
    "Order",
    "PaybellError",
    "Payment",
    "PaymentPage",
    "PaymentState",
    "Price",
    "Problem",
    "Receipt",
    "Refund",
    "Unreachable",
    "Webhook",
    "WebhookRefused",
    "verify_webhook",
]

__version__ = "0.1.0"
