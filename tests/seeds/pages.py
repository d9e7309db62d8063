"""A page of a seed's website, opened as a file: the document's script, and one word
where it would show its success."""

from pathlib import Path

from tests.browser.chromium import Chromium, Page

__all__ = ["opened"]

_PAGE = """<!doctype html><title>shop</title><p id="word">waiting</p><script>
function showSuccessMessage() { document.title = "paid"; word.textContent = "paid"; }
const onPaymentReceived = showSuccessMessage;
let ws_opened = false;
</script><script>%s</script>
"""


def opened(chromium: Chromium, folder: Path, script: str) -> Page:
    """The page, at a file:// address; its socket is open."""
    file = folder / "shop.html"
    file.write_text(_PAGE % script, encoding="utf-8")
    page = chromium.page()
    page.goto(file.as_uri())
    page.wait_for_js("ws.readyState === 1")
    return page
