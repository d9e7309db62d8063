"""Two Electrum with a channel between them, over ElectrumX and bcoin.

    with LightningNetwork(find_programs(), folder) as network:
        bolt11 = network.shop.invoice(1_000)
        network.payer.pay(bolt11)

`shop` can be paid up to 0.1 BTC, `payer` 0.05 BTC the other way. Real programs, a chain
of their own (regtest), loopback only; all of it ends with the `with`, or with the
process. About 15 s on a quiet machine of two cores.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from transport.devnet.bitcoin import Bitcoin
from transport.devnet.electrum import Electrum
from transport.devnet.electrumx import ElectrumX
from transport.devnet.places import Programs
from transport.devnet.program import until

__all__ = ["LightningNetwork"]

STEP_S = 30.0  # the longest that a step may take on a quiet machine
MATURE_BLOCKS = 110  # 100 until a mined coin may be spent
CHANNEL_BTC, PUSHED_BTC = "0.16", "0.05"  # a channel has at most 0.16777215 BTC
CHANNEL_BLOCKS = 6


class LightningNetwork:
    """See the module. `patience`: how many times as long as on a quiet machine a step
    may take. `say` is told of each step."""

    bitcoin: Bitcoin
    electrumx: ElectrumX
    shop: Electrum
    payer: Electrum

    def __init__(
        self,
        programs: Programs,
        folder: Path,
        *,
        patience: float = 1.0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._programs, self._folder = programs, folder
        self._limit_s = STEP_S * patience
        self._say = say
        self._ends: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Until the channel is open. Whatever comes in between, nothing is left."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all of it, at once."""
        while self._ends:
            self._ends.pop()()

    def _start(self) -> None:
        self._say("starting a Bitcoin node (bcoin, regtest), ElectrumX, two Electrum")
        self.bitcoin = Bitcoin(self._programs, self._new_folder("bitcoin"))
        self._ends.append(self.bitcoin.program.kill)
        # It asks for the node until that answers; so do the two Electrum ask for it.
        self.electrumx = ElectrumX(
            self._programs, self._new_folder("electrumx"), self.bitcoin.url
        )
        self._ends.append(self.electrumx.program.kill)
        self.shop, self.payer = self._electrum("shop"), self._electrum("payer")
        self.bitcoin.wait_until_ready(self._limit_s)
        self.bitcoin.mine(MATURE_BLOCKS // 2)  # while the others start
        for electrum in (self.payer, self.shop):
            electrum.wait_until_ready(self._limit_s)
        self._fund()
        self._open_channel()

    def _new_folder(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(mode=0o700)
        return folder

    def _electrum(self, name: str) -> Electrum:
        folder = self._new_folder(name)
        electrum = Electrum(self._programs, folder, self.electrumx.port)
        self._ends.append(electrum.kill)
        electrum.launch()
        return electrum

    def _fund(self) -> None:
        self._say("mining coins for the payer")
        self.bitcoin.mine(1, self.payer.rpc("getunusedaddress"))
        self.bitcoin.mine(MATURE_BLOCKS)
        self.wait_until_synced()
        # It may think itself up to date before it hears of its address.
        until(self.payer.has_coins, self._limit_s, lambda: "the payer's coins")

    def _open_channel(self) -> None:
        self._say(f"opening a channel of {CHANNEL_BTC} BTC between the two")
        self.payer.rpc(
            "open_channel",
            connection_string=self.shop.rpc("nodeid"),
            amount=CHANNEL_BTC,
            push_amount=PUSHED_BTC,
        )
        until(self.bitcoin.mempool, self._limit_s, lambda: "the channel's transaction")
        self.bitcoin.mine(CHANNEL_BLOCKS)
        self.wait_until_open()

    def wait_until_synced(self) -> None:
        """Until both know the chain up to its tip."""
        height = self.bitcoin.height
        for electrum in (self.payer, self.shop):
            until(
                lambda: electrum.has_synced(height),  # noqa: B023 (asked in this turn)
                self._limit_s,
                lambda: f"to know block {height}\n{self.electrumx.program.tail()}",
            )

    def wait_until_open(self) -> None:
        """Until both say that the channel can be used: also after one was killed."""
        for electrum in (self.payer, self.shop):
            until(
                electrum.has_open_channel,
                self._limit_s,
                lambda: f"a channel that is open\n{self.electrumx.program.tail()}",
            )
