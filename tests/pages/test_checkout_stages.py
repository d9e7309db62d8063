"""The checkout from stage to stage in a real browser: nothing jumps, the focus stays,
axe-core finds nothing, and what is said can be heard."""

import os
from collections.abc import Iterator

import pytest

from engine.payment.model import Status
from tests.browser.shop import Shop, shop
from tests.pages import shots_checkout as states
from tests.pages.conftest import Visited
from tests.pages.shots_checkout import PHONE, WIDE
from tests.tools.wait import wait_until

LARGEST_SHIFT = 0.05
IN_VIEW = """(() => {
  const { top, bottom } = document.querySelector("h1").getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
})()"""
NOTE_ANIMATIONS = """
  window.animated = [];
  addEventListener("animationstart", event => animated.push(event.animationName));
"""
FOCUS = "document.activeElement.id || document.activeElement.localName"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


def is_sound(visited: Visited) -> None:
    assert visited.do("axe") == []
    assert visited.do("shifts") <= LARGEST_SHIFT
    assert visited.do("evaluate", IN_VIEW)


LOOKS = [(PHONE, "light"), (WIDE, "dark"), (PHONE, "dark"), (WIDE, "light")]
"""Of each stage, with axe: that is a minute of the processor for all of them."""
if os.environ.get("PAYBELL_LOOKS") != "all":  # as `make soak` has it
    del LOOKS[1:]


@pytest.mark.parametrize("options", [PHONE, WIDE], ids=["phone", "desktop"])
def test_from_creation_to_the_success_animation(
    node: Shop, visited: Visited, options: dict[str, object]
) -> None:
    visited.begin(**options)
    visited.do("before_load", NOTE_ANIMATIONS)
    made = states.create(node)
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    is_sound(visited)
    visited.do("evaluate", "scrollTo(0, document.body.scrollHeight)")
    node.chain.pay(made.terms.address, 50_000)
    visited.do("wait_for_text", "h1", "Payment seen")
    is_sound(visited)
    node.chain.mine(1)
    visited.do("wait_for_text", ".sign", "1/2")
    is_sound(visited)
    assert "arrives" not in visited.do("evaluate", "document.body.className")
    node.chain.mine(1)
    visited.do("wait_for_text", "h1", "Paid")
    visited.do("wait_for", "body.arrives .sign")
    visited.do("wait_until", "animated.includes('arrive')")  # it takes half a second
    is_sound(visited)
    assert (
        visited.do("evaluate", "document.querySelector('#return').href") == states.BACK
    )
    assert visited.do("text", "#freshness") == ""


def test_a_page_that_opens_paid_has_nothing_to_celebrate(
    node: Shop, visited: Visited
) -> None:
    visited.do("goto", node.url(states.paid(node)))
    visited.do("wait_for", ".sign")
    assert visited.do("evaluate", "document.body.className") == ""
    assert visited.do("axe") == []


def test_with_reduced_motion_nothing_moves_and_nothing_sounds(
    node: Shop, visited: Visited
) -> None:
    visited.begin(reduced_motion="reduce")
    made = states.seen(node)
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    assert not visited.do(
        "evaluate", "document.querySelector('.sound').checkVisibility()"
    )
    node.chain.mine(2)
    visited.do("wait_for_text", "h1", "Paid")
    assert visited.do("evaluate", "document.getAnimations().length") == 0


def test_a_payer_who_wants_a_sound_is_played_one_when_it_is_paid(
    node: Shop, visited: Visited
) -> None:
    visited.do(
        "before_load",
        "window.notes = 0; const real = AudioContext.prototype.createOscillator;"
        "AudioContext.prototype.createOscillator = function () {"
        " window.notes += 1; return real.call(this); };",
    )
    made = states.seen(node)
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    visited.do("click", ".sound")
    assert visited.do("evaluate", "notes") == 2  # so that one hears what it will be
    node.chain.mine(2)
    visited.do("wait_for_text", "h1", "Paid")
    assert visited.do("evaluate", "notes") == 4


@pytest.mark.timeout_s(250)  # axe looks at forty pages
@pytest.mark.parametrize(
    ("options", "scheme"),
    LOOKS,
    ids=lambda value: value if isinstance(value, str) else "look",
)
def test_axe_finds_nothing_at_any_stage(
    node: Shop,
    visited: Visited,
    options: dict[str, object],
    scheme: str,
    every: dict[str, str],
) -> None:
    visited.begin(**{**options, "color_scheme": scheme})
    found = {}
    for name, url in every.items():
        visited.do("emulate", {"color_scheme": scheme})
        visited.do("goto", url)
        visited.do("wait_for", "#freshness:not([data-link=opening])", "attached")
        if wrong := visited.do("axe"):
            found[name] = wrong
        assert visited.do("shifts") <= LARGEST_SHIFT, name
        other = {"light": "dark", "dark": "light"}[scheme]
        visited.do("emulate", {"color_scheme": other})
        if wrong := visited.do("axe", "color-contrast"):
            found[f"{name}, {other}"] = wrong
    assert found == {}


