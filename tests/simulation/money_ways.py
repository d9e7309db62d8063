"""The way out in a simulated world: a node, or an explorer, of the simulated chain.

It takes a transaction by the rules of a mempool (`money_chain.py`), and answers in a
node's words. It is down, takes what it is sent and its answer is lost, says that it
took what it keeps to itself, refuses what is right, forgets what it had, is a block
late, hands out bytes that are something else, and has estimates of fees that are
absurd. The process may die just before it hears and just behind.
"""

from collections.abc import Callable, Sequence
from random import Random

from engine.bitcoin.transaction import parse_tx
from engine.chain.broadcast import Outpoint, Sent, Sighting, Spender, Verdict
from engine.errors import SourceBusy, SourceUnavailable
from tests.simulation.chain import FIRST_HEIGHT
from tests.simulation.money_chain import MoneyChain
from transport.calling.chain_words import sent_by

__all__ = ["SimWays"]

_LIES = (
    (-26, "txn-mempool-conflict"),
    (-25, "bad-txns-inputs-missingorspent"),
    (-26, "insufficient fee, rejecting replacement"),
    (-26, "mempool full"),
    (-26, "too-long-mempool-chain"),
)


class SimWays:
    """Implements `engine.chain.broadcast.Broadcaster`."""

    name = "simulated"

    def __init__(self, chain: MoneyChain, random: Random) -> None:
        self._chain = chain
        self._random = random
        self.trouble = random.choice((0.0, 0.05, 0.2, 0.5))
        self.shows_mempool = random.random() < 0.5  # as Esplora, of who spent a coin
        self.rate: int | None = 1_000
        self.fault: Callable[[str], None] = lambda _kind: None
        self.is_dead: Callable[[], bool] = lambda: False  # the process, a moment ago
        self.before_send: Callable[[], bool] = lambda: False  # does it die just now?
        self.after_send: Callable[[], bool] = lambda: False
        self.on_send: Callable[[bytes], None] = lambda _raw: None
        self._invalid: dict[bytes, bool] = {}
        self.never_takes: set[str] = set()  # ids of what it calls invalid
        self.is_refund: Callable[[bytes], bool] = lambda _raw: False
        self.on_refused: Callable[[bytes], None] = lambda _raw: None
        self.sent = 0

    def send(self, raw: bytes) -> Sent:
        self._must_live()
        if self.before_send():
            raise SourceUnavailable("the process is dead")
        self._may_be_down("broadcaster down")
        self.on_send(raw)
        self.sent += 1
        is_there = self._chain.has(self._chain.now, parse_tx(raw).txid)
        if self.is_refund(raw) and not is_there and self._never_takes(raw):
            answer = sent_by(-26, "scriptpubkey")
        elif self._strikes("broadcaster keeps it"):
            answer = Sent(Verdict.TAKEN)
        elif self._strikes("broadcaster lies"):
            answer = sent_by(*self._random.choice(_LIES))
        else:
            refusal = self._chain.submit(raw)
            answer = Sent(Verdict.TAKEN) if refusal is None else sent_by(*refusal)
        if self.after_send():
            raise SourceUnavailable("the process is dead")
        if self._strikes("broadcaster's answer lost"):
            raise SourceUnavailable("timed out")
        return answer

    def _never_takes(self, raw: bytes) -> bool:
        """Its opinion of a transaction stays as it is."""
        if raw not in self._invalid:
            self._invalid[raw] = self._strikes("broadcaster calls it invalid", 0.5)
            if self._invalid[raw]:
                self.never_takes.add(parse_tx(raw).txid)
                self.on_refused(raw)
        return self._invalid[raw]

    def raw_transaction(self, txid: str, block_hash: str = "") -> bytes:
        self._must_live()
        self._may_be_down("broadcaster down")
        raw = self._chain.raws.get(txid)
        if raw is None:
            raise SourceUnavailable("No such mempool or blockchain transaction")
        if self._strikes("broadcaster has other bytes"):
            return self._random.choice(sorted(self._chain.raws.values()))
        return raw

    def fee_rate(self, blocks: int) -> int | None:
        self._must_live()
        self._may_be_down("broadcaster down")
        if self._strikes("absurd fee"):
            return self._random.choice((None, 0, -5, 900_000_000))
        return self.rate

    def least_rate(self) -> int:
        self._must_live()
        self._may_be_down("broadcaster down")
        return self._chain.least_rate

    def sighting(self, raw: bytes, after_height: int, block_hash: str = "") -> Sighting:
        self._must_live()
        self._may_be_down("broadcaster down")
        if self._strikes("broadcaster forgot", 0.1):
            return Sighting()
        txid, chain = parse_tx(raw).txid, self._chain
        seen = chain.now
        for name in chain.mined_in.get(txid, ()):
            if chain.in_best(seen, name):
                height = chain.blocks[name].header.height
                depth = FIRST_HEIGHT + len(seen.best) - height
                if self._strikes("broadcaster late", 0.2):
                    depth -= 1
                if depth:
                    return Sighting(False, name, height, depth)
                return Sighting(in_mempool=True)
        return Sighting(in_mempool=txid in seen.pool)

    def spenders(
        self, coins: Sequence[Outpoint], after_height: int
    ) -> dict[Outpoint, Spender]:
        self._must_live()
        self._may_be_down("broadcaster down")
        found: dict[Outpoint, Spender] = {}
        for coin in coins:
            by = self._chain.spender_in_best(coin)
            if by is not None:
                found[coin] = Spender(*by)
            elif self.shows_mempool and (txid := self._chain.spender_in_pool(coin)):
                found[coin] = Spender(txid, 0)
        return found

    def close(self) -> None: ...

    def _must_live(self) -> None:
        if self.is_dead():
            raise SourceUnavailable("the process is dead")

    def _may_be_down(self, kind: str) -> None:
        if self._strikes(kind):
            if self._random.random() < 0.3:
                raise SourceBusy("429 Too Many Requests", None)
            raise SourceUnavailable("connection refused")

    def _strikes(self, kind: str, seldom: float = 1.0) -> bool:
        if not self.trouble or self._random.random() >= self.trouble * seldom:
            return False
        self.fault(kind)
        return True
