"""Row S2.1 where the server dies: what was paid meanwhile is found, once each."""

from pathlib import Path

from tests.seeds.blink_stage import blink_shop, hash_of
from tests.tools.wait import wait_until


def test_s2_1_paid_before_while_and_after_the_server_was_dead_is_confirmed_once(
    tmp_path: Path,
) -> None:
    with blink_shop(tmp_path) as shop:
        before, between, away, later = (
            [shop.invoice(100 + n) for n in range(4)] for _ in range(4)
        )
        for payment in before:
            shop.double.pay_from_outside(hash_of(payment))
        for payment in before:
            shop.node.wait_for_status(payment["id"], "confirmed")
        for payment in between:  # told, and perhaps not written down any more
            shop.double.pay_from_outside(hash_of(payment))
        shop.node.kill()
        wait_until(
            lambda: not shop.double.sockets.open(), 10, "its connections to be gone"
        )
        for payment in away:
            shop.double.pay_from_outside(hash_of(payment))
        with shop.restarted() as again:
            for payment in later:
                again.double.pay_from_outside(hash_of(payment))
            for payment in before + between + away + later:
                again.node.wait_for_status(payment["id"], "confirmed")
            for payment in before + between + away + later:
                assert again.story(payment) == [
                    "payment.created", "payment.detected", "payment.confirmed",
                ]  # fmt: skip
                paid = again.node.payment(payment["id"])
                assert paid["received_sat"] == paid["amount_sat"]
