"""Addresses from wallets: derived, drawn, and a start after many of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import bdkpython as bdk
from embit.descriptor import Descriptor as Embit
from gevent.threadpool import ThreadPool
from msgspec.structs import replace

from actors.edge.wallets import WalletDesk
from bench.creation import restart
from bench.measure import folder, fresh, repeated
from bench.node import bench_node, terms
from bench.report import Row, Section, compare
from engine.merchants.record import Merchant
from engine.payment.events import opening
from engine.payment.model import Terms
from engine.payment.money_terms import TO_DRAW, Derived
from engine.store.sqlite.journal import Journal
from engine.store.wallet_rows import rows_of_descriptor
from engine.store.writes import AddressRow, Entry, Release, WalletRecord, Write
from engine.wallet.descriptor import read_descriptor

__all__ = ["create", "derive", "restart_with", "run"]

TPUB = (
    "tpubDC8msFGeGuwnKG9Upg7DM2b4DaRqg3CUZa5g8v2SRQ6K4NSkxUgd7HsL2XVWbVm39yBA4LAxysQAm"
    "397zwQSQoQgewGiYZqrA9DsP4zbQ1M"
)
WPKH = f"wpkh({TPUB}/0/*)"
TR = f"tr({TPUB}/0/*)"
COUNT = 20_000
BATCH = 1_000
DERIVED = 5_000
MANY = 1_000_000
KINDS = ("wpkh", "tr")


def derive() -> dict[str, float]:
    """Addresses a second, in a native thread beside an idle hub; and of others."""
    pool = ThreadPool(1)
    found: dict[str, float] = {}
    for name, text in (("wpkh", WPKH), ("tr", TR)):
        read = read_descriptor(text, "regtest")
        began = time.perf_counter()
        pool.apply(read.addresses, (0, DERIVED))
        found[name] = DERIVED / (time.perf_counter() - began)
        other = bdk.Descriptor(text, bdk.NetworkKind.TEST)
        began = time.perf_counter()
        for index in range(DERIVED // 10):
            other.derive_address(index, bdk.Network.REGTEST)
        found[f"bdk {name}"] = DERIVED / 10 / (time.perf_counter() - began)
        third = Embit.from_string(text)
        began = time.perf_counter()
        for index in range(DERIVED // 20):
            third.derive(index).address()
        found[f"embit {name}"] = DERIVED / 20 / (time.perf_counter() - began)
    return found


def create(how: str) -> dict[str, float]:
    """Payments a second, each batch answered after its commit is on the disk. `how`:
    the addresses are "given", or drawn from a stock that is "prepared" or "empty"."""
    with folder() as path, bench_node(path) as node:
        merchant = Merchant(name="default", version=1, descriptor=WPKH)
        node.gateway.save_merchant(merchant)
        wallet = node.gateway.wallet("default")
        assert wallet is not None
        if how == "prepared":
            _prepare(node.gateway._wallets, wallet, 2 * COUNT)
        wanted = [terms(n, node.clock.now()) for n in range(COUNT)]
        if how != "given":
            to_draw = Derived(wallet=wallet.id, index=TO_DRAW)
            wanted = [replace(one, address="", derived=to_draw) for one in wanted]
        began = time.perf_counter()
        node.create(wanted, BATCH)
        return {"rate": COUNT / (time.perf_counter() - began)}


def _prepare(desk: WalletDesk, wallet: WalletRecord, count: int) -> None:
    """A stock as it is after busy days. A node lets its own grow, so there is no way to
    ask for one."""
    kept = desk._stocked(wallet)
    kept.stock.target = max(kept.stock.target, count)
    desk._fill_up(kept)


def _grown(db: Path, count: int) -> None:
    """A database that gave out so many addresses, whose payments are over."""
    key = Path(f"{db}.key")
    key.write_bytes(os.urandom(32))  # payments' secrets are made with it
    key.chmod(0o600)
    journal = Journal(db, synchronous="OFF")
    journal.bind_network("regtest")
    now = int(time.time() * 1000)
    merchant = Merchant(name="default", version=1, descriptor=WPKH)
    (wallet,) = rows_of_descriptor(merchant, (), "regtest", now)
    journal.commit([Write(rows=(wallet,))])
    for first in range(0, count, BATCH):
        made = [terms(n, now) for n in range(first, first + BATCH)]
        journal.commit([_write(made, wallet.identity, wallet.id, journal.epoch)])
    journal.close()


def _write(made: Iterable[Terms], identity: str, wallet: str, epoch: str) -> Write:
    entries, rows = [], []
    for one in made:
        event, payment = opening(one)
        entries.append(Entry(payment, (event,)))
        index = int(one.id.rpartition("_")[2])
        rows.append(AddressRow(identity, index, one.address, wallet, one.id, epoch))
    released = [Release(entry.payment.id) for entry in entries]
    return Write(entries=tuple(entries), rows=(*rows, *released))


def restart_with(count: int) -> dict[str, float]:
    """From the start of the process to /ready, with so many addresses given out."""
    with folder() as path:
        db = path / "node.db"
        _grown(db, count)
        return min((restart(db) for _ in range(3)), key=lambda one: one["ready_s"])


def run() -> Section:
    derived = repeated("wallet:derive")
    rates = {
        how: repeated("wallet:create", how)["rate"]
        for how in ("given", "prepared", "empty")
    }
    none = fresh("wallet:restart_with", 0)["ready_s"]
    many = fresh("wallet:restart_with", MANY)["ready_s"]
    peer = "given by the caller"
    rows = [
        *(_derived(derived, kind, peer) for kind in KINDS for peer in ("bdk", "embit")),
        compare(
            "payments created from a prepared stock",
            rates["prepared"], "/s", peer, rates["given"], aim="5,000/s",
        ),
        compare(
            "payments created from an empty stock",
            rates["empty"], "/s", peer, rates["given"],
        ),
        compare(
            f"start with {MANY:,} addresses drawn",
            [many], "s", "an empty database", [none],
        ),
    ]  # fmt: skip
    return Section(
        "wallet",
        "Addresses of wallets",
        f"{DERIVED:,} addresses of one key derived in a native thread beside an idle"
        f" hub; {COUNT:,} payments created through the gateway in batches of {BATCH:,},"
        " each answered after its commit is on the disk; a node that starts on a"
        " database that gave out addresses whose payments are over.",
        rows,
    )


def _derived(found: dict[str, list[float]], kind: str, peer: str) -> Row:
    what = f"{kind} addresses derived"
    return compare(what, found[kind], "/s", peer, found[f"{peer} {kind}"])
