"""A shop whose Lightning account is phoenixd (the double), as an operator starts it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.tools.paybell import Paybell, serving
from tests.tools.phoenixd_double import PhoenixdDouble
from tests.tools.wait import PATIENCE, wait_until

__all__ = ["STEP_S", "Shop", "phoenixd_shop"]

STEP_S = 15.0

CONFIG = """
[seeds]
phoenixd = "default"

[lightning.till]
kind = "phoenixd"
url = "{url}"
secret = "{secret}"
poll_s = {poll_s}
silence_s = {silence_s}
"""


class Shop:
    """A node and its phoenixd."""

    def __init__(self, node: Paybell, phoenixd: PhoenixdDouble) -> None:
        self.node = node
        self.phoenixd = phoenixd

    def invoice(
        self, body: Mapping[str, Any] | bytes, **headers: str
    ) -> requests.Response:
        """As the document's page asks for one: JSON, whatever the header says."""
        url = self.node.url + "/api/invoice"
        if isinstance(body, bytes):
            return requests.post(
                url, data=body, headers=headers, timeout=STEP_S * PATIENCE
            )
        return requests.post(url, json=body, headers=headers, timeout=STEP_S * PATIENCE)

    def made(self, order: str, amount_sat: int = 50_000, **more: Any) -> dict[str, Any]:
        answer = self.invoice({"amountSat": amount_sat, "externalId": order, **more})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def payments(self, order: str) -> list[dict[str, Any]]:
        found = self.node.get(f"/v1/payments?external_id={order}")
        assert found.status_code == 200, found.text
        data: list[dict[str, Any]] = found.json()["data"]
        return data

    def wait_live(self) -> None:
        wait_until(self.is_live, STEP_S, self.upstream)

    def is_live(self) -> bool:
        return '"live"' in self.upstream()

    def upstream(self) -> str:
        return self.node.get("/v1/upstreams").text


@contextmanager
def phoenixd_shop(
    folder: Path,
    *arguments: str,
    secret: str | None = None,
    poll_s: int = 3_600,
    silence_s: int = 60,
) -> Iterator[Shop]:
    """It is told by push alone, unless `poll_s` says how often it looks. `silence_s`:
    so long that a busy machine is no dead connection."""
    with PhoenixdDouble() as phoenixd:
        text = CONFIG.format(
            url=phoenixd.url,
            secret=phoenixd.password if secret is None else secret,
            poll_s=poll_s,
            silence_s=silence_s,
        )
        (folder / "paybell.toml").write_text(text)
        config = str(folder / "paybell.toml")
        with serving(folder, "--config", config, *arguments) as node:
            shop = Shop(node, phoenixd)
            shop.wait_live()
            yield shop
