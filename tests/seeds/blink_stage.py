"""`run.py serve` with two accounts at the double of Blink, a till's and a user's."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.tools.blink_double import BlinkAccount, BlinkDouble
from tests.tools.paybell import Paybell, serving
from tests.tools.wait import wait_until
from transport.outbound.webhook import new_secret

__all__ = ["WHSEC", "BlinkShop", "blink_shop", "hash_of"]

WHSEC = new_secret()


class BlinkShop:
    def __init__(
        self,
        node: Paybell,
        double: BlinkDouble,
        till: BlinkAccount,
        user: BlinkAccount,
        options: Sequence[str | Path],
    ) -> None:
        self.node, self.double, self.till, self.user = node, double, till, user
        self._options = options

    @contextmanager
    def restarted(self) -> Iterator["BlinkShop"]:
        """The same shop on the same database, after it was killed."""
        with serving(self.node.folder, *self._options) as node:
            shop = BlinkShop(node, self.double, self.till, self.user, self._options)
            shop.wait_live()
            yield shop

    def upstreams(self) -> dict[str, Any]:
        """By name."""
        listed = self.node.get("/v1/upstreams")
        assert listed.status_code == 200, listed.text
        return {one["name"]: one for one in listed.json()["data"]}

    def wait_live(self) -> None:
        def are_live() -> bool:
            states = [one["state"] for one in self.upstreams().values()]
            return states == ["live", "live"]

        wait_until(are_live, 20, lambda: f"both to be live: {self.upstreams()}")

    def wait_quiet(self) -> None:
        """Live, and the balance, which is asked for last, was: the till's connection
        alone speaks from now on."""
        self.wait_live()
        wait_until(
            lambda: self.double.asked_of(self.till)[-1] == "wallets", 20, "the balance"
        )

    def invoice(self, sat: int = 1_000, **more: Any) -> dict[str, Any]:
        return self.node.create(amount_sat=sat, method="lightning", **more)

    def story(self, payment: dict[str, Any]) -> list[str]:
        events = self.node.get(f"/v1/payments/{payment['id']}/events").json()
        return [event["type"] for event in events["data"]]


def hash_of(payment: dict[str, Any]) -> str:
    found: str = payment["lightning"]["payment_hash"]
    return found


@contextmanager
def blink_shop(
    folder: Path,
    *options: str,
    forward_to: str = "",
    silence_s: int = 30,
    **tables: Any,
) -> Iterator[BlinkShop]:
    """`tables`: further lines of an account's table, by its name. `silence_s`: so long
    that a busy machine is no dead connection."""
    with BlinkDouble() as double:
        till = double.account("till", sat=500, usd_cents=777_777)
        user = double.account("user", sat=70)
        lines = []
        for account in (till, user):
            lines += [
                f"[lightning.{account.name}]",
                'kind = "blink"',
                f'url = "{double.url}"',
                f'stream_url = "{double.stream_url}"',
                f'secret = "{account.key}"',
                f"silence_s = {silence_s}",
                *tables.get(account.name, ()),
            ]
            if account is till:
                lines += ['merchants = ["default"]', f'webhook_secrets = ["{WHSEC}"]']
                if forward_to:
                    lines.append(f'forward_to = "{forward_to}"')
            else:
                lines.append('merchants = ["owner"]')
        lines += ["[merchants.owner]", 'display_name = "Owner"']
        config = folder / "paybell.toml"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        config.chmod(0o600)
        started: tuple[str | Path, ...] = ("--config", config, *options)
        with serving(folder, *started) as node:
            shop = BlinkShop(node, double, till, user, started)
            shop.wait_quiet()
            yield shop
