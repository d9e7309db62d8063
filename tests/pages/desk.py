"""Who works at the dashboard in the tests: a node, and people with keys of roles."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from engine.merchants.roles import scopes_of_role
from engine.store.writes import ApiKey
from tests.browser.shop import Shop, shop
from tests.pages.conftest import Visited
from transport.http.auth import hash_key, new_key

__all__ = ["DESKTOP", "NODE_KEY", "NOTE_TOASTS", "PHONE", "Desk", "desk", "toasted"]

NODE_KEY = "pbk_of-the-node"

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

#: A toast is shown for six seconds, in which a busy machine may not look. What each one
#: said stays in `window.toasted`.
NOTE_TOASTS = """
  window.toasted = [];
  addEventListener("DOMContentLoaded", () => {
    const place = document.getElementById("toasts");
    if (place) new MutationObserver(changes => {
      for (const { addedNodes } of changes) {
        for (const { textContent } of addedNodes) window.toasted.push(textContent);
      }
    }).observe(place, { childList: true });
  });
"""

#: A page gives a node 20 s to answer: on a busy machine that is too little.
WAIT_LONGER = """
  const soon = AbortSignal.timeout;
  AbortSignal.timeout = ms => soon.call(AbortSignal, 10 * ms);
"""


def toasted(visited: Visited, text: str) -> None:
    """Wait until a toast has said so."""
    said = f"one => one.includes({json.dumps(text)})"
    visited.do("wait_until", f"toasted.some({said})")


class Desk:
    """A node, and how one gets to its dashboard."""

    def __init__(self, node: Shop) -> None:
        self.node = node

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.node.server.port}/"

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """What the node answers to a call with its own key."""
        answer = requests.request(
            method,
            f"{self.base}{path}",
            json=body,
            headers={"Authorization": f"Bearer {NODE_KEY}"},
            timeout=60,
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def key(self, role: str, merchant: str | None = None) -> tuple[str, str]:
        """A new key, and its id."""
        key, now = new_key(), self.node.gateway.now()
        key_id = f"key_{os.urandom(6).hex()}"
        scopes = scopes_of_role(role, merchant)
        row = ApiKey(key_id, f"the {role}", merchant, hash_key(key), now, scopes)
        self.node.gateway.save_key(row)
        return key, key_id

    def revoke(self, key_id: str) -> None:
        """Over the API: it ends at once."""
        self.api("DELETE", f"v1/keys/{key_id}")

    def enter(
        self,
        visited: Visited,
        role: str = "admin",
        merchant: str | None = None,
        page: str = "payments",
        **options: Any,
    ) -> str:
        """Somebody of this role looks at this page; the id of their key."""
        key, key_id = self.key(role, merchant)
        visited.begin(**{"viewport": DESKTOP, **options})
        visited.do("before_load", NOTE_TOASTS)
        visited.do("before_load", WAIT_LONGER)
        visited.do("goto", self.base)
        visited.do("fill", "#key", key)
        visited.do("press", "Enter")
        visited.do("wait_for", "#menu a", "attached")
        self.go(visited, page)
        return key_id

    @staticmethod
    def go(visited: Visited, page: str) -> None:
        """To a page by its hash, until all that is asked at first is there."""
        visited.do("evaluate", f"void (location.hash = '#/{page}')")
        visited.do("wait_until", "document.querySelector('#outlet h1 ~ *, .page *')")


@contextlib.contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    with shop(folder, NODE_KEY) as node:
        yield Desk(node)
