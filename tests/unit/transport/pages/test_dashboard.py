"""The front door and the files of the dashboard, as an HTTP client sees them."""

import re
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StoreUnreadable
from tests.unit.transport.pages.page_server import Answer, Get, getter_of
from transport.http.bottle_app import Api
from transport.pages import dashboard
from transport.pages.asset_folder import AssetFolder


def is_logged_in(environ: dict[str, Any]) -> bool:
    cookie = environ.get("HTTP_COOKIE", "")
    if cookie == "unreadable":
        raise StoreUnreadable("the disk is away", "look at it")
    return bool(cookie == "good")


@pytest.fixture(scope="module")
def get() -> Get:
    app = Api()
    dashboard.routes(app, is_logged_in)
    return getter_of(app)


def front(get: Get, cookie: str = "") -> Answer:
    return get("/", HTTP_COOKIE=cookie)


def test_who_has_no_session_is_told_what_this_is_and_where_to_go(get: Get) -> None:
    page = front(get)
    assert page.status == 200
    assert "paid in bitcoin" in page.text
    for place in ("docs", "pos", "health"):
        assert f'href="{place}"' in page.text
    assert 'id="login"' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "Cookie" in page.headers["vary"]


def test_with_a_session_it_is_the_dashboard(get: Get) -> None:
    page = front(get, "good")
    assert "app.mjs" in page.text
    assert 'id="login"' not in page.text


def test_where_nobody_knows_who_it_is_the_dashboard_says_what_is_wrong(
    get: Get,
) -> None:
    assert "app.mjs" in front(get, "unreadable").text
    assert 'id="login"' in front(get, "bad").text


def test_an_api_client_gets_the_problem_that_it_always_got(get: Get) -> None:
    for accept in ("", "*/*", "application/json"):
        answer = get("/", accept)
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert "/openapi.json" in answer.text


def test_the_page_loads_nothing_of_others_and_no_script_in_itself(get: Get) -> None:
    for page in (front(get), front(get, "good")):
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert re.findall(r"<script(?![^>]*src=)", page.text) == []
        assert "style=" not in page.text
        assert "http:" not in page.text.replace("http://www.w3.org", "")


def test_all_files_that_it_names_are_there_and_kept_for_ever(get: Get) -> None:
    text = front(get, "good").text
    names = re.findall(r'(?:href|src)="(web/desk\.[^"]+)"', text)
    assert any(name.endswith("/kit.mjs") for name in names)
    for name in names:
        answer = get(f"/{name}")
        assert answer.status == 200, name
        assert "immutable" in answer.headers["cache-control"]
        wanted = "text/css" if name.endswith(".css") else "text/javascript"
        assert answer.headers["content-type"].startswith(wanted)
        tag = answer.headers["etag"]
        assert get(f"/{name}", HTTP_IF_NONE_MATCH=tag).status == 304


def test_a_file_of_another_version_is_not_there(get: Get) -> None:
    for path in ("/web/desk.aaaaaaaaaaaa/kit.mjs", "/web/desk/kit.mjs"):
        assert get(path).status == 404


def test_every_module_imports_only_what_is_in_the_folder() -> None:
    folder = Path("transport/web/desk")
    there = {path.name for path in folder.iterdir()}
    for path in folder.glob("*.mjs"):
        text = path.read_text(encoding="utf-8")
        named = re.findall(r'(?:from|import) "([^"]+)";', text)
        assert {name.removeprefix("./") for name in named} <= there, path


def test_there_is_advice_for_every_kind_of_alert() -> None:
    told = Path("docs/errors.md").read_text(encoding="utf-8").partition("## Alerts")[2]
    kinds = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", told, re.MULTILINE))
    advice = Path("transport/web/desk/advice.mjs").read_text(encoding="utf-8")
    assert len(kinds) > 30
    assert set(re.findall(r'^  "([a-z_.]+)":', advice, re.MULTILINE)) == kinds


def test_the_folders_name_changes_with_any_file_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.mjs").write_text("1")
    (tmp_path / "b.css").write_text("2")
    (tmp_path / "notes.txt").write_text("not for browsers")
    first = AssetFolder(tmp_path)
    assert first.names("") == ["a.mjs", "b.css"]
    (tmp_path / "b.css").write_text("3")
    second = AssetFolder(tmp_path)
    assert first.name != second.name
    assert first.find(second.name, "a.mjs") is None
    found = second.find(second.name, "b.css")
    assert found is not None
    assert found.body == b"3"


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file"):
        AssetFolder(tmp_path)
