"""What a frame of the live list costs: it asks for no measure, writes only what is new,
and nothing at all while nobody sees it. Told by counting, not by a clock."""

import itertools
from collections.abc import Iterator

import pytest

from tests.pages.conftest import Visited
from tests.pages.desk import Desk, desk

#: Counts what makes a browser lay out the page before its time, rows that are written
#: though they were there, and frames that are asked for.
COUNT = """
(() => {
  window.measured = []; window.written = 0; window.frames = 0;
  const watch = (prototype, name) => {
    const { get, set } = Object.getOwnPropertyDescriptor(prototype, name);
    Object.defineProperty(prototype, name, { configurable: true, set,
      get() { window.measured.push(name); return get.call(this); } });
  };
  for (const name of ["scrollTop", "clientHeight"]) watch(Element.prototype, name);
  for (const name of ["offsetHeight", "offsetTop"]) watch(HTMLElement.prototype, name);
  const box = Element.prototype.getBoundingClientRect;
  Element.prototype.getBoundingClientRect = function () {
    window.measured.push("box");
    return box.call(this);
  };
  const there = new Set(document.querySelectorAll(".vbody .vrow"));
  new MutationObserver(changes => {
    for (const { target } of changes) window.written += there.has(target);
  }).observe(document.querySelector(".vbody"),
    { attributes: true, attributeFilter: ["style"], subtree: true });
  const real = window.requestAnimationFrame;
  window.requestAnimationFrame = fn => { window.frames += 1; return real(fn); };
})()
"""

#: The page is told that it is hidden, and gets no frame, as browsers do it; later that
#: it is seen, and gets those that it asked for and asks for.
HIDE = """
(() => {
  window.held = new Map(); window.changes = 0;
  window.frameOf = window.requestAnimationFrame;
  let number = 0;
  Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
  window.requestAnimationFrame = fn => { held.set(number += 1, fn); return number; };
  window.cancelAnimationFrame = id => { held.delete(id); };
  new MutationObserver(list => { window.changes += list.length; }).observe(
    document.querySelector("#outlet"),
    { attributes: true, childList: true, characterData: true, subtree: true });
})()
"""
SHOW = """
(() => {
  delete document.hidden;
  window.requestAnimationFrame = window.frameOf;
  for (const fn of [...held.values()]) fn(performance.now());
})()
"""
ROWS = "Number(document.querySelector('.vtable').ariaRowCount)"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def looked_at(at: Desk, visited: Visited, first: str) -> None:
    """The list with some rows, while it is live and nothing happens."""
    for number in range(5):
        at.node.create(1_000, external_id=f"{first}-{number}")
    at.enter(visited)
    visited.do("wait_for_text", "#link", "Live")
    visited.do("wait_for_text", ".vrow", f"{first}-4")


def test_a_payment_that_comes_is_drawn_at_once_and_moves_no_row_by_itself(
    at: Desk, visited: Visited
) -> None:
    looked_at(at, visited, "there")
    visited.do("evaluate", COUNT)
    at.node.create(1_000, external_id="comes")
    visited.do("wait_for_text", ".vrow", "comes")
    shown = "document.querySelector('[aria-rowindex=\"2\"]').innerText"
    assert "comes" in visited.do("evaluate", shown)
    assert visited.do("evaluate", "written") == 0
    assert visited.do("evaluate", "measured") == []
    assert visited.do("evaluate", "frames") == 1
    tops = """
    [...document.querySelectorAll(".vbody .vrow")]
      .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
      .map(row => row.getBoundingClientRect().top)
    """
    found = visited.do("evaluate", tops)
    assert len(found) > 5
    assert {below - above for above, below in itertools.pairwise(found)} == {44}


def test_nothing_is_drawn_while_nobody_sees_it_and_all_of_it_then(
    at: Desk, visited: Visited
) -> None:
    looked_at(at, visited, "seen")
    before = visited.do("text", ".below")
    visited.do("evaluate", HIDE)
    for number in range(3):
        at.node.create(1_000, external_id=f"unseen-{number}")
    visited.do("wait_until", "held.size > 0")
    assert visited.do("evaluate", "changes") == 0
    assert visited.do("evaluate", "held.size") == 1
    visited.do("evaluate", SHOW)
    visited.do("wait_for_text", ".vrow", "unseen-2")
    assert visited.do("text", ".below") != before


def test_who_has_gone_down_keeps_what_is_read_whatever_comes(
    at: Desk, visited: Visited
) -> None:
    looked_at(at, visited, "read")
    for number in range(40):
        at.node.create(1_000, external_id=f"more-{number}")
    visited.do("wait_for_text", ".vrow", "more-39")
    visited.do("evaluate", "document.querySelector('.vlist').scrollTop = 440")
    where = """
    [...document.querySelectorAll(".vbody .vrow")]
      .find(row => row.innerText.includes("more-25"))?.getBoundingClientRect().top
    """
    visited.do("wait_until", f"{where} !== undefined")
    stood = visited.do("evaluate", where)
    there = visited.do("evaluate", ROWS)
    for number in range(3):
        at.node.create(1_000, external_id=f"above-{number}")
    visited.do("wait_for_text", ".below button", "New payments")
    visited.do("wait_until", f"{ROWS} === {there + 3}")
    assert visited.do("evaluate", where) == stood
    visited.do("click", ".below button")
    visited.do("wait_for_text", ".vrow", "above-2")
