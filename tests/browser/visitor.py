"""A visitor: Playwright in a process of its own, told what to do line by line.

Playwright's synchronous interface runs an event loop that does not go together with
gevent's patched sockets, so it has a process without them. Run as a program: it reads
one JSON array ["name", arguments…] a line and answers with one, ["ok", value] or
["error", text]. Selectors and waiting are Playwright's.

    python tests/browser/visitor.py CHROMIUM
"""

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Error, Page, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
PATIENCE_MS = 180_000
FRAME_MS = 1_000 / 60
AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"

# Sum of all shifts of the layout that no input caused. The browser takes half a second
# for the answer to an input; on a busy machine it comes later. Here all belongs to an
# input until what the visitor waits for then is there, and was drawn.
WATCH_SHIFTS = """
  window.shifts = 0;
  window.caused = [];
  const frame = requestAnimationFrame.bind(window); // tests count those of the page
  window.input = () => caused.push([performance.now(), Infinity]);
  window.answered = () => frame(() => frame(() => {
    for (const one of caused) one[1] = Math.min(one[1], performance.now());
  }));
  new PerformanceObserver(list => {
    for (const one of list.getEntries()) {
      const of = ([from, to]) => from <= one.startTime && one.startTime <= to;
      if (!one.hadRecentInput && !caused.some(of)) window.shifts += one.value;
    }
  }).observe({ type: "layout-shift", buffered: true });
"""

TRACED = (
    "devtools.timeline",
    "disabled-by-default-devtools.timeline",
    "disabled-by-default-devtools.timeline.frame",
)

PHONE = {"width": 390, "height": 844}