@pytest.fixture(scope="module")
def every(node: Shop) -> dict[str, str]:
    """A page of each state; those that share the chain's blocks come last."""
    reorganised = {"withdrawn", "reversed"}
    names = sorted(states.STATES, key=lambda name: name in reorganised)
    return {name: node.url(states.STATES[name](node)) for name in names}


def test_the_focus_never_falls_to_the_body(node: Shop, visited: Visited) -> None:
    made = states.create(node)
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    visited.do("evaluate", "document.querySelector('#copy-amount').focus()")
    node.chain.pay(made.terms.address, 20_000)
    visited.do("wait_for_text", "h1", "Partly paid")
    assert visited.do("evaluate", FOCUS) == "copy-amount", "it is still there"
    node.chain.pay(made.terms.address, 30_000)
    visited.do("wait_for_text", "h1", "Payment seen")
    assert visited.do("evaluate", FOCUS) == "headline", "it is gone"
    visited.do("evaluate", "document.querySelector('#transactions-summary').focus()")
    visited.do("press", "Enter")
    node.chain.mine(1)
    visited.do("wait_for_text", ".sign", "1/2")
    assert visited.do("evaluate", FOCUS) == "transactions-summary"
    assert visited.do("evaluate", "document.querySelector('#transactions').open")
    node.chain.mine(1)
    visited.do("wait_for_text", "h1", "Paid")
    assert visited.do("evaluate", FOCUS) == "transactions-summary"


def test_what_is_unusual_is_announced_too(node: Shop, visited: Visited) -> None:
    made = states.create(node)
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    node.chain.pay(made.terms.address, 70_000)
    node.chain.mine(2)
    visited.do("wait_for_text", "h1", "Paid")
    said = visited.do("text", "#announcement")
    assert said.startswith("Paid.")
    assert "0.0002 BTC more than requested" in said


def test_the_keyboard_alone_reaches_all_that_there_is_to_do(
    node: Shop, visited: Visited
) -> None:
    visited.do("goto", node.url(states.create(node, lightning=states.invoice(node))))
    reached = []
    for _ in range(9):
        visited.do("press", "Tab")
        reached.append(visited.do("evaluate", FOCUS))
    assert reached[:4] == ["way-lightning", "wallet-lightning", "copy-invoice", "sound"]
    visited.do("evaluate", "document.querySelector('#way-lightning').focus()")
    visited.do("press", "ArrowRight")
    for name in ("wallet-onchain", "copy-address", "copy-amount", "sound"):
        visited.do("press", "Tab")
        assert visited.do("evaluate", FOCUS) == name


def test_on_a_phone_the_wallet_comes_first_and_the_code_is_folded(
    node: Shop, visited: Visited
) -> None:
    made = states.create(node)
    visited.begin(**PHONE)
    visited.do("goto", node.url(made))
    visited.do("wait_for", "#wallet-onchain")
    assert not visited.do("evaluate", "document.querySelector('.qr').checkVisibility()")
    visited.do("click", ".unfold")
    visited.do("wait_for", ".qr svg")
    # What the payer opened stays open when the payment moves.
    visited.do("wait_for_text", "#freshness", "Live")
    node.chain.pay(made.terms.address, 20_000)
    visited.do("wait_for_text", "h1", "Partly paid")
    assert visited.do("evaluate", "document.querySelector('.qr').checkVisibility()")


def test_on_a_desktop_the_code_comes_first(node: Shop, visited: Visited) -> None:
    visited.begin(**WIDE)
    visited.do("goto", node.url(states.create(node)))
    visited.do("wait_for", ".qr svg")
    top = "document.querySelector('{}').getBoundingClientRect().top"
    code = visited.do("evaluate", top.format(".qr"))
    assert code < visited.do("evaluate", top.format("#wallet-onchain"))
    assert not visited.do(
        "evaluate", "document.querySelector('.unfold').checkVisibility()"
    )


