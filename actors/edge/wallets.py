"""Where the addresses of new payments come from: the merchants' wallets.

Addresses are derived ahead, off the hub, into a stock for each identity: two merchants
with one xpub draw from the same, so that no index is given out twice. What is drawn is
written in the commit of the payment that it is for, and shown after that; what was not
written after all comes back. A stock begins small and doubles when it ran out, and is
made when the first address is asked for: wallets that nobody uses cost nothing.

After a restore the indexes that the lost node may have given out are passed over.

Called by edges' greenlets. Used by `actors/edge/gateway.py` only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import gevent
import msgspec
from gevent.lock import RLock
from gevent.threadpool import ThreadPool

from actors.node import Node
from engine.errors import AlreadyDrawn, Duplicate, EngineBusy, InvalidDescriptor
from engine.gateways.wallets import WalletReport
from engine.payment.model import Terms
from engine.payment.money_terms import TO_DRAW, Derived
from engine.policy.periods import DAY_MS
from engine.store.key_writes import WalletKeyRow
from engine.store.port import StoreReader
from engine.store.wallet_port import UNPAID_AT_MOST
from engine.store.wallet_rows import present_wallet
from engine.store.wallet_writes import AddressRow, WalletRecord
from engine.wallet.descriptor import kept_descriptor
from engine.wallet.drawn_source import DrawnSource
from engine.wallet.stock import AddressSource, Ready, Stock

__all__ = ["Drawn", "WalletDesk"]

log = logging.getLogger("paybell.wallets")

FIRST_TARGET = 32
"""Addresses that a stock holds at first: 3 ms of deriving."""

AT_ONCE = 64
"""Derived in one visit to the native thread: 6 ms, of which others may have most."""

GAP_EVERY_MS = 10_000
GAP = "wallet.gap"
GAP_STANDS_MS = 3_600_000
"""After the last look: who sells nothing more needs not hear of it."""

LOOKED_AT = 100
"""Of the last addresses, for who looks at the wallet."""

SKIPPED = "wallet.skipped"


class Drawn(msgspec.Struct, frozen=True):
    """Terms whose addresses are all there, and what to write beside them."""

    terms: tuple[Terms, ...]
    rows: Mapping[str, AddressRow]  # by payment id
    keys: Mapping[str, WalletKeyRow] = {}  # of those whose key was drawn for them


class _Stocked:
    """A stock, and what this desk does with it."""

    __slots__ = ("filling", "gap_looked_at", "identity", "is_asked_for", "stock")

    def __init__(self, identity: str, stock: Stock) -> None:
        self.identity = identity
        self.stock = stock
        self.filling = RLock()  # one derives at a time
        self.is_asked_for = False  # somebody is on his way to fill it
        self.gap_looked_at = 0  # ms


class WalletDesk:
    """See the module docstring."""

    def __init__(self, node: Node, store: StoreReader) -> None:
        """Raises `StoreUnreadable`."""
        self._node = node
        self._store = store
        self._settings = node.settings.wallets
        # Its native thread is made when it is first used. libsecp256k1 lets go of the
        # interpreter, so that the hub goes on while it derives.
        self._native = ThreadPool(1)
        self._wallets: dict[str, WalletRecord] = {}  # by id
        self._of_merchant: dict[str, list[WalletRecord]] = {}
        self._present: dict[str, WalletRecord] = {}  # by merchant
        self.owners: dict[str, set[str]] = {}  # merchants of an identity, for ever
        self._stocks: dict[str, _Stocked] = {}  # by identity
        self._opening = RLock()
        self._waiting: set[str] = set()
        self.load(store.wallets())

    # -- wallets ---------------------------------------------------------------------

    def load(self, rows: Sequence[WalletRecord]) -> None:
        """These are committed: from now on it is so."""
        for row in rows:
            before = self._wallets.get(row.id)
            self._wallets[row.id] = row
            self.owners.setdefault(row.identity, set()).add(row.merchant)
            mine = self._of_merchant.setdefault(row.merchant, [])
            if before is not None:
                mine.remove(before)
            mine.append(row)
            present = present_wallet(mine)
            if present is not None:
                self._present[row.merchant] = present
            else:
                self._present.pop(row.merchant, None)

    def of_merchant(self, merchant: str) -> list[WalletRecord]:
        return list(self._of_merchant.get(merchant, ()))

    def present(self, merchant: str) -> WalletRecord | None:
        """Where new addresses of this merchant come from; None: it has no wallet."""
        return self._present.get(merchant)

    def reports(self, merchant: str | None, limit: int) -> list[WalletReport]:
        """Implements `WalletGateway.wallet_reports`. Reads the store."""
        if merchant is None:
            rows = list(self._wallets.values())
        else:
            rows = self.of_merchant(merchant)
        rows.sort(key=lambda row: (row.created_at, row.id), reverse=True)
        locked = self._node.keyring.locked()
        return [self._report(row, locked.get(row.id)) for row in rows[:limit]]

    def _report(self, row: WalletRecord, locked: str | None) -> WalletReport:
        last = self._store.last_drawn(row.identity)
        after = 0 if last is None else last.index + 1
        most = max(self._settings.gap, LOOKED_AT)
        return WalletReport(
            wallet=row,
            is_present=self.present(row.merchant) is row,
            next_index=max(row.first_index, after),
            unpaid=self._store.unpaid_run(row.identity, most),
            unpaid_at_most=most,
            gap=self._settings.gap,
            holds_keys=self._node.keyring.holds(row.id),
            locked=locked,
        )

    # -- drawing ---------------------------------------------------------------------

    def draw(self, agreed: Sequence[Terms]) -> Drawn:
        """An address for each of the terms that are to have one of a wallet.

        They are created inside of `settling`. Raises `EngineBusy`.
        """
        rows: dict[str, AddressRow] = {}
        filled: list[Terms] = []
        try:
            for terms in agreed:
                derived = terms.derived
                self._waiting.discard(terms.forward_to)
                if derived is None or derived.index != TO_DRAW:
                    self._waiting.discard(terms.address)
                    filled.append(terms)
                else:
                    filled.append(self._drawn(terms, derived.wallet, rows))
        except BaseException:
            self._settle(list(rows.values()), is_unused=True)
            raise
        keys = {name: key for name, row in rows.items() if (key := self._key(row))}
        return Drawn(tuple(filled), rows, keys)

    def _key(self, row: AddressRow) -> WalletKeyRow | None:
        """Of a wallet of single keys; None: it is derived, or written already."""
        kept = self._stocks.get(row.identity)
        if kept is None or not isinstance(kept.stock.source, DrawnSource):
            return None
        drawn = kept.stock.source.drawn(row.address)
        if drawn is None:
            return None
        return WalletKeyRow(row.wallet, drawn.script, drawn.sealed)

    @contextmanager
    def settling(self, drawn: Drawn) -> Iterator[None]:
        """In here the payments are created. What is raised says what became of it."""
        rows = list(drawn.rows.values())
        try:
            yield
        except AlreadyDrawn:
            for payment_id, row in drawn.rows.items():
                log.error("wallet.drawn_twice wallet=%s payment=%s", row.wallet,
                          payment_id)  # fmt: skip
            for row in rows:  # the database knows better: begin anew from what it has
                self._stocks.pop(row.identity, None)
            raise
        except EngineBusy as error:
            self._settle(rows, is_unused=not error.unknown)
            raise
        except Duplicate:  # the Idempotency-Key was used meanwhile
            self._settle(rows, is_unused=True)
            raise
        except BaseException:  # nobody knows what was committed
            self._settle(rows, is_unused=False)
            raise
        self._settle(rows, is_unused=False)

    def _settle(self, rows: Sequence[AddressRow], *, is_unused: bool) -> None:
        """`is_unused`: surely nothing of these was committed, and nobody saw them."""
        for row in rows:
            kept = self._stocks.get(row.identity)
            if kept is None:
                continue
            if is_unused:
                kept.stock.give_back(row.index)
            else:
                kept.stock.used(row.index)
                if isinstance(kept.stock.source, DrawnSource):
                    kept.stock.source.used(row.address)
                self._look_at_gap(kept, row.wallet)

    def _drawn(
        self, terms: Terms, wallet_id: str, rows: dict[str, AddressRow]
    ) -> Terms:
        wallet = self._wallets[wallet_id]
        kept = self._stocked(wallet)
        one = self._take(kept, terms.forward_to)
        rows[terms.id] = AddressRow(
            identity=kept.identity,
            index=one.index,
            address=one.address,
            wallet=wallet_id,
            payment_id=terms.id,
            epoch=self._store.epochs().present,
            former=one.former,
        )
        path = kept.stock.source.path(one.index)
        derived = Derived(wallet=wallet_id, index=one.index, path=path)
        return msgspec.structs.replace(terms, address=one.address, derived=derived)

    def _take(self, kept: _Stocked, forward_to: str) -> Ready:
        watchers, stock = self._node.watchers, kept.stock
        while True:
            one = stock.take()
            if one is None:
                with kept.filling:  # others may have filled it while we waited
                    if not len(stock):
                        stock.target = min(2 * stock.target, self._settings.stock)
                        self._fill(kept, AT_ONCE)
                continue
            is_owners = one.address == forward_to or self._is_owners(one.address)
            if is_owners or watchers.at(one.address) is not None:
                stock.used(one.index)  # a caller gave it for a payment of his own
                continue
            if len(stock) < stock.target // 2 and not kept.is_asked_for:
                kept.is_asked_for = True
                gevent.spawn(self._fill_up, kept)
            return one

    def _is_owners(self, address: str) -> bool:
        """Whether money is sent on to it: what we send there ourselves would pay for
        the order that has it."""
        forwards = self._node.forwards
        is_named = forwards is not None and address in forwards.policy.destinations
        return is_named or self._node.merchants.is_destination(address)

    # -- stocks ----------------------------------------------------------------------

    def _stocked(self, wallet: WalletRecord) -> _Stocked:
        kept = self._stocks.get(wallet.identity)
        if kept is not None:
            return kept
        with self._opening:
            kept = self._stocks.get(wallet.identity)
            if kept is None:
                kept = _Stocked(wallet.identity, self._open(wallet))
                self._stocks[wallet.identity] = kept
        return kept

    def _open(self, wallet: WalletRecord) -> Stock:
        source = self._source(wallet)
        target = min(FIRST_TARGET, self._settings.stock)
        return Stock(source, self._first_index(wallet), target, self._waiting)

    def _source(self, wallet: WalletRecord) -> AddressSource:
        if not wallet.descriptor:
            return self._of_keys(wallet)
        try:
            return kept_descriptor(wallet.descriptor, self._node.settings.network)
        except InvalidDescriptor as error:  # of another version of Paybell
            raise EngineBusy(f"wallet {wallet.id} cannot be read: {error}") from error

    def _of_keys(self, wallet: WalletRecord) -> AddressSource:
        """Of fresh keys, one by one; also while the wallet is locked."""
        sealed = self._node.keyring.sealed_wallet(wallet.id)
        if sealed is None or sealed.kind != "keys":
            raise EngineBusy(f"wallet {wallet.id} has no keys here: restart the node")
        return DrawnSource(sealed)

    def _first_index(self, wallet: WalletRecord) -> int:
        """Behind all that was drawn; after a restore, also behind what may have been
        drawn by the node that was lost."""
        identity, epochs = wallet.identity, self._store.epochs()
        same = [row for row in self._wallets.values() if row.identity == identity]
        least = max(row.first_index for row in same)
        last = self._store.last_drawn(identity)
        is_restored = len(epochs.starts) > 2
        if last is None:
            oldest = min(row.created_at for row in same)
            is_older = is_restored and oldest < epochs.latest_start
            after = least
        else:
            is_older = last.epoch != epochs.present
            after = max(least, last.index + 1)
        if not is_older or not self._settings.restore_skip:
            return after
        self._tell_of_skip(wallet, after)
        return after + self._settings.restore_skip

    def _tell_of_skip(self, wallet: WalletRecord, first: int) -> None:
        skip = self._settings.restore_skip
        detail = (
            f"addresses {first} to {first + skip - 1} are passed over, which the node"
            " before the restore may have given out: let the wallet look that far"
            " ahead (its gap limit), or it shows no payment to the next ones"
        )
        log.warning(
            "wallet.skipped wallet=%s merchant=%s first=%d count=%d",
            wallet.id,
            wallet.merchant,
            first,
            skip,
        )
        now, merchant = self._node.clock.now(), wallet.merchant
        self._node.alerts.raise_(SKIPPED, wallet.id, detail, now, DAY_MS, merchant)

    def _fill_up(self, kept: _Stocked) -> None:
        """In the background, as long as less than its target is there."""
        try:
            while kept.stock.missing:
                with kept.filling:
                    self._fill(kept, min(kept.stock.missing, AT_ONCE))
        except Exception:
            log.exception("wallet.stock identity=%s", kept.identity)
        finally:
            kept.is_asked_for = False

    def _fill(self, kept: _Stocked, count: int) -> None:
        stock = kept.stock
        first = stock.next_index
        addresses: list[str]
        addresses = self._native.apply(stock.source.addresses, (first, count))
        stock.add(first, addresses, self._store.known_addresses(addresses))

    # -- the gap ---------------------------------------------------------------------

    def _look_at_gap(self, kept: _Stocked, wallet_id: str) -> None:
        """Now and then, in the background: nobody who creates a payment waits."""
        now = self._node.clock.now()
        if now - kept.gap_looked_at >= GAP_EVERY_MS:
            kept.gap_looked_at = now
            gevent.spawn(self._judge_gap, kept, self._wallets[wallet_id])

    def _over(self, identity: str) -> list[Ready]:
        """What may be given out again. Nothing of before a restore: the node that was
        lost may have done just that, for an order that nobody knows of now."""
        present = self._store.epochs().present
        return [
            Ready(row.index, row.address, row.payment_id)
            for row in self._store.over_unpaid(identity, UNPAID_AT_MOST)
            if row.epoch == present
        ]

    def _judge_gap(self, kept: _Stocked, wallet: WalletRecord) -> None:
        most = self._settings.gap
        if self._store.unpaid_run(kept.identity, most) < most:
            self._node.alerts.clear(GAP, wallet.id)
            return
        if self._settings.reuse:
            kept.stock.add_again(self._over(kept.identity)[:most])
        detail = (
            f"the last {most} addresses that were given out were not paid, and most"
            f" wallets look no further than {most} ahead: let it look further (its gap"
            " limit), or it will not show the next payment. The money is there"
        )
        now, merchant = self._node.clock.now(), wallet.merchant
        self._node.alerts.raise_(GAP, wallet.id, detail, now, GAP_STANDS_MS, merchant)
