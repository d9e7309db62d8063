"""The browser harness does what the tests of the pages will rely on."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from tests.browser.chromium import Chromium, browser
from tests.browser.page import Page, PageError
from tests.tools.wait import wait_until

HTML = b"""<!doctype html><title>tiny</title>
<h1 id=greeting>Hello <b>you</b></h1>
<p id=hidden hidden>secret</p>
<input id=name value=before><button id=go style="margin-top: 3000px">Go</button>
<p id=said></p><p id=net></p><p id=stream></p>
<script>
document.querySelector("#go").onclick = () =>
  document.querySelector("#said").textContent = document.querySelector("#name").value;
onoffline = () => document.querySelector("#net").textContent = "offline";
ononline = () => document.querySelector("#net").textContent = "online";
function listen() {
  const source = new EventSource("/stream");
  const show = text => document.querySelector("#stream").textContent = text;
  source.onopen = () => show("open");
  source.onerror = () => show("lost");
}
</script>"""

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Site:
    """A tiny site: a page, a stream that stays open, nothing else."""

    def __init__(self) -> None:
        self.closing = Event()
        self.server = WSGIServer(("127.0.0.1", 0), self.answer, log=None)
        self.server.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def answer(
        self, environ: dict[str, str], start_response: StartResponse
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/":
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
            return [HTML]
        if environ["PATH_INFO"] == "/stream":
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            return self.stream()
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not here"]

    def stream(self) -> Iterator[bytes]:
        yield b": open\n\n"
        self.closing.wait(60)

    def close(self) -> None:
        self.closing.set()
        self.server.stop(timeout=1)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with browser() as running:
        yield running


@pytest.fixture
def page(chromium: Chromium, site: Site) -> Iterator[Page]:
    opened = chromium.page()
    opened.goto(site.url)
    yield opened
    opened.close()


def test_a_page_is_read_as_a_person_reads_it(page: Page, site: Site) -> None:
    assert page.text("#greeting") == "Hello you"
    assert page.evaluate("document.title") == "tiny"
    assert site.url in page.requested
    with pytest.raises(PageError, match="nothing matches #absent"):
        page.text("#absent")


def test_a_person_types_and_clicks(page: Page) -> None:
    page.fill("#name", "after")
    page.click("#go")
    page.wait_for("#said", text="after")


def test_waiting_for_what_never_comes_shows_the_page(page: Page) -> None:
    with pytest.raises(AssertionError, match=r"waited 1\.2 s for #hidden[\s\S]*secret"):
        page.wait_for("#hidden", timeout_s=0.2)


def test_what_is_not_made_yet_is_waited_for(page: Page) -> None:
    page.evaluate("setTimeout(() => document.body.id = 'made', 200), 1")
    page.wait_for_js("document.querySelector('body#made').id === 'made'")
    with pytest.raises(PageError, match="is not defined"):
        page.wait_for_js("nobody.value")


def test_waiting_goes_on_while_other_greenlets_work(page: Page) -> None:
    gevent.spawn_later(0.05, page.evaluate, "window.later = 7")
    assert page.wait_for_js("window.later") == 7


def test_errors_of_the_page_are_kept(page: Page, site: Site) -> None:
    page.evaluate("console.error('careful', 3)")
    page.evaluate("setTimeout(() => { throw new Error('broken') }, 0), 1")
    page.evaluate("fetch('/absent').then(answer => answer.status)")
    expected = ["careful 3", "Error: broken", f"404 (Not Found) {site.url}absent"]
    wait_until(
        lambda: all(any(e in got for got in page.console_errors) for e in expected),
        5,
        lambda: f"{expected} among {page.console_errors}",
    )
    with pytest.raises(PageError, match="ReferenceError: nothing"):
        page.evaluate("nothing.at.all")


def test_a_phone_has_a_small_screen(page: Page, tmp_path: Path) -> None:
    page.set_viewport(375, 667, mobile=True)
    assert page.evaluate("[innerWidth, 'ontouchstart' in window]")[0] >= 375
    page.screenshot(tmp_path / "phone.png")
    picture = (tmp_path / "phone.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") == 375


def test_the_network_can_go_away_and_come_back(page: Page) -> None:
    page.evaluate("listen()")
    page.wait_for("#stream", text="open")
    page.offline(True)
    page.wait_for("#net", text="offline")
    with pytest.raises(PageError, match="Failed to fetch"):
        page.evaluate("fetch('/')")
    assert page.text("#stream") == "open"  # Chromium leaves what is open already
    page.offline(False)
    page.wait_for("#net", text="online")
    assert page.evaluate("fetch('/').then(answer => answer.status)") == 200


def test_nothing_but_this_machine_can_be_reached(page: Page) -> None:
    with pytest.raises(PageError, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://shop.example/")


def test_pages_share_no_storage(chromium: Chromium, page: Page, site: Site) -> None:
    page.evaluate("localStorage.setItem('who', 'me')")
    other = chromium.page()
    other.goto(site.url)
    assert other.evaluate("localStorage.getItem('who')") is None
    other.close()