def test_a_word_for_who_has_no_wallet_here(node: Shop, visited: Visited) -> None:
    made = states.create(node)
    visited.begin(**WIDE)
    visited.do("goto", node.url(made))
    # The browser has nothing that opens such a link, and would say so on its console.
    visited.do(
        "evaluate",
        "document.addEventListener('click', e => e.preventDefault()), 1",
    )
    assert not visited.do(
        "evaluate", "document.querySelector('.hint').checkVisibility()"
    )
    visited.do("click", "#wallet-onchain")
    visited.do("wait_for_text", ".hint", "No wallet opened?")
    assert "No wallet opened?" in visited.do("text", "#announcement")
    assert visited.do("axe") == []


def test_everything_to_press_is_large_enough_for_a_thumb(
    node: Shop, visited: Visited
) -> None:
    visited.begin(**PHONE)
    small = """
      [...document.querySelectorAll("a,button,summary,.unfold,.tabs label,.sound")]
      .filter(one => one.checkVisibility())
      .filter(one => one.getBoundingClientRect().height < 44)
      .map(one => one.outerHTML)"""
    for state in (states.both, states.paid, states.expired):
        visited.do("goto", node.url(state(node)))
        visited.do("wait_for", "h1")
        assert visited.do("evaluate", small) == []


def test_the_code_is_one_picture_with_one_name(node: Shop, visited: Visited) -> None:
    visited.do("goto", node.url(states.create(node)))
    visited.do("wait_for", ".qr")
    tree = visited.do("cdp", "Accessibility.getFullAXTree")["nodes"]
    images = [
        one["name"]["value"]
        for one in tree
        if not one["ignored"] and one["role"]["value"] in {"image", "img", "SvgRoot"}
    ]
    assert images == ["QR code with the address and the amount"]


def test_the_last_two_minutes_weigh_more(node: Shop, visited: Visited) -> None:
    visited.do("goto", node.url(states.create(node)))
    visited.do("wait_for_text", "#countdown", "left to pay")
    weight = "getComputedStyle(document.querySelector('#countdown')).fontWeight"
    calm = int(visited.do("evaluate", weight))
    visited.do("goto", node.url(states.soon(node)))
    visited.do("wait_for_text", "#countdown.soon", "left to pay")
    assert int(visited.do("evaluate", weight)) > calm
    assert "left to pay" in visited.do("text", "#announcement")


def test_forced_colours_leave_the_code_and_the_signs_to_be_seen(
    node: Shop, visited: Visited
) -> None:
    made = states.create(node)
    visited.begin(forced_colors="active", color_scheme="dark")
    visited.do("goto", node.url(made))
    visited.do("wait_for", ".qr svg")
    ground = "getComputedStyle(document.querySelector('.qr')).backgroundColor"
    assert visited.do("evaluate", ground) == "rgb(255, 255, 255)"
    visited.do("wait_for_text", "#freshness", "Live")
    node.chain.pay(made.terms.address, 50_000)
    node.chain.mine(2)
    visited.do("wait_for_text", "h1", "Paid")
    card = visited.do(
        "evaluate", "getComputedStyle(document.querySelector('main')).backgroundColor"
    )
    tick = visited.do(
        "evaluate", "getComputedStyle(document.querySelector('.tick')).stroke"
    )
    disc = visited.do(
        "evaluate", "getComputedStyle(document.querySelector('.disc')).fill"
    )
    assert disc == card
    assert tick != card


def test_two_tabs_are_told_the_same(node: Shop, visited: Visited) -> None:
    made = states.create(node)
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    second = visited.do("another_tab")
    visited.do("goto", node.url(made))
    visited.do("wait_for_text", "#freshness", "Live")
    node.chain.pay(made.terms.address, 50_000)
    node.chain.mine(2)
    wait_until(lambda: node.payment(made).status is Status.CONFIRMED, 10, "blocks")
    for tab in (second, 0):
        visited.do("tab", tab)
        visited.do("wait_for_text", "h1", "Paid")


def test_without_javascript_a_phone_shows_its_code_as_well(
    node: Shop, visited: Visited
) -> None:
    visited.begin(**PHONE, java_script_enabled=False)
    made = states.create(node)
    visited.do("goto", node.url(made))
    assert "reloads every 20 seconds" in visited.do("text", "footer")
    visited.do("click", ".unfold")
    visited.do("wait_for", ".qr svg")
    assert visited.do("text", "#address").replace(" ", "") == made.terms.address


def test_the_page_weighs_little(node: Shop, visited: Visited) -> None:
    visited.do("goto", node.url(states.both(node)))
    visited.do("wait_for", "#freshness:not([data-link=opening])", "attached")
    sizes = visited.do(
        "evaluate",
        "[...performance.getEntriesByType('navigation'),"
        " ...performance.getEntriesByType('resource')].map(one => one.transferSize)",
    )
    assert sum(sizes) <= 60_000, sizes
