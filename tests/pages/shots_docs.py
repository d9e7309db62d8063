"""The pictures of README and of the tutorial: two states of the checkout."""

from tests.pages.shooting import Shot
from tests.pages.shots_checkout import SHOTS as STATES

__all__ = ["SHOTS"]

SHOTS: dict[str, Shot] = {
    "checkout": STATES["pay-waiting"],
    "checkout-paid": STATES["pay-paid"],
}
