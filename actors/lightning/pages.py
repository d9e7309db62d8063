"""What was paid, read in pages from a durable cursor.

No actor: it lives in the turns of an upstream's actor, which has the pages asked for
and hears when one is through. A page's payments are brought to where they belong; when
all are committed the cursor is, and only then it is read on. A crash in between reads
the page again, and payments tell nothing twice. Where one had to be passed over it is
read on, and no cursor is kept any more: a restart reads from before it.
"""

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from actors.lightning.deliveries import InvoiceDeliveries
from actors.lightning.messages import ReadPage
from actors.node import Node
from engine.lightning.account import Account
from engine.lightning.node import PaidPage
from engine.runtime.ref import Ref
from engine.store.lightning_writes import UpstreamCursor
from engine.store.port import StoreReader
from engine.store.writes import Committed, Outcome, Write

__all__ = ["CursorKept", "OpenTold", "Pages", "StoredCursor", "kept_of"]

log = logging.getLogger("paybell.lightning")

IDLE_S: Final = 300.0
"""Between readings while no invoice is open: nothing can be paid."""

JUST_OPENED_S: Final = 120.0
"""An invoice counts as open for so long before the store is asked for it."""

CURSOR_S: Final = 3_600.0
"""A cursor that moved on over nothing that was paid is kept so often."""

LATE_MS: Final = 3_600_000
"""So long after its end an invoice may still be paid, as far as the page is concerned:
the node's clock is not ours. Who waits for a word on one asks for that by itself."""

OF_NO_CURSOR: Final = 1_000
"""So many open invoices are asked about one by one, where no page will show them."""

WRITE_AGAIN_S: Final = 1.0


class StoredCursor(msgspec.Struct, frozen=True):
    """What the store has. `opened`: invoices that may be paid, with their payments: all
    of them where there is no cursor, else one."""

    cursor: str
    opened: tuple[tuple[str, str], ...]


class CursorKept(msgspec.Struct, frozen=True):
    """The journal's answer."""

    asked: ReadPage
    page: PaidPage
    outcome: Outcome


class OpenTold(msgspec.Struct, frozen=True):
    """The store's answer: whether an invoice may be paid."""

    answer: object


class Pages:
    """See the module docstring. `wanted`: one is to be read as soon as can be."""

    __slots__ = (
        "_account",
        "_bringing",
        "_came",
        "_cursor",
        "_deliveries",
        "_is_open",
        "_kept",
        "_kept_s",
        "_node",
        "_opened_s",
        "_ref",
        "_stuck",
        "wanted",
    )

    def __init__(
        self,
        node: Node,
        account: Account,
        ref: Ref,
        deliveries: InvoiceDeliveries,
        came: Callable[[ReadPage, PaidPage], None],
        stuck: Callable[[float], None],
    ) -> None:
        """`came`: all of a page is committed, and so is the cursor. `stuck`: the
        journal cannot write; it is to be read again so much later (s)."""
        self._node = node
        self._account = account
        self._ref = ref
        self._deliveries = deliveries
        self._came = came
        self._stuck = stuck
        self.wanted = False
        self._bringing = False  # a page is on its way to its payments
        self._cursor = ""  # what is read next
        self._kept = ""  # the cursor that is stored
        self._is_open = False  # an invoice may be paid
        self._kept_s = self._opened_s = float("-inf")

    def begin(self, kept: StoredCursor) -> None:
        self._cursor = self._kept = kept.cursor
        self._is_open = bool(kept.opened)

    def take(self, openings: int) -> ReadPage | None:
        """The page to ask for now; None: none is wanted, or the last is not through."""
        if not self.wanted or self._bringing:
            return None
        self.wanted = False
        return ReadPage(self._cursor, openings)

    def bring(self, asked: ReadPage, page: PaidPage) -> None:
        assert not self._bringing, "one page at a time"
        self._bringing = True
        self._deliveries.bring(page.paid, lambda: self._keep_cursor(asked, page))

    def _keep_cursor(self, asked: ReadPage, page: PaidPage) -> None:
        """Where nothing was paid, to read it again after a restart costs nothing."""
        now_s = self._node.clock.monotonic()
        is_old = not self._kept or now_s - self._kept_s >= CURSOR_S
        is_news = page.cursor != self._kept and (page.paid or is_old)
        if not is_news or (self._kept and self._deliveries.passed_over):
            self._through(asked, page)
            return
        row = UpstreamCursor(self._account.name, page.cursor, self._node.clock.now())
        tell = self._ref.tell_system
        self._node.append(
            Write(rows=(row,)),
            lambda outcome: tell(CursorKept(asked, page, outcome)),
        )

    def on_kept(self, kept: CursorKept) -> None:
        if isinstance(kept.outcome, Committed):
            self._kept = kept.page.cursor
            self._kept_s = self._node.clock.monotonic()
            self._through(kept.asked, kept.page)
            return
        log.warning("upstream.cursor upstream=%s detail=%s", self._account.name,
                    kept.outcome)  # fmt: skip
        self._bringing = False
        self._stuck(WRITE_AGAIN_S)

    def _through(self, asked: ReadPage, page: PaidPage) -> None:
        self._bringing = False
        self._cursor = page.cursor
        self._came(asked, page)

    # -- how often ---------------------------------------------------------------------

    def interval_s(self) -> float:
        """A little earlier each time, never later: no two accounts keep step."""
        poll_s = float(self._account.poll_s)
        wait_s = poll_s if self._is_open else max(poll_s, IDLE_S)
        return wait_s * (1 - 0.1 * self._node.random.random())

    def on_opened(self) -> bool:
        """An invoice more may be paid. True: none could be before."""
        self._opened_s = self._node.clock.monotonic()
        was_open, self._is_open = self._is_open, True
        return not was_open

    def look_for_open(self) -> None:
        if not self._is_open or self._just_opened():
            return
        name, tell = self._account.name, self._ref.tell_system
        since = self._node.clock.now() - LATE_MS
        self._node.read(
            lambda store: store.has_payable_invoice(name, since),
            lambda answer: tell(OpenTold(answer)),
        )

    def on_open_told(self, told: OpenTold) -> None:
        if told.answer is False and not self._just_opened():
            self._is_open = False

    def _just_opened(self) -> bool:
        return self._node.clock.monotonic() - self._opened_s < JUST_OPENED_S


def kept_of(store: StoreReader, name: str) -> StoredCursor:
    kept = store.upstream_cursor(name)
    cursor = "" if kept is None else kept.cursor
    opened = store.open_invoices(name, "", 1 if cursor else OF_NO_CURSOR)
    return StoredCursor(
        cursor, tuple((one.payment_hash, one.payment_id) for one in opened)
    )
