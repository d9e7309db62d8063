"""Keys over the API: who may make them, what is told of them, when they work."""

from collections.abc import Iterator

import pytest

from tests.tools.node import RunningNode, running_node


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as started:
        yield started


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_new_key_is_told_once_and_works_at_once(node: RunningNode) -> None:
    node.get("/v1/payments", **bearer("pbk_unknown"))  # the keys have just been read
    made = node.post("/v1/keys", {"name": "shop"})
    assert made.status_code == 201, made.text
    key = made.json()
    assert key["key"].startswith("pbk_")
    assert key["merchant"] is None
    assert node.get("/v1/payments", **bearer(key["key"])).status_code == 200
    listed = node.get("/v1/keys")
    assert key["key"] not in listed.text
    (found,) = [k for k in listed.json()["data"] if k["id"] == key["id"]]
    assert found == {
        "id": key["id"],
        "name": "shop",
        "merchant": None,
        "scopes": ["read", "create", "confirm", "settings", "operator"],
        "created_at": key["created_at"],
        "revoked_at": None,
    }


def test_a_revoked_key_ends_at_once_and_revoking_it_again_changes_nothing(
    node: RunningNode,
) -> None:
    key = node.post("/v1/keys", {"name": "till"}).json()
    assert node.get("/v1/payments", **bearer(key["key"])).status_code == 200
    for _ in range(2):
        assert node.call("DELETE", f"/v1/keys/{key['id']}").status_code == 204
        assert node.get("/v1/payments", **bearer(key["key"])).status_code == 401
    (found,) = [k for k in node.get("/v1/keys").json()["data"] if k["id"] == key["id"]]
    assert found["revoked_at"] is not None


def test_a_merchants_key_sees_its_merchant_only_and_no_keys(node: RunningNode) -> None:
    key = node.post("/v1/keys", {"name": "cafe", "merchant": "cafe"}).json()
    node.create(amount_sat=1_000)
    theirs = bearer(key["key"])
    assert node.get("/v1/payments", **theirs).json()["data"] == []
    assert node.get("/v1/keys", **theirs).status_code == 403
    assert node.post("/v1/keys", {"name": "x"}, **theirs).status_code == 403
    own = f"/v1/keys/{key['id']}"
    assert node.call("DELETE", own, headers=theirs).status_code == 403


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": 7}, "/name"),
        ({"name": "x", "merchant": "-bad"}, "/merchant"),
        ({"name": "x", "admin": True}, "/admin"),
    ],
)
def test_a_wrong_request_names_its_field(
    node: RunningNode, body: dict[str, object], path: str
) -> None:
    response = node.post("/v1/keys", body)
    assert response.status_code == 422, response.text
    assert path in [error["path"] for error in response.json()["errors"]]


def test_what_is_not_there_cannot_be_revoked(node: RunningNode) -> None:
    assert node.call("DELETE", "/v1/keys/key_none").status_code == 404


def test_without_a_key_nothing_is_told(node: RunningNode) -> None:
    for method, path in (("GET", "/v1/keys"), ("DELETE", "/v1/keys/key_none")):
        response = node.call(method, path, headers={"Authorization": None})
        assert response.status_code == 401


def test_the_calls_are_in_the_document(node: RunningNode) -> None:
    paths = node.get("/openapi.json").json()["paths"]
    assert set(paths["/v1/keys"]) == {"get", "post"}
    assert set(paths["/v1/keys/{key_id}"]) == {"delete"}
