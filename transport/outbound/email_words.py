"""Every sentence that a mail says by itself: headlines and sentences by event.

Plain words. `{amount}`, `{received}`, `{returned}`, `{short}`, `{excess}`, `{count}`,
`{credits}`, `{sent_on}`, `{subject}` and `{detail}` are values of `email_fields.py`. A
type that is not here is told by its name and its fields: a later version may have more.
Values only.
"""

from typing import Final

__all__ = ["CUSTOMER_WORDS", "OTHER_WORDS", "SHOP_WORDS"]

SHOP_WORDS: Final[dict[str, tuple[str, str]]] = {
    "payment.created": ("Payment created", "{amount} was asked for."),
    "payment.detected": (
        "Payment detected",
        "A payment was seen. It is not confirmed yet: do not deliver before it is.",
    ),
    "payment.detected, unverified": (
        "Payment announced",
        "A provider says so; the chain does not show it yet. Do not deliver.",
    ),
    "payment.detected, lightning": (
        "Payment received",
        "It came by Lightning: {received}.",
    ),
    "payment.confirming": (
        "Payment is being confirmed",
        "It has {count} confirmations.",
    ),
    "payment.confirmed": ("Payment confirmed", "The order is paid."),
    "payment.credited": ("Payment credited", "{credits} credits were added."),
    "payment.forwarding": (
        "Payment is being forwarded",
        "{sent_on} is on its way to you.",
    ),
    "payment.forwarded": ("Payment forwarded", "{sent_on} has arrived at your wallet."),
    "payment.expired": (
        "Payment expired",
        "The deadline has passed and it was not paid in full.",
    ),
    "payment.underpaid": ("Partly paid", "{short} is still missing."),
    "payment.overpaid": ("Overpaid", "{excess} more was paid than was asked for."),
    "payment.late": ("Paid late", "Money came after the deadline. Please look at it."),
    "payment.replaced": (
        "Transaction replaced",
        "A transaction that paid was replaced or dropped. It does not count any more.",
    ),
    "payment.reorged": (
        "Block replaced",
        "The block with the payment was replaced. It has to be confirmed again.",
    ),
    "payment.reversed": (
        "Payment reversed",
        "It was confirmed, and is not any more. Please look at it: do not deliver.",
    ),
    "payment.failed": ("Payment failed", "Something went wrong. Please look at it."),
    "payment.failed, forward": (
        "Forwarding failed",
        "The payment stays paid; its money was not moved. Please look at it.",
    ),
    "payment.cancelled": ("Payment cancelled", "It was cancelled."),
    "payment.token_saved": ("Card saved", "The gateway keeps it for this customer."),
    "payment.refunded": ("Refunded", "{returned} was sent back."),
    "payment.updated, refund": (
        "Refund in another transaction",
        "The block of the refund was lost, and another transaction of yours that pays"
        " it was mined.",
    ),
    "payment.updated": (
        "Payment changed",
        "What you keep of it, its deadline or its invoice was changed. No money moved.",
    ),
}

CUSTOMER_WORDS: Final[dict[str, tuple[str, str]]] = {
    "payment.created": (
        "Your payment is waited for",
        "Please pay {amount}.",
    ),
    "payment.detected": (
        "Your payment was seen",
        "It is being confirmed; you need not do anything. We write again when it is.",
    ),
    "payment.detected, unverified": (
        "Your payment was announced",
        "We are looking for it. Please do not pay again. We write again when it is"
        " confirmed.",
    ),
    "payment.detected, lightning": (
        "Your payment was received",
        "It came by Lightning. You need not do anything.",
    ),
    "payment.confirming": (
        "Your payment is being confirmed",
        "It has {count} confirmations.",
    ),
    "payment.confirmed": ("Your payment is confirmed", "Thank you."),
    "payment.credited": ("Your payment is credited", "Thank you."),
    "payment.forwarding": ("Your payment is confirmed", "You need not do anything."),
    "payment.forwarded": ("Your payment is confirmed", "You need not do anything."),
    "payment.expired": (
        "Your payment was not made in time",
        "Please do not pay any more, and ask the shop for a new payment.",
    ),
    "payment.underpaid": (
        "Your payment is not complete",
        "{short} is still missing. Please send it to the same address.",
    ),
    "payment.underpaid, lightning": (
        "Your payment is not complete",
        "{short} is still missing. Please ask the shop.",
    ),
    "payment.overpaid": (
        "You paid more than was asked for",
        "It is {excess} too much. Please ask the shop for it.",
    ),
    "payment.late": (
        "Your payment came after the deadline",
        "Please ask the shop what happens now.",
    ),
    "payment.replaced": (
        "Your transaction was replaced",
        "The network replaced or dropped it, so it does not count any more.",
    ),
    "payment.reorged": (
        "Your payment is being confirmed again",
        "The network replaced a block. You need not do anything.",
    ),
    "payment.reversed": (
        "Your payment is not confirmed any more",
        "The network took it back. Please ask the shop.",
    ),
    "payment.failed": ("Your payment failed", "Please ask the shop."),
    "payment.failed, forward": (
        "Your payment is confirmed",
        "You need not do anything.",
    ),
    "payment.cancelled": ("Your payment was cancelled", "Please do not pay it."),
    "payment.token_saved": ("Your card was saved", "You can use it again."),
    "payment.refunded": ("Your refund was sent", "{returned} was sent back to you."),
}

OTHER_WORDS: Final[dict[str, tuple[str, str]]] = {
    "alert.raised": ("Alert", "{subject}: {detail}"),
    "alert.resolved": ("Resolved", "{subject}: {detail}"),
    "channel.test": ("Test", "This is a test of Paybell. Mail works."),
}
