"""The pictures of the dashboard's pages about channels, charts, sources and tree."""

from collections.abc import Iterable

from engine.payment.history import Fact, measured, sums_of
from engine.store.history_writes import AddHistory
from engine.store.writes import Write
from tests.pages.conftest import Visited
from tests.pages.desk import PHONE, Desk
from tests.pages.shooting import Shot, node
from tests.tools.receiver import Receiver, reply
from tests.tools.wait import wait_until

__all__ = ["SHOTS"]

HOUR_MS = 3_600_000
KINDS = "payment.created", "payment.detected", "payment.confirmed"


def _busy_week() -> None:
    """Numbers of a shop that sells by day."""
    now = node().gateway.now()
    facts = [
        Fact(
            offset=n,
            type=KINDS[n % 3],
            at=now - (n * 37 % 10_000) * HOUR_MS // 60,
            merchant="cafe",
            waited_ms=None if n % 3 == 0 else (n * 7 % 90 + 2) * 1_000,
            booked_sat=20_000 + n * 131 % 40_000 if n % 3 == 2 else 0,
        )
        for n in range(1_500)
        if (n * 37 % 10_000) // 60 % 24 < 13
    ]
    noted = [
        one
        for hour in range(160)
        for one in measured(
            {
                "sessions": 4 + hour * 7 % 11,
                "backlog": hour % 29 // 25 * 6,
                "errors:devchain": hour % 31 // 29,
            },
            now - hour * HOUR_MS,
        )
    ]
    rows = AddHistory(sums_of(facts)), AddHistory(tuple(noted))
    node().gateway._commit(Write(rows=rows))


def charts(visited: Visited) -> None:
    _busy_week()
    Desk(node()).enter(visited, "viewer", "cafe", "charts?range=2 days")
    visited.do("wait_until", "document.querySelectorAll('.charts canvas').length === 4")


def charts_dark(visited: Visited) -> None:
    _busy_week()
    options = {"color_scheme": "dark", "viewport": PHONE}
    where = "charts?range=2 days"
    Desk(node()).enter(visited, "viewer", "cafe", where, **options)
    visited.do("wait_until", "document.querySelectorAll('.charts canvas').length === 4")


def channel(visited: Visited) -> Iterable[None]:
    """One of whose events some were given up; and the list, before."""
    yield from _channel(visited, "Shop backend")


def channels(visited: Visited) -> Iterable[None]:
    yield from _channel(visited, None)


def _channel(visited: Visited, opened: str | None) -> Iterable[None]:
    desk = Desk(node())
    broken = [reply(500, body=b"no such table: orders")] * 2
    with Receiver(answers=broken, default=reply(204)) as shop, Receiver() as other:
        desk.enter(visited, page="channels")
        made = ((shop.url("/hook"), "Shop backend"), (other.url("/"), "Books"))
        for url, name in made:
            visited.do("click", "#outlet >> text=New webhook")
            visited.do("fill", "dialog [name=url]", url)
            visited.do("fill", "dialog [name=description]", name)
            visited.do("press", "Enter")
            visited.do("wait_for_text", "dialog code", "whsec_")
            visited.do("click", "dialog button.main")
            visited.do("wait_for_text", "tbody", name)
        kept = {one.description: one for one in node().gateway.channels()}
        node().create(7_000)
        wait_until(
            lambda: node().gateway.attempts(kept["Shop backend"].id, None, 1),
            20,
            "an attempt",
        )
        if opened is not None:
            visited.do("click", f"tr >> text={opened}")
            visited.do("wait_for_text", ".part-log", "answered 500")
            visited.do("click", ".part-log summary >> nth=0")
        else:
            visited.do("reload")
            visited.do("wait_for_text", "tbody tr:first-child", "Shop backend")
        yield
        for one in kept.values():
            node().gateway.remove_channel(one.id)


def supervision(visited: Visited) -> None:
    node().create(5_000)
    Desk(node()).enter(visited, page="supervision")
    visited.do("wait_for_text", ".part-watchers", "running")


def sources(visited: Visited) -> None:
    Desk(node()).enter(visited, page="sources")
    visited.do("wait_for_text", "article", "Current")


SHOTS: dict[str, Shot] = {
    "desk-charts": charts,
    "desk-charts-dark": charts_dark,
    "desk-channels": channels,
    "desk-channel": channel,
    "desk-supervision": supervision,
    "desk-sources": sources,
}
