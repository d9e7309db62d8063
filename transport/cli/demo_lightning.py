"""`paybell demo --lightning`: the story over a real Lightning network of this machine.

Two Electrum with a channel, over ElectrumX and bcoin (`transport/devnet`): the shop's
is Paybell's account, the customer's pays. All of it ends with the demo.
"""

import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent

from engine.lightning.account import Account
from transport.cli import demo
from transport.cli.client import CallFailed, NodeClient
from transport.cli.demo import PATIENCE_S, STEP_S, Serve, say_as
from transport.cli.starting import CannotStart
from transport.devnet.electrum import ElectrumError
from transport.devnet.network import LightningNetwork
from transport.devnet.places import Missing, find_programs
from transport.devnet.program import NetworkFailed

__all__ = ["run"]

Open = Callable[[str, str, dict[str, Account], str], Any]
"""With the database, the API key, the Lightning accounts, and a chain source."""

ACCOUNT = "shop"
SLOWNESS = 4.0  # a laptop that is busy may take its time to start four programs


def run(open_installation: Open, serve: Serve, *, once: bool) -> int:
    """Start the network, then the node, and play the demo; the process's exit code.

    Raises `CannotStart`: programs are missing, or one of them failed.
    """
    try:
        programs = find_programs()
    except Missing as error:
        raise CannotStart(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="paybell-lightning-") as folder:
        network = LightningNetwork(
            programs, Path(folder), patience=SLOWNESS, say=lambda text: say_as("", text)
        )
        say_as("network", "a real Lightning network, on this machine alone:")
        try:
            if not _is_started(network):
                return 0
            story = OverLightning(network, folder)

            def opened(db: str, key: str) -> Any:
                accounts = {ACCOUNT: story.account}
                source = f"bitcoind={network.bitcoin.url}"
                return open_installation(db, key, accounts, source)

            return demo.run(opened, serve, story, once=once)
        except NetworkFailed as error:
            raise CannotStart(f"the Lightning network failed: {error}") from error
        finally:
            network.stop()


def _is_started(network: LightningNetwork) -> bool:
    """False: somebody ended it meanwhile, with Ctrl-C say. Raises `NetworkFailed`."""

    def start() -> NetworkFailed | None:
        try:
            network.start()
        except NetworkFailed as error:
            return error  # it is for whoever waits
        return None

    starting = gevent.spawn(start)
    handlers = [
        gevent.signal_handler(number, starting.kill, block=False)
        for number in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        starting.join()
    finally:
        for handler in handlers:
            handler.cancel()
    outcome = starting.get()
    if isinstance(outcome, NetworkFailed):
        raise outcome
    return outcome is None


class OverLightning:
    """A `Scenario` of `demo.py`."""

    place = "Electrum's Lightning (regtest), temporary database"

    def __init__(self, network: LightningNetwork, folder: str) -> None:
        self._network = network
        self._folder = folder

    @property
    def account(self) -> Account:
        """The shop's node; its payserver tells of what is paid."""
        shop = self._network.shop
        return Account(
            name=ACCOUNT,
            kind="electrum",
            url=shop.url,
            user=shop.user,
            secret=shop.password,
            stream_url=shop.stream_url,
            poll_s=2,
        )

    def begin(self, node: NodeClient) -> None:
        with gevent.Timeout(PATIENCE_S, CallFailed("its Lightning node is not live")):
            while node.get("/v1/upstreams")["data"][0]["state"] != "live":
                gevent.sleep(0.1)

    def terms(self) -> dict[str, Any]:
        return {"method": "lightning"}

    def followed_by(self, payment: dict[str, Any]) -> str:
        return str(payment["lightning"]["payment_hash"])

    def pay(self, node: NodeClient, payment: dict[str, Any]) -> None:
        say_as("customer", "scans it, and pays through the channel")
        try:
            preimage = self._network.payer.pay(payment["lightning"]["bolt11"])
        except ElectrumError as error:
            raise CallFailed(f"the customer's Electrum did not pay: {error}") from error
        say_as("customer", f"has the receipt (preimage) {preimage[:16]}…")
        gevent.sleep(STEP_S)

    def how_to_pay(self, payment: dict[str, Any], url: str) -> str:
        return (
            f"electrum --regtest -D {self._folder}/payer lnpay"
            f" {payment['lightning']['bolt11']}"
        )