class Visitor:
    """One page at a time; each method is a command."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._page: Page
        self._complaints: list[str] = []
        self._asked: list[str] = []
        self.anew()

    def anew(self, options: dict[str, Any] | None = None) -> None:
        """A new profile with one page. `options` as Playwright's `new_context` has
        them: viewport, color_scheme, forced_colors, reduced_motion, locale,
        java_script_enabled, …"""
        for context in self._browser.contexts:
            context.close()
        self._complaints, self._asked = [], []
        context = self._browser.new_context(**{"viewport": PHONE, **(options or {})})
        context.set_default_timeout(PATIENCE_MS)
        self._take(context.new_page())

    def another_tab(self) -> int:
        """A second page of the same profile, now the one that is told what to do. The
        number for `tab`."""
        self._take(self._page.context.new_page())
        return len(self._page.context.pages) - 1

    def tab(self, number: int) -> None:
        self._page = self._page.context.pages[number]
        self._page.bring_to_front()

    def _take(self, page: Page) -> None:
        self._page = page
        page.add_init_script(WATCH_SHIFTS)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("request", lambda request: self._asked.append(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error":
            self._complaints.append(text)

    def goto(self, url: str) -> None:
        self._page.goto(url)

    def reload(self) -> None:
        self._page.reload()

    def back(self) -> None:
        self._page.go_back()

    def click(self, selector: str) -> None:
        self._input()
        self._page.click(selector)

    def fill(self, selector: str, text: str) -> None:
        self._input()
        self._page.fill(selector, text)

    def press(self, key: str) -> None:
        self._input()
        self._page.keyboard.press(key)

    def select(self, selector: str, value: str) -> None:
        self._input()
        self._page.select_option(selector, value)

    def _input(self) -> None:
        self._quietly("input()")

    def _answered(self) -> None:
        self._quietly("answered()")

    def _quietly(self, script: str) -> None:
        """Without scripts, on a page that is just left or of another kind: nothing."""
        with contextlib.suppress(Error):
            self._page.evaluate(f"window.caused && {script}")

    def text(self, selector: str) -> str:
        return self._page.inner_text(selector)

    def wait_for_text(self, selector: str, text: str) -> None:
        found = self._page.locator(selector).filter(has_text=text)
        found.first.wait_for(state="visible")
        self._answered()

    def wait_for(self, selector: str, state: str = "visible") -> None:
        """`state`: attached, detached, visible or hidden."""
        self._page.locator(selector).first.wait_for(state=state)  # type: ignore[arg-type]
        self._answered()

    def wait_until(self, script: str) -> None:
        """Until that expression of the page is true. Asked from outside, again and
        again: a page whose policy forbids eval cannot ask itself."""
        deadline = time.monotonic() + PATIENCE_MS / 1_000
        while self._is(script) is not True:
            if time.monotonic() > deadline:
                raise Error(f"waited too long until {script}: {self._is(script)}")
            self._page.wait_for_timeout(20)
        self._answered()

    def _is(self, script: str) -> bool | str:
        """Or why that cannot be said yet: the page goes to another one, or a part of it
        that the expression reads is just being made anew."""
        try:
            return bool(self._page.evaluate(script))
        except Error as error:
            known = ("Execution context was destroyed", "TypeError: Cannot read prop")
            if not any(one in str(error) for one in known):
                raise
            return str(error)

    def offline(self, is_offline: bool) -> None:
        self._page.context.set_offline(is_offline)

    def evaluate(self, script: str) -> Any:
        return self._page.evaluate(script)

    def before_load(self, script: str) -> None:
        self._page.add_init_script(script)

    def emulate(self, media: dict[str, Any]) -> None:
        """Playwright's `emulate_media`: media, color_scheme, forced_colors, …"""
        self._page.emulate_media(**media)

    def size(self, width: int, height: int) -> None:
        self._page.set_viewport_size({"width": width, "height": height})

    def cookies(self) -> list[Any]:
        return list(self._page.context.cookies())

    def cdp(self, method: str, parameters: dict[str, Any] | None = None) -> Any:
        """A command of Chromium's own protocol: a slow network, a frozen page, …"""
        session = self._page.context.new_cdp_session(self._page)
        return session.send(method, parameters or {})

    def screenshot(self, path: str) -> None:
        self._page.screenshot(path=path, full_page=True, animations="disabled")

    def shifts(self) -> float:
        """Cumulative layout shift since the page was loaded."""
        return float(self._page.evaluate("window.shifts"))

    def axe(self, rule: str | None = None) -> list[str]:
        """What axe-core finds wrong with the page as it stands: WCAG 2.2 A and AA and
        its best practices, or one rule of them; one line for each element."""
        if not self._page.evaluate("'axe' in window"):
            # A script element would be refused by the page's policy.
            self._page.evaluate(AXE.read_text(encoding="utf-8"))
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rule is not None:
            options["runOnly"] = [rule]
        found = self._page.evaluate("wanted => axe.run(document, wanted)", options)
        return [
            f"{rule['id']}: {rule['help']}: {node['html']:.200}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def begin_trace(self) -> None:
        """Chromium's own record of its frames and tasks, until `end_trace`."""
        self._browser.start_tracing(page=self._page, categories=[*TRACED])

    def end_trace(self) -> dict[str, float]:
        """Since then: how many frames were drawn, and how many the compositor dropped;
        how many tasks of the page took more processor time than a frame has (late),
        that of the longest, and of all (ms)."""
        events = json.loads(self._browser.stop_tracing())["traceEvents"]
        mains = {
            (one["pid"], one["tid"])
            for one in events
            if one["name"] == "thread_name"
            and one["args"].get("name") == "CrRendererMain"
        }
        tasks = [
            one["tdur"] / 1_000
            for one in events
            if one["name"] == "RunTask"
            and (one["pid"], one["tid"]) in mains
            and "tdur" in one  # one that was under way at the end has none
        ]
        names = [one["name"] for one in events]
        return {
            "drawn": names.count("DrawFrame"),
            "dropped": names.count("DroppedFrame"),
            "late": sum(task > FRAME_MS for task in tasks),
            "longest_task_ms": max(tasks, default=0.0),
            "tasks_ms": sum(tasks),
        }

    def complaints(self) -> list[str]:
        """What the page wrote on its console as an error."""
        return self._complaints

    def strangers(self, origin: str) -> list[str]:
        """The requests that went to another origin than this one."""
        return [
            url
            for url in self._asked
            if urlsplit(url).scheme not in {"data", "blob"}
            and not url.startswith((f"{origin}/", origin.replace("http", "ws", 1)))
        ]


def main(chromium: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS])
        visitor = Visitor(browser)
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
