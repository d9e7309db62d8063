"""One tab of the tests' browser: what a person does on it and sees on it.

Given out by tests/browser/chromium.py, which says how the browser is driven.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.tools.wait import wait_until

__all__ = ["DevTools", "Page", "PageError"]

LOAD_TIMEOUT_S = 30.0
WAIT_TIMEOUT_S = 15.0
NOT_NOW = (
    "TypeError: Cannot read prop",
    "Execution context was destroyed",
    "Cannot find default execution context",
    "Cannot find context with specified id",
    "Inspected target navigated or closed",
)
"""What a page answers of which a part is made anew, or that goes to another one."""


class PageError(AssertionError):
    """The page could not be loaded, or its script threw."""


class DevTools(Protocol):
    """The browser's connection, as far as a page uses it."""

    def call(
        self, method: str, session: str | None = None, **params: object
    ) -> dict[str, Any]: ...


class Page:
    """One tab. Selectors are CSS; the first element that matches is meant."""

    def __init__(self, chromium: DevTools, session: str, target: str) -> None:
        self.chromium = chromium
        self.session = session
        self.target = target
        self.console_errors: list[str] = []  # errors logged, thrown, or of loading
        self.requested: list[str] = []  # every URL asked for, WebSockets too
        self._loaded: set[str] = set()  # documents, by their loader's id

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """A DevTools command to this page, for what has no method here."""
        return self.chromium.call(method, self.session, **params)

    def goto(self, url: str) -> None:
        """Load a page and wait for its load event. PageError if it cannot be had."""
        answer = self.call("Page.navigate", url=url)
        if answer.get("errorText"):
            raise PageError(f"{url}: {answer['errorText']}")
        # Not any document: the one before may be done only now.
        self._await_load(lambda: answer["loaderId"] in self._loaded, url)

    def reload(self) -> None:
        """Load the present page again, as a person would, and wait."""
        before = len(self._loaded)
        self.call("Page.reload")
        self._await_load(lambda: len(self._loaded) > before, "the page, again")

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression, a promise's when it is kept.

        Raises PageError with what the script threw.
        """
        answer = self.call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            raise PageError(thrown(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """What a person reads in this element. PageError if it is not there."""
        text = self.evaluate(
            f"document.querySelector({json.dumps(selector)})?.innerText"
        )
        if text is None:
            raise PageError(f"nothing matches {selector}; the page is:\n{self.html()}")
        return str(text)

    def html(self) -> str:
        return str(self.evaluate("document.documentElement.outerHTML"))

    def wait_for(
        self,
        selector: str,
        *,
        text: str | None = None,
        timeout_s: float = WAIT_TIMEOUT_S,
    ) -> None:
        """Wait until this element is to be seen, and (if given) reads like `text`."""
        script = (
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            f" return !!e && e.checkVisibility() &&"
            f" e.innerText.includes({json.dumps(text or '')}); }})()"
        )
        wait_until(
            lambda: self._value(script),
            timeout_s,
            lambda: f"{selector} to be seen with {text!r}; the page is:\n{self.html()}",
        )

    def wait_for_js(self, script: str, *, timeout_s: float = WAIT_TIMEOUT_S) -> Any:
        """Wait until this JavaScript expression is truthy; its value. What it reads may
        just be made anew: then it is not yet."""
        return wait_until(lambda: self._value(script), timeout_s, script)

    def _value(self, script: str) -> Any:
        """Or None: the page cannot say it now."""
        try:
            return self.evaluate(script)
        except PageError as error:
            if not any(one in str(error) for one in NOT_NOW):
                raise
            return None

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of this element, wherever it is by then."""
        self.wait_for(selector)
        spot = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center', behavior: 'instant'});"
            " const box = e.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        at = {"x": spot[0], "y": spot[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **at)

    def fill(self, selector: str, text: str) -> None:
        """Click into a field, take out what is there, and type."""
        self.click(selector)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).select?.()")
        self.call("Input.insertText", text=text)

    def set_viewport(self, width: int, height: int, *, mobile: bool = False) -> None:
        """The size of the window; with `mobile`, a phone with a touch screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=mobile)

    def screenshot(self, path: Path) -> None:
        """Write what is to be seen, as PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))

    def offline(self, is_offline: bool) -> None:
        """Take the network away, or give it back.

        New requests and WebSockets fail and `offline`/`online` events come. Chromium
        leaves connections that are open already: a WebSocket falls silent without
        closing, as in a tunnel. Have the server close it to see a page reconnect.
        """
        self.call(
            "Network.emulateNetworkConditions",
            offline=is_offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def close(self) -> None:
        self.chromium.call("Target.closeTarget", targetId=self.target)

    def take(self, method: str, params: dict[str, Any]) -> None:
        """An event of this page, from the greenlet that reads."""
        if method == "Page.lifecycleEvent":
            if params["name"] == "load":
                self._loaded.add(params["loaderId"])
        elif method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requested.append(params["url"])
        elif method == "Runtime.exceptionThrown":
            self.console_errors.append(thrown(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            said = [
                str(arg.get("value", arg.get("description"))) for arg in params["args"]
            ]
            self.console_errors.append(" ".join(said))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.console_errors.append(f"{entry['text']} {entry.get('url', '')}")

    def _await_load(self, is_loaded: Callable[[], bool], what: str) -> None:
        wait_until(is_loaded, LOAD_TIMEOUT_S, f"{what} to be loaded")


def thrown(details: dict[str, Any]) -> str:
    """One line of what a script threw."""
    exception = details.get("exception", {})
    return str(exception.get("description", exception.get("value", details["text"])))
