"""The documentation as it is served: every page, link, anchor, picture and file."""

import itertools
import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.unit.test_packaging import ROOT, setup_cfg
from tests.unit.transport.pages.page_server import Answer, FakeGateway, Get, getter
from transport.pages.assets import Assets
from transport.pages.handbook import API, DOCS, HOME, OPERATING, Handbook
from transport.pages.markdown import slug

DOCUMENTS = sorted(file.stem for file in (ROOT / "docs").glob("*.md"))
OF_THE_NODE = {"/pos", "/metrics", "/openapi.json"}
"""Where a document may lead outside of /docs."""


@pytest.fixture(scope="module")
def get() -> Get:
    """From a new client each time: how often one may ask is not the matter."""
    ask, clients = getter(FakeGateway()), itertools.count(1)

    def asked(path: str, accept: str = "text/html", **headers: str) -> Answer:
        found = ask(path, accept, REMOTE_ADDR=f"client {next(clients)}", **headers)
        assert isinstance(found, Answer)
        return found

    return asked


@pytest.fixture(scope="module")
def handbook() -> Handbook:
    return Handbook(Assets())


def address(name: str) -> str:
    return "/docs" if name == HOME else f"/docs/{name}"


def references(page: str) -> set[str]:
    return {unescape(at) for at in re.findall(r'(?:href|src)="([^"]+)"', page)}


def anchors(page: str) -> set[str]:
    return set(re.findall(r'id="([^"]+)"', page))


def test_every_document_is_in_the_contents_once(handbook: Handbook) -> None:
    listed = [entry.name for entry in handbook.entries]
    assert len(listed) == len(set(listed))
    assert {*listed, HOME} == {*DOCUMENTS, API}


@pytest.mark.parametrize("name", [*DOCUMENTS, API])
def test_every_link_anchor_picture_and_file_of_a_page_is_there(
    get: Get, name: str
) -> None:
    answer = get(address(name))
    assert answer.status == 200
    for reference in references(answer.text):
        if re.match(r"(?:https?|mailto):", reference):
            continue
        path, _, anchor = urljoin(address(name), reference).partition("#")
        if path in OF_THE_NODE:
            continue
        found = get(path)
        assert found.status == 200, reference
        if anchor and path != "/docs/api":
            assert anchor in anchors(found.text), reference


def test_the_links_of_readme_lead_to_headings_that_are_there() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for path, anchor in re.findall(r"\]\((\S+?\.md)#([^)\s]+)\)", text):
            target = (ROOT / path).read_text(encoding="utf-8")
            titles = re.findall(r"^#+ (.+)$", target, re.MULTILINE)
            assert anchor in {slug(title) for title in titles}, f"{name}: {path}"


def test_pages_lead_to_the_one_before_and_the_one_after(get: Get) -> None:
    names = [HOME, *(entry.name for entry in Handbook(Assets()).entries)]
    for before, after in itertools.pairwise(names):
        (to,) = re.findall(r'rel="next" href="([^"]+)"', get(address(before)).text)
        assert urljoin(address(before), to) == address(after)
        (back,) = re.findall(r'rel="prev" href="([^"]+)"', get(address(after)).text)
        assert urljoin(address(after), back) == address(before)


@pytest.mark.parametrize("base", ["", "/shop/pay"])
def test_a_proxy_may_put_the_pages_below_a_path(get: Get, base: str) -> None:
    for name in (HOME, "channels"):
        place = base + address(name)
        for reference in references(get(address(name)).text):
            if not re.match(r"(?:https?|mailto):", reference):
                assert urljoin(place, reference).startswith(f"{base}/")


@pytest.mark.parametrize("name", ["nothing", "..%2FREADME", "Index", "x" * 200])
def test_a_page_that_is_not_there_is_told_to_people_and_programs(
    get: Get, name: str
) -> None:
    page = get(f"/docs/{name}")
    assert page.status == 404
    assert "There is no such page" in page.text
    problem = get(f"/docs/{name}", "application/json")
    assert problem.status == 404
    assert json.loads(problem.body)["code"] == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        "/docs/files/..",
        "/docs/files/.env",
        "/docs/files/nothing.conf",
        "/docs/screenshots/nothing.png",
        "/docs/screenshots/..%2Findex.md",
        "/docs/files/%00",
    ],
)
def test_no_other_file_is_served(get: Get, path: str) -> None:
    assert get(path).status == 404


def test_a_file_for_operators_is_shown_as_text(get: Get) -> None:
    answer = get("/docs/files/nginx.conf")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    file = ROOT / "examples" / "operating" / "nginx.conf"
    assert answer.body == file.read_bytes()


def test_the_search_has_every_part_of_every_page_and_stays_small(get: Get) -> None:
    answer = get("/docs/search.json")
    rows = json.loads(answer.body)
    pages = {address.partition("#")[0] for address, *_ in rows}
    assert pages == set(DOCUMENTS)
    assert len(answer.body) < 600_000
    (row,) = [row for row in rows if row[0] == "errors#cursor_gone"]
    assert row[1:3] == ["Errors", "cursor_gone"]
    assert "410" in row[4].split()
    again = get("/docs/search.json", HTTP_IF_NONE_MATCH=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_nothing_is_read_before_somebody_asks_and_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    text = Handbook._text

    def noted(self: Handbook, name: str) -> str:
        read.append(name)
        return text(self, name)

    monkeypatch.setattr(Handbook, "_text", noted)
    get = getter(FakeGateway())
    assert read == []
    first = get("/docs/channels")
    seen = list(read)
    assert first.status == 200
    assert get("/docs/channels").body == first.body
    assert read == seen


def test_what_the_pages_are_made_of_is_shipped() -> None:
    """By links, which the package follows: each pattern has the files behind them."""
    patterns = setup_cfg()["options.package_data"]["transport"].split()
    shipped = {
        file for pattern in patterns for file in (ROOT / "transport").glob(pattern)
    }
    for folder in (DOCS, DOCS / "screenshots", OPERATING):
        files = {file for file in folder.iterdir() if file.is_file()}
        assert files
        assert files <= shipped


def test_links_of_the_package_lead_to_the_documents() -> None:
    assert DOCS.resolve() == Path(ROOT / "docs").resolve()
    assert OPERATING.resolve() == Path(ROOT / "examples" / "operating").resolve()
