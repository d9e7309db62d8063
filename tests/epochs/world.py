"""A shop's node that is backed up, lost and restored, and readers who live through it.

One run is one world, made from one integer. Payments come and move, backups are taken,
and now and then the database is put back to one of them, or lost for good and begun
anew; payments that were lost are made again at the same address. All connections are
cut then, and readers of every transport come back with what they have. After each
visit a reader must know everything, and never have gone on from what it has not read:
that would be a false resume.
"""

from collections import Counter
from pathlib import Path
from random import Random

from actors.edge.gateway import ActorGateway
from engine.merchants.scopes import Scope
from engine.secrets.vault import Vault
from engine.store.epochs import new_epoch
from engine.store.sqlite.journal import Journal
from tests.epochs.edge import Node
from tests.epochs.invoices import OVER, InvoiceReader, invoice_at
from tests.epochs.readers import BY_ADDRESS, BY_ID, AddressReader, JournalReader
from tests.simulation.store import in_memory
from tests.tools.settled_epoch import settle_epoch
from tests.unit.actor_stage import ActorStage
from tests.unit.payment_cases import mined, view
from transport.http.auth import Principal
from transport.http.bottle_app import Api
from transport.http.site_tokens import SiteTokens
from transport.live import journal_stream, polling, sse
from transport.live.audience import Audience
from transport.live.doors import Doors
from transport.live.encoding import Frames
from transport.live.routes import LiveRoutes
from transport.live.socketio.composition import socketio_engine
from transport.live.socketio.mount import Mount

__all__ = ["FOLLOWED_OVER", "World", "run"]

STEPS = 30
ADDRESSES = ("bcrt1qa", "bcrt1qb", "bcrt1qc")
FOLLOWED_OVER = (*BY_ADDRESS, *BY_ID, *OVER)
FOLLOWERS = 12  # readers of payments in one world, drawn from these
VAULT = Vault(b"k" * 32)
NOBODY = Path("/nonexistent")

Reader = AddressReader | InvoiceReader | JournalReader


def run(seed: int, *over: str) -> Counter[str]:
    """One world; what happened in it. `over`: how payments are followed there, if not
    in any way. Raises `FalseResume`."""
    world = World(seed, over or FOLLOWED_OVER)
    try:
        for _ in range(STEPS):
            world.step()
        world.everybody_comes_back()
    finally:
        world.stage.close()
    return world.happened


