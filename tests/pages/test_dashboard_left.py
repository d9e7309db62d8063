"""A page of the dashboard that is left while the node is still answering it."""

from collections.abc import Iterator

import pytest

from tests.pages.conftest import Visited
from tests.pages.desk import Desk, desk, toasted
from tests.tools.receiver import Receiver, reply
from tests.tools.wait import wait_until

# While `window.kept` is a part of a path, its GET gets no answer until it is aborted;
# while `window.lost` is one, the network fails. `window.asked` counts both.
HOLD_BACK = """
  const real = window.fetch;
  window.asked = 0;
  window.fetch = (url, options = {}) => {
    const is = part => part && String(url).includes(part) && options.method === "GET";
    if (is(window.kept) || is(window.lost)) window.asked += 1;
    if (is(window.lost)) return Promise.reject(new TypeError("Failed to fetch"));
    if (!is(window.kept)) return real(url, options);
    return new Promise((_, reject) => options.signal.addEventListener("abort",
      () => reject(options.signal.reason)));
  };
"""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def enter(at: Desk, visited: Visited, page: str) -> None:
    """`begin` makes a new profile, so the script is given to the page that is there,
    and the dashboard is loaded once more with it."""
    at.enter(visited, page=page)
    visited.do("before_load", HOLD_BACK)
    visited.do("reload")
    visited.do("wait_until", "document.querySelector('#outlet h1 ~ *, .page *')")


def keep(visited: Visited, part: str) -> None:
    visited.do("evaluate", f"void (window.kept = '{part}')")


def leave(at: Desk, visited: Visited) -> list[str]:
    """As soon as the page waits for what is kept; what was said meanwhile."""
    visited.do("wait_until", "window.asked > 0")
    at.go(visited, "wallets")
    visited.do("wait_for_text", "#outlet", "No wallet yet")
    assert visited.do("complaints") == []
    return list(visited.do("evaluate", "window.toasted"))


def test_a_page_is_left_while_it_is_drawn_anew_after_what_was_done(
    at: Desk, visited: Visited
) -> None:
    broken = [reply(500)]
    with Receiver(answers=broken, default=reply(204)) as shop:
        asked = {"url": shop.url("/"), "types": ["payment.created"], "schedule_s": [0]}
        name = at.api("POST", "v1/channels", asked)["id"]
        at.node.create(1_000)
        owed = f"v1/channels/{name}/backlog"
        wait_until(lambda: at.api("GET", owed)["dead"] == 1, 10, "it to be given up")

        enter(at, visited, f"channels/{name}")
        visited.do("wait_for_text", ".part-dead", "Given up (1)")
        visited.do("click", ".part-dead >> text=Send all of them again")
        keep(visited, "state=pending")
        visited.do("click", "dialog button.main")
        visited.do("wait_until", "window.toasted.length > 0")
        assert leave(at, visited) == ["1 are being sent again."]


def test_a_visitor_is_not_told_that_they_left(at: Desk, visited: Visited) -> None:
    with Receiver() as shop:
        name = at.api("POST", "v1/channels", {"url": shop.url("/")})["id"]
        enter(at, visited, f"channels/{name}")
        visited.do("click", "#outlet .actions >> text=Turn off")
        keep(visited, f"channels/{name}")
        visited.do("click", "dialog button.main")
        assert leave(at, visited) == []


def test_a_page_is_left_while_its_form_is_answered(at: Desk, visited: Visited) -> None:
    enter(at, visited, "supervision")
    visited.do("wait_for_text", ".part-core", "journal")
    keep(visited, "v1/watchers/")
    visited.do("fill", "[name=address]", "an-address")
    visited.do("press", "Enter")
    assert leave(at, visited) == []


def test_a_page_that_cannot_be_drawn_anew_after_what_was_done_says_so(
    at: Desk, visited: Visited
) -> None:
    at.key("viewer")
    enter(at, visited, "keys")
    visited.do("click", "tr:has-text('the viewer') >> text=Revoke")
    visited.do("evaluate", "void (window.lost = 'v1/keys')")
    visited.do("click", "dialog button.danger")
    toasted(visited, "The node gives no answer")
    assert visited.do("evaluate", "window.toasted.length") == 2
