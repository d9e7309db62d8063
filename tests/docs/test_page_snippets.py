"""What the documents show for a shop's web pages, in a real browser: on a page of
another origin than the node's, with the client's own files.

A snippet that imports the package finds it by an import map; what it leaves to the shop
(`showSuccess`, a session's id) the page has.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.browser.chromium import Chromium, Page, browser
from tests.browser.site import MODULES, Site
from tests.docs.runs import Runs, here
from tests.tools.paybell import Paybell, serving
from tests.tools.site_token import SECRET, claims, token
from tests.tools.wait import wait_until

RUN = Runs()
README = RUN.take("README.md", "html")
CHECKOUT = RUN.take("clients.md", "html")
ON_CLOSE = RUN.take("clients.md", "js", "paybell:close")
HOOK = RUN.take("clients.md", "js", "paybell-client/react")
SALON = RUN.take("clients.md", "js", "paybell-client/salon")
BALANCE = RUN.take("seeds.md", "js")
SOCKET_IO = RUN.take("socketio.md", "js")

PAY_EXAMPLE = "https://pay.example"
SOCKET_IO_CLIENT = MODULES / "socket.io-client" / "dist" / "socket.io.min.js"
PAGE = """<!doctype html><meta charset=utf-8><title>shop</title>
<link rel=icon href=data:,>
<script type=importmap>{"imports": {"react": "/react.mjs",
  "paybell-client/react": "/paybell-react.mjs",
  "paybell-client/salon": "/paybell-salon.mjs"}}</script>
<p id=word>waiting</p><main id=root></main>
<script>
const say = text => { word.textContent = text; };
const showSuccess = () => say("paid");
const showSuccessMessage = showSuccess, done = showSuccess;
</script>
"""
# A component's body, as a hook is called in one.
COMPONENT = """
import {{ createElement, createRoot }} from "react";
{imports}
const sessionId = "{session}", invoice = {{}}, clientSecret = "{token}";
function Page() {{
  {body}
  return createElement("p", {{ id: "link" }}, error ? error.code : String(isConnected));
}}
createRoot(document.getElementById("root")).render(createElement(Page));
"""
LATER = "await new Promise(go => { window.leave = go; });\n"


class Stage(NamedTuple):
    node: Paybell
    site: Site
    page: Page

    def show(self, html: str) -> None:
        self.site.html = PAGE + html
        self.page.goto(self.site.origin)

    def create(self, name: str) -> dict[str, Any]:
        return self.node.create(amount_sat=1_000, confirmations=1, external_id=name)

    def pay(self, payment: dict[str, Any]) -> None:
        paid = {"address": payment["address"], "amount_sat": payment["amount_sat"]}
        self.node.post("/dev/pay", **paid)
        self.node.post("/dev/mine", blocks=1)

    def wait_until_paid(self) -> None:
        self.page.wait_for("#word", text="paid")
        assert self.page.console_errors == []

    @property
    def socket_url(self) -> str:
        return self.node.url.replace("http", "ws")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.close()


@pytest.fixture(scope="module")
def node(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paybell]:
    options = ("--allowed-origins", site.origin)
    seeds = ("--seed", "paybutton=default", "--seed", "salon=default")
    with serving(tmp_path_factory.mktemp("node"), *options, *seeds) as running:
        record = {
            "return_urls": [f"{site.origin}/"],
            "jwt": {"algorithm": "HS256", "secret": SECRET},
        }
        put = running.call("PUT", "/v1/merchants/default", json=record)
        assert put.ok, put.text
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with browser() as running:
        yield running


@pytest.fixture
def stage(node: Paybell, site: Site, chromium: Chromium) -> Iterator[Stage]:
    page = chromium.page(600, 600)
    yield Stage(node, site, page)
    page.close()


def module(text: str) -> str:
    return f"<script type=module>{text}</script>"


def test_readmes_page_shows_that_it_is_paid(stage: Stage) -> None:
    payment = stage.create("readme")
    replaced = {PAY_EXAMPLE: stage.node.url, "bc1q…": payment["address"]}
    stage.show(here(README.text, replaced))
    stage.pay(payment)
    stage.wait_until_paid()


def test_the_checkout_opens_above_the_page_which_goes_on_when_it_is_paid(
    stage: Stage,
) -> None:
    payment = stage.create("checkout")
    replaced = {PAY_EXAMPLE: stage.node.url, "pay_…": payment["id"]}
    told = "addEventListener('paybell:state', e => say(e.detail.stage));"
    script = f"<script>{ON_CLOSE.text}{told}</script>"
    stage.show(here(CHECKOUT.text, replaced) + script)
    page = stage.page
    page.click("a.paybell-checkout")
    page.wait_for("dialog[open] iframe")
    page.wait_for("#word", text="waiting")
    stage.pay(payment)
    stage.wait_until_paid()
    page.click("dialog button")
    thanks = f"{stage.site.origin}/thanks"
    wait_until(lambda: thanks in page.requested, 15, lambda: str(page.requested))


def test_the_hook_tells_that_the_order_is_paid(stage: Stage) -> None:
    payment = stage.create("hook")
    first, _, body = here(HOOK.text, {PAY_EXAMPLE: stage.node.url}).partition("\n\n")
    text = COMPONENT.format(
        imports=first, body=body, session="hook", token=payment["client_secret"]
    )
    stage.show(module(text))
    stage.page.wait_for("#link", text="true")
    stage.pay(payment)
    stage.wait_until_paid()


def test_the_service_of_the_salon_tells_that_the_invoice_is_paid(stage: Stage) -> None:
    payment = stage.create("inv-1")
    last = "webSocketPaymentService.disconnect();\n"
    first, _, body = here(SALON.text, {last: LATER + last}).partition("\n\n")
    given = (
        f"import.meta.env = {{ VITE_WS_BASE_URL: '{stage.socket_url}/ws' }};"
        f"localStorage.authToken = '{token(claims())}';"
        "const salonId = 's1', invoiceId = 'inv-1', refreshCards = () => {};"
        "window.service = webSocketPaymentService;"
    )
    stage.show(module(f"{first}\n{given}\n{body}"))
    stage.page.wait_for_js("window.leave && service.connected")
    stage.pay(payment)
    stage.wait_until_paid()
    stage.page.evaluate("leave(), 1")
    stage.page.wait_for_js("!service.connected")


def test_the_page_of_paybutton_shows_that_it_is_paid(stage: Stage) -> None:
    payment = stage.create("balance")
    replaced = {"ws://127.0.0.1:8080": stage.socket_url, "bc1q…": payment["address"]}
    stage.show(module(here(BALANCE.text, replaced) + "window.ws = ws;"))
    stage.page.wait_for_js("window.ws?.readyState === 1")
    stage.pay(payment)
    stage.wait_until_paid()


def test_the_page_with_socket_io_is_told_that_the_order_is_paid(stage: Stage) -> None:
    payment = stage.create("order-7")
    told = "say(status === 'SUCCESS' && invoiceId === 'order-7' ? 'paid' : status)"
    replaced = {"wss://pay.example": stage.socket_url, "=> …": f"=> {told}"}
    client = SOCKET_IO_CLIENT.read_text(encoding="utf-8")
    given = f"const token = '{token(claims(salonId='12'))}';"
    text = given + here(SOCKET_IO.text, replaced) + "window.socket = socket;"
    stage.show(f"<script>{client}</script>" + module(text))
    stage.page.wait_for_js("window.socket?.connected")
    stage.pay(payment)
    stage.wait_until_paid()
