"""A visitor: Playwright in a process of its own, told what to do line by line.

Playwright's synchronous interface runs an event loop that does not go together with
gevent's patched sockets, so it has a process without them. Run as a program: it reads
one JSON array ["name", arguments…] a line and answers with one, ["ok", value] or
["error", text]. Selectors and waiting are Playwright's.

    python tests/browser/visitor.py CHROMIUM
"""

import json
import sys
from typing import Any

from playwright.sync_api import Error, Page, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
PATIENCE_MS = 60_000


class Visitor:
    """One page; each method is a command."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error":
            self._complaints.append(text)

    def goto(self, url: str) -> None:
        self._page.goto(url)

    def click(self, selector: str) -> None:
        self._page.click(selector)

    def fill(self, selector: str, text: str) -> None:
        self._page.fill(selector, text)

    def press(self, key: str) -> None:
        self._page.keyboard.press(key)

    def text(self, selector: str) -> str:
        return self._page.inner_text(selector)

    def wait_for_text(self, selector: str, text: str) -> None:
        found = self._page.locator(selector).filter(has_text=text)
        found.first.wait_for(state="visible")

    def offline(self, is_offline: bool) -> None:
        self._page.context.set_offline(is_offline)

    def evaluate(self, script: str) -> Any:
        return self._page.evaluate(script)

    def screenshot(self, path: str) -> None:
        self._page.screenshot(path=path, full_page=True)

    def complaints(self) -> list[str]:
        """What the page wrote on its console as an error."""
        return self._complaints


def main(chromium: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS])
        size = {"width": 390, "height": 844}
        visitor = Visitor(browser.new_page(viewport=size))  # type: ignore[arg-type]
        answer("ok", None)
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            try:
                answer("ok", getattr(visitor, name)(*arguments))
            except Error as error:
                answer("error", str(error))
        browser.close()


def answer(kind: str, value: Any) -> None:
    sys.stdout.write(json.dumps([kind, value]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