class World:
    """See the module docstring."""

    def __init__(self, seed: int, over: tuple[str, ...]) -> None:
        self.happened: Counter[str] = Counter()
        self._random = Random(seed)
        self._names = 0
        self._lives = 0
        self._last_life: dict[Reader, int] = {}  # of each reader
        self._backups: list[bytes] = []
        kinds = [(each, at) for each in over for at in ADDRESSES]
        self._followers = [
            self._follower(each, address)
            for each, address in self._random.choices(kinds, k=FOLLOWERS)
        ]
        self._of_all = [JournalReader(over) for over in ("poll", "stream", "poll")]
        for reader in self._readers:
            reader.says_epoch = self._random.random() < 0.6
        self._begin(Journal("journal.db", connection=in_memory()))
        self._back_up()
        if self._random.random() < 0.3:  # what 0.1.0 left, and its readers with it
            self._order()
            settle_epoch(self.stage.journal, new_epoch())
            self._begin(self.stage.journal)

    def step(self) -> None:
        actions = {
            self._order: 4.0,
            self._move: 6.0,
            self._back_up: 3.0,
            self._restore: 1.5,
            self._lose: 0.3,
            self._visit: 15.0,
        }
        self._random.choices([*actions], [*actions.values()])[0]()

    def everybody_comes_back(self) -> None:
        for reader in self._readers:
            self._let_visit(reader)

    @property
    def _readers(self) -> list[Reader]:
        return [*self._followers, *self._of_all]

    def _follower(self, over: str, address: str) -> AddressReader | InvoiceReader:
        if over in OVER:
            seed = self._random.randrange(1 << 30)
            return InvoiceReader(over, address, Random(seed))
        return AddressReader(over, address, VAULT.client_secret)

    # -- what happens ----------------------------------------------------------------

    def _begin(self, journal: Journal) -> None:
        """A life of the node over this database."""
        self._lives += 1
        seed = self._random.randrange(1 << 30)
        self.stage = stage = ActorStage(NOBODY, seed, journal=journal)
        stage.booted.publish(True)
        gateway = ActorGateway(stage.node, stage.store)
        frames = Frames(gateway.epochs().present)
        app = Api()
        everything = Principal("key", "key", None, (Scope.READ,))
        journal_stream.routes(
            app,
            gateway,
            lambda _environ: everything,
            frames,
            lambda _lease: True,
            keep_alive_s=0,
        )
        audience = Audience(frames, VAULT, lambda _environ: everything)
        sse.routes(app, gateway, audience, keep_alive_s=0)
        polling.routes(app, gateway, audience, VAULT)
        # "default" is the merchant of seeds.salon: an invoice's number is enough.
        tokens = SiteTokens(gateway, VAULT)
        live = LiveRoutes(
            gateway,
            VAULT,
            frames,
            require=lambda _environ: everything,
            doors=Doors(tokens, "default"),
        )
        engine = socketio_engine(gateway, tokens, frames, live, salon="default")
        mount = Mount(lambda: True, lambda: engine)
        mount.add_to(app)
        live.also_ask(mount.route)
        self._node = Node(app, live, stage.run)

    def _order(self) -> None:
        """A payment at a free address, as well one that had a payment that was lost."""
        free = [a for a in ADDRESSES if self.stage.store.payment_at(a) is None]
        if free:
            self._names += 1
            address = self._random.choice(free)
            self.stage.create(
                f"pay_{self._names}", address=address, external_id=invoice_at(address)
            )

    def _move(self) -> None:
        payments = self.stage.store.watched()
        if payments:
            name = self._random.choice(payments).id
            seq = self.stage.payment(name).seq
            # Two lives of a payment differ: other money comes in each.
            txid = f"{seq}.{self._random.randrange(1 << 30)}"
            height, sum_sat = self._random.choices(((1_000, 1), (998, 50_000)), (4, 1))[
                0
            ]
            self.stage.observe(name, view(mined(txid, height, sum_sat)))
            self.stage.run()

    def _back_up(self) -> None:
        self._backups.append(self.stage.journal.connection.serialize())

    def _restore(self) -> None:
        if self._backups:
            self.happened["restores"] += 1
            backup = self._random.choice(self._backups)
            journal = Journal("journal.db", connection=in_memory(backup))
            journal.begin_epoch()
            self._begin(journal)
            for reader in self._of_all:
                reader.begin_later_than_epochs()

    def _lose(self) -> None:
        """The disk is gone, and there was no backup: another database."""
        self.happened["new databases"] += 1
        self._backups = []
        journal = Journal("journal.db", connection=in_memory())
        settle_epoch(journal, new_epoch())
        self._begin(journal)
        # A number alone cannot say that it is of another database.
        for index, reader in enumerate(self._followers):
            if not reader.says_epoch:
                self._followers[index] = self._follower(reader.over, reader.address)
        self._of_all = [
            reader if reader.says_epoch else JournalReader(reader.over)
            for reader in self._of_all
        ]

    def _visit(self) -> None:
        self._let_visit(self._random.choice(self._readers))

    def _let_visit(self, reader: Reader) -> None:
        self.happened[reader.over] += 1
        anew, heard, says_epoch = reader.told_anew, reader.heard, reader.says_epoch
        self._visits(reader)
        if reader.told_anew > anew and says_epoch:
            is_restored = self._last_life[reader] != self._lives
            assert is_restored, "begun anew, and nothing was restored"
        if reader.heard > heard:
            self._last_life[reader] = self._lives

    def _visits(self, reader: Reader) -> None:
        before = reader.told_anew
        if isinstance(reader, JournalReader):
            reader.visit(self._node, self._journal)
            self.happened["cursors gone"] += reader.told_anew - before
            return
        found = self.stage.store.payment_at(reader.address)
        present = found.id if found is not None else None
        if isinstance(reader, InvoiceReader):
            reader.visit(self._node, self._story, self._meanwhile)
        else:
            if reader.is_by_id and reader.payment_id is None:
                reader.payment_id = present
            reader.visit(self._node, self._story)
        self.happened["begun anew"] += reader.told_anew - before
        self.happened["resumes"] += reader.told_anew == before and reader.seq > 0
        self._is_up_to_date(reader, present)

    def _meanwhile(self) -> None:
        """What happens while somebody looks on."""
        if self._random.random() < 0.4:
            self._random.choice((self._order, self._move))()

    def _is_up_to_date(
        self, reader: AddressReader | InvoiceReader, name: str | None
    ) -> None:
        """`name`: of the payment at its address, when it came."""
        if isinstance(reader, InvoiceReader):
            if reader.asks and reader.is_whole and name is not None:
                assert reader.payment_id == name, "silence"
            return
        if reader.is_by_id:
            name = reader.payment_id
        if name is not None and self.stage.store.payment(name) is not None:
            assert reader.story == self._story(name), "silence"

    # -- the truth -------------------------------------------------------------------

    def _story(self, payment_id: str) -> list[bytes]:
        return [event.wire for event in self.stage.store.history(payment_id)]

    def _journal(self) -> list[bytes]:
        return [event.wire for event in self.stage.store.events_after(0)]
