"""What tests of the checkout page share: a visit, and scripts run before it loads."""

from collections.abc import Callable

from engine.payment.model import Payment
from tests.browser.page import Page

__all__ = [
    "Visit",
    "before_load",
    "was_not_reloaded",
]


def before_load(page: Page, script: str) -> None:
    page.call("Page.addScriptToEvaluateOnNewDocument", source=script)


def was_not_reloaded(page: Page) -> bool:
    return bool(page.evaluate("window.mark === 1"))


Visit = Callable[[Payment], None]
