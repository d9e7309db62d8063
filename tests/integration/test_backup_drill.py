"""The drill: what a shop and its readers have left after a disk was lost.

A node as a process on a double of Bitcoin Core, with a shop that does what the README
says (keeps webhook ids and drops what it has seen) and a reader of `/v1/events` who
keeps his cursor. Traffic, a hot backup, more traffic, the loss of every file, a
restore: nothing that was paid to an address that the backup knows is lost to either.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.core_shop import PATIENCE_S, CoreShop, Order
from tests.tools.core_double import CoreDouble
from tests.tools.paybell import API_KEY, Finished, Paybell, paybell, serving
from tests.tools.ports import free_ports
from tests.tools.receiver import Receiver
from tests.tools.wait import wait_until

PASSPHRASE = "correct horse battery staple"


class Listener:
    """A shop that ships what was confirmed, once for each webhook id."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    @property
    def shipped(self) -> set[str]:
        seen: set[str] = set()
        shipped = set()
        for request in self._receiver.requests:
            if request.headers["webhook-id"] in seen:
                continue
            seen.add(request.headers["webhook-id"])
            body = json.loads(request.body)
            if body["type"] == "payment.confirmed":
                shipped.add(body["data"]["payment_id"])
        return shipped

    def ids_of(self, payment_id: str) -> list[str]:
        found = [(json.loads(r.body), r.headers) for r in self._receiver.requests]
        return [
            h["webhook-id"] for b, h in found if b["data"]["payment_id"] == payment_id
        ]

    def wait_for(self, *orders: Order) -> None:
        wanted = {order.id for order in orders}
        wait_until(
            lambda: wanted <= self.shipped,
            PATIENCE_S,
            lambda: f"{wanted} to be shipped, not only {self.shipped}",
        )


class Reader:
    """Reads `/v1/events` from its cursor on, and goes on where a 410 says."""

    def __init__(self) -> None:
        self.cursor = "0"
        self.confirmed: set[str] = set()
        self.told_gone = 0

    def read(self, node: Paybell) -> None:
        while True:
            answer = node.get(f"/v1/events?after={self.cursor}&limit=5")
            page = answer.json()
            if answer.status_code == 410:
                assert page["code"] == "cursor_gone"
                assert page["cursor"] != self.cursor
                self.told_gone += 1
                self.cursor = page["cursor"]
                continue
            assert answer.status_code == 200, answer.text
            for event in page["data"]:
                if event["type"] == "payment.confirmed":
                    self.confirmed.add(event["payment_id"])
            self.cursor = str(page["next"])
            if not page["data"]:
                return

    def wait_for(self, node: Paybell, *orders: Order) -> None:
        wanted = {order.id for order in orders}

        def all_read() -> bool:
            self.read(node)
            return wanted <= self.confirmed

        wait_until(all_read, PATIENCE_S, lambda: f"{wanted}, not {self.confirmed}")


@pytest.fixture
def core() -> Iterator[CoreDouble]:
    with CoreDouble(port=free_ports(1)[0]) as node:
        yield node


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return path


def settings(core: CoreDouble) -> dict[str, str | None]:
    return {
        "PAYBELL_SOURCES": f"bitcoind={core.url}?name=acme",
        "PAYBELL_ALLOW_PRIVATE_WEBHOOKS": "yes",
    }


def backed_up(folder: Path, secret: Path, name: str = "backup.db") -> Finished:
    """Beside the node that runs there."""
    return paybell(
        "backup", folder.parent / name, "--db", folder / "node.db",
        "--passphrase-file", secret,
    )  # fmt: skip


def restored(folder: Path, secret: Path, *more: str) -> Finished:
    return paybell(
        "restore", folder.parent / "backup.db", "--db", folder / "node.db",
        "--passphrase-file", secret, *more,
    )  # fmt: skip


def pay(shop: CoreShop, *orders: Order) -> None:
    for order in orders:
        order.paid()
    shop.node.mine()


