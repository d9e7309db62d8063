"""What is there for a caller: of what belongs to others it learns nothing (404).

Reads through the gateway. Runs in the request's greenlet.
"""

from engine.delivery.channel import Channel
from engine.errors.codes import Code
from engine.gateway import Gateway
from engine.payment.model import Payment
from transport.http.auth import Principal
from transport.http.problems import Problem

__all__ = ["seen_channel", "seen_payment"]


def seen_payment(gateway: Gateway, payment_id: str, principal: Principal) -> Payment:
    """The payment. Raises `Problem` 404."""
    payment = gateway.payment(payment_id)
    if payment is None or not principal.may_see(payment.terms.merchant):
        raise Problem(Code.PAYMENT_NOT_FOUND, "There is no such payment.")
    return payment


def seen_channel(gateway: Gateway, channel_id: str, principal: Principal) -> Channel:
    """The channel. Raises `Problem` 404."""
    channel = gateway.channel(channel_id)
    if channel is None or not principal.may_see(channel.merchant):
        raise Problem(Code.CHANNEL_NOT_FOUND, "There is no such channel.")
    return channel
