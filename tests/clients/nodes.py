"""A node for the clients' tests: a process that can be killed and come back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools.paybell import Paybell
from tests.tools.ports import free_ports

__all__ = ["Restartable", "restartable"]


class Restartable:
    """`now`: the process that runs. Its port and database stay the same."""

    def __init__(self, folder: Path) -> None:
        self._arguments = [
            *("serve", "--port", str(free_ports(1)[0]), "--db", "node.db"),
            "--allow-private-webhooks",
        ]
        self._folder = folder
        self.now = self.start()

    def start(self) -> Paybell:
        self.now = Paybell(self._folder, self._arguments, {})
        try:
            self.now.wait_ready()
        except BaseException:
            self.now.kill()
            raise
        return self.now

    @property
    def url(self) -> str:
        return self.now.url

    def key(self, *scopes: str, merchant: str | None = None) -> str:
        """A fresh API key."""
        wanted = {"name": "client", "scopes": list(scopes)}
        answer = self.now.post(
            "/v1/keys", **({**wanted, "merchant": merchant} if merchant else wanted)
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])

    def pay(self, address: str, amount_sat: int, blocks: int = 0) -> None:
        paid = self.now.post("/dev/pay", address=address, amount_sat=amount_sat)
        assert paid.status_code == 200, paid.text
        if blocks:
            self.now.post("/dev/mine", blocks=blocks)


@contextmanager
def restartable(folder: Path) -> Iterator[Restartable]:
    """A node with the dev chain, ready. Whatever runs of it is killed at the end."""
    node = Restartable(folder)
    try:
        yield node
    finally:
        node.now.kill()
