"""A real browser for tests: Chromium without a window, driven over its DevTools port.

Playwright's synchronous interface switches greenlets of its own on an asyncio loop and
does not go together with gevent's patched sockets (`visitor.py` has a process for it);
the DevTools protocol is JSON over one WebSocket, so most tests speak it themselves.
`make` installs Chromium; CHROMIUM names another one.

    with browser() as chromium:
        page = chromium.page()
        page.goto(url)
        page.wait_for("#status", text="paid")

Every page has cookies and storage of its own. The browser resolves no name and uses no
proxy: it reaches this machine only. Runs in the test's greenlet, plus one that reads.
"""

import contextlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import websocket
from gevent.event import AsyncResult

from tests.browser.page import Page, PageError
from tests.tools.wait import PATIENCE, Process, WaitedTooLong

__all__ = ["Chromium", "Page", "PageError", "browser"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
START_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-features=Translate,MediaRouter,OptimizationHints",
    "--disable-sync",
    "--hide-scrollbars",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
    "--password-store=basic",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--remote-debugging-port=0",
)


@contextlib.contextmanager
def browser() -> Iterator["Chromium"]:
    """A fresh Chromium; ended, and its profile removed, at the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="paybell-chromium-"))
    process = Process(
        [executable(), *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
        env={"HOME": str(folder)},
        ready=r"DevTools listening on (ws://\S+)",
        timeout_s=START_TIMEOUT_S,
    )
    try:
        process.start()
        assert process.match is not None
        chromium = Chromium(process.match[1])
        try:
            yield chromium
        finally:
            chromium.close()
            with contextlib.suppress(WaitedTooLong):
                process.wait(CLOSE_TIMEOUT_S)
    finally:
        process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def executable() -> str:
    for name in (os.environ.get("CHROMIUM", ""), *NAMES):
        found = shutil.which(name) if name else None
        if found is not None:
            return found
    raise AssertionError("no Chromium here: run `make setup-chromium`")


class Chromium:
    """The connection to one running browser."""

    def __init__(self, url: str) -> None:
        # Chromium refuses connections that name an Origin, as a web page would.
        self._socket = websocket.create_connection(
            url,
            timeout=CALL_TIMEOUT_S * PATIENCE,
            suppress_origin=True,
            http_no_proxy=["127.0.0.1"],
        )
        self._socket.settimeout(None)  # silence is normal; calls have their deadline
        self._numbers = itertools.count(1)
        self._waiting: dict[int, AsyncResult[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._reader = gevent.spawn(self._read)

    def page(self, width: int = 1280, height: int = 800) -> Page:
        """A new empty page with cookies and storage of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call(
            "Target.createTarget", url="about:blank", browserContextId=context
        )["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(self, session["sessionId"], target)
        self._pages[page.session] = page
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.call("Page.setLifecycleEventsEnabled", enabled=True)
        page.set_viewport(width, height)
        return page

    def call(
        self, method: str, session: str | None = None, **params: object
    ) -> dict[str, Any]:
        """One DevTools command and its answer. Raises PageError if it is refused."""
        number = next(self._numbers)
        command: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        answer: AsyncResult[dict[str, Any]] = AsyncResult()
        self._waiting[number] = answer
        self._socket.send(json.dumps(command))
        try:
            # Not get(timeout=...): its exception is also that of a test's deadline.
            limit_s = CALL_TIMEOUT_S * PATIENCE
            answer.wait(limit_s)
            if not answer.ready():
                raise PageError(f"{method}: no answer in {limit_s:g} s")
            reply: dict[str, Any] = answer.get_nowait() or {}
        finally:
            self._waiting.pop(number, None)
        if "error" in reply:
            raise PageError(f"{method}: {reply['error'].get('message')}")
        result: dict[str, Any] = reply["result"]
        return result

    def close(self) -> None:
        """Ask the browser to end."""
        with contextlib.suppress(PageError, OSError, websocket.WebSocketException):
            self.call("Browser.close")
        self._reader.kill()
        self._socket.close(timeout=1)

    def _read(self) -> None:
        try:
            while True:
                message = json.loads(self._socket.recv())
                self._take(message)
        except (OSError, ValueError, websocket.WebSocketException) as error:
            for answer in self._waiting.values():
                answer.set_exception(PageError(f"the browser is gone: {error}"))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            answer = self._waiting.get(message["id"])
            if answer is not None:
                answer.set(message)
            return
        page = self._pages.get(message.get("sessionId", ""))
        if page is not None:
            page.take(message["method"], message["params"])