def test_a_lost_disk_loses_nothing_that_was_paid_to_an_address_in_the_backup(
    core: CoreDouble, tmp_path: Path, secret: Path
) -> None:
    folder, reader = tmp_path / "node", Reader()
    folder.mkdir()
    with Receiver() as endpoint:
        told = Listener(endpoint)
        with serving(folder, env=settings(core)) as node:
            shop = CoreShop(core, node)
            made = node.post("/v1/channels", url=endpoint.url("/hook"))
            assert made.status_code == 201, made.text
            before = shop.order(confirmations=1)
            between, during = shop.order(confirmations=1), shop.order(confirmations=1)
            open_still = shop.order()
            pay(shop, before)
            told.wait_for(before)
            # Every commit is fsynced, and most of them are in the WAL only.
            finished = backed_up(folder, secret)
            assert finished.returncode == 0, finished.stderr
            assert "all up to event" in finished.stdout
            unknown = shop.order(confirmations=1)
            pay(shop, between, unknown)
            told.wait_for(before, between, unknown)
            reader.wait_for(node, before, between, unknown)
            node.kill()
        shutil.rmtree(folder)
        folder.mkdir()
        during.paid()  # while nobody looked
        core.mine()
        ids_before = set(told.ids_of(between.id))

        finished = restored(folder, secret)
        assert finished.returncode == 0, finished.stderr
        assert "Lost: all that was committed after" in finished.stdout
        assert "Orders made after that are not known here" in finished.stdout
        with serving(folder, env=settings(core)) as node:
            shop.paybell = node
            told.wait_for(before, between, during, unknown)
            reader.wait_for(node, before, between, during, unknown)
            assert reader.told_gone == 1
            # What was lost happened again: new events, which no shop takes for old.
            wait_until(
                lambda: set(told.ids_of(between.id)) - ids_before,
                PATIENCE_S,
                "the shop to be told of it again",
            )
            during.wait_for("confirmed")
            assert open_still.story == ["created"]
            # This one the backup never heard of; it was said.
            assert node.get(f"/v1/payments/{unknown.id}").status_code == 404
            # And it goes on: secrets of its channels were opened by the restored key.
            later = shop.order(confirmations=1)
            pay(shop, later)
            told.wait_for(later)
            reader.wait_for(node, later)
            assert "Traceback" not in node.err
        every_id = [r.headers["webhook-id"] for r in endpoint.requests]
        bodies: dict[str, Any] = {}
        for request, name in zip(endpoint.requests, every_id, strict=True):
            assert bodies.setdefault(name, request.body) == request.body


def test_a_backup_is_not_restored_over_what_has_more_unless_that_is_meant(
    core: CoreDouble, tmp_path: Path, secret: Path
) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    with serving(folder, env=settings(core)) as node:
        shop = CoreShop(core, node)
        shop.order()
        assert backed_up(folder, secret).returncode == 0
        second = backed_up(folder, secret)
        assert second.returncode == 1
        assert "exists already" in second.stderr
        refused = restored(folder, secret)
        assert refused.returncode == 1
        assert f"held by another Paybell process (process {node.pid})" in refused.stderr
        shop.order()
        assert node.stop() == 0
    wrong = tmp_path / "wrong"
    wrong.write_text("not that passphrase\n")
    refused = restored(folder, secret)
    assert refused.returncode == 1
    assert "goes up to event 2, the backup only to 1" in refused.stderr
    assert "--replace" in refused.stderr
    refused = restored(folder, wrong, "--replace")
    assert refused.returncode == 1
    assert "the passphrase is wrong" in refused.stderr
    for line in (second, refused):
        assert len(line.stderr.splitlines()) == 1
    with serving(folder, env=settings(core)) as node:
        page = node.get("/v1/events?after=0").json()
        assert len(page["data"]) == 2
        assert node.stop() == 0
    accepted = restored(folder, secret, "--replace")
    assert accepted.returncode == 0, accepted.stderr
    assert "Lost: 1 events after" in accepted.stdout
    (aside,) = folder.glob("node.db.before-restore-*Z")
    with serving(folder, env=settings(core)) as node:
        assert len(node.get("/v1/events?after=0").json()["data"]) == 1
    assert aside.exists()


def test_the_key_is_sealed_beside_the_backup_or_left_out_on_request(
    core: CoreDouble, tmp_path: Path, secret: Path
) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    with serving(folder, env=settings(core)) as node:
        CoreShop(core, node).order()
        assert backed_up(folder, secret).returncode == 0
        key = (folder / "node.db.key").read_bytes()
        backup = tmp_path / "backup.db"
        sealed = tmp_path / "backup.db.key"
        for path in (backup, sealed):
            assert path.stat().st_mode & 0o077 == 0
            assert key not in path.read_bytes()
            assert key.hex().encode() not in path.read_bytes()
        nobody = paybell("backup", tmp_path / "two.db", "--db", folder / "node.db")
        assert nobody.returncode == 1
        assert "--passphrase-file FILE" in nobody.stderr
        assert not (tmp_path / "two.db").exists()
        bare = paybell(
            "backup", tmp_path / "two.db", "--db", folder / "node.db", "--without-key"
        )
        assert bare.returncode == 0, bare.stderr
        assert not (tmp_path / "two.db.key").exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    new = elsewhere / "node.db"
    refused = paybell("restore", tmp_path / "two.db", "--db", new)
    assert refused.returncode == 1
    assert "without the node's key" in refused.stderr
    assert not list(elsewhere.glob("node.db"))
    finished = paybell("restore", tmp_path / "two.db", "--db", new, "--without-key")
    assert finished.returncode == 0, finished.stderr
    assert f"Put the node's key at {new}.key" in finished.stdout
    no_key = paybell(
        "serve", "--port", "0", "--db", new, env={"PAYBELL_API_KEY": API_KEY}
    )
    assert no_key.returncode == 1
    assert f"key file {new}.key is missing" in no_key.stderr
    assert not Path(f"{new}.key").exists()
    shutil.rmtree(elsewhere)
    elsewhere.mkdir()
    env = {"PAYBELL_BACKUP_PASSPHRASE": PASSPHRASE}
    finished = paybell("restore", backup, "--db", new, env=env)
    assert finished.returncode == 0, finished.stderr
    assert Path(f"{new}.key").read_bytes() == key
    assert Path(f"{new}.key").stat().st_mode & 0o077 == 0


def alerts_of(node: Paybell) -> dict[str, str]:
    return {a["subject"]: a["kind"] for a in node.get("/v1/alerts").json()["data"]}


def test_on_a_pruned_node_what_cannot_be_proved_is_named_and_none_of_it_expires(
    core: CoreDouble, tmp_path: Path, secret: Path
) -> None:
    """Not at the restore, and not after later starts, which miss nothing themselves."""
    folder = tmp_path / "node"
    folder.mkdir()
    with serving(folder, env=settings(core)) as node:
        shop = CoreShop(core, node)
        shop.rounds()
        core.kill()  # nobody can judge a deadline before the backup is made
        missed = shop.order(confirmations=1, expires_in_s=1)
        unpaid = shop.order(confirmations=1, expires_in_s=1)
        assert backed_up(folder, secret).returncode == 0
        node.kill()
    shutil.rmtree(folder)
    folder.mkdir()
    core.start()
    core.read_mempool()
    missed.paid()
    paid_at = core.mine().height
    for _ in range(40):
        core.mine()
    core.chain.prune(paid_at + 5)
    assert restored(folder, secret).returncode == 0
    for _ in range(2):
        with serving(folder, env=settings(core)) as node:
            shop.paybell = node
            wait_for_alerts(node, dict.fromkeys((missed.id, unpaid.id), UNPROVABLE))
            # It can judge: what was ordered since expires, and is paid.
            shop.overdue().wait_until_expired()
            later = shop.order(confirmations=1)
            pay(shop, later)
            later.wait_for("confirmed")
            assert missed.story == unpaid.story == ["created"]
            assert node.stop() == 0
    with CoreDouble(blocks=core.blocks) as archive:
        env = {"PAYBELL_SOURCES": f"bitcoind={archive.url}?name=archive"}
        with serving(folder, env=env) as node:
            shop.paybell, shop.node = node, archive
            missed.wait_for("confirmed")
            unpaid.wait_until_expired()
            wait_for_alerts(node, {})
            assert node.stop() == 0


UNPROVABLE = "payment.unprovable"


def wait_for_alerts(node: Paybell, wanted: dict[str, str]) -> None:
    """Until these stand, by the payments they are about, and no other."""
    found: dict[str, str] = {}

    def stand() -> bool:
        found.clear()
        alerts = node.get("/v1/alerts").json()["data"]
        about_payments = [a for a in alerts if a["subject"].startswith("pay_")]
        found.update({alert["subject"]: alert["kind"] for alert in about_payments})
        return found == wanted

    wait_until(stand, PATIENCE_S, lambda: f"alerts {wanted}, not {found}")
