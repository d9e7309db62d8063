"""Merchants and rights over the API: who may what, and what is never shown."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.merchants.scopes import Scope
from tests.tools.node import RunningNode, running_node
from tests.tools.site_token import SECRET


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    with running_node() as started:
        yield started


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def key_with(node: RunningNode, *scopes: str, merchant: str | None = None) -> Any:
    body = {"name": "test", "merchant": merchant, "scopes": list(scopes)}
    made = node.post("/v1/keys", body)
    assert made.status_code == 201, made.text
    return bearer(made.json()["key"])


def put(
    node: RunningNode, name: str, body: object, **headers: str
) -> tuple[int, dict[str, Any]]:
    response = node.call("PUT", f"/v1/merchants/{name}", json=body, headers=headers)
    return response.status_code, response.json()


# -- records ---------------------------------------------------------------------------


def test_a_merchant_is_kept_as_it_was_put_and_its_secret_is_never_shown(
    node: RunningNode,
) -> None:
    assert node.get("/v1/merchants/cafe").json()["version"] == 0
    said = {
        "display_name": "Café",
        "limits": {"claims": 3},
        "webhook_secrets": {"btc": "canary-secret"},
        "identify_without_secret": True,
        "jwt": {"algorithm": "HS256", "secret": "canary-" + SECRET, "audience": "pay"},
    }
    assert node.get("/v1/merchants/cafe").json()["identify_without_secret"] is False
    status, kept = put(node, "cafe", said)
    assert kept["identify_without_secret"] is True
    assert (status, kept["version"]) == (200, 1)
    response = node.get("/v1/merchants/cafe")
    assert response.json() == kept
    assert response.headers["ETag"] == '"1"'
    assert kept["webhook_secrets"] == {
        "btc": True,
        "blockonomics": False,
        "phoenixd": False,
    }
    assert kept["jwt"] == {
        "algorithm": "HS256",
        "secret": True,
        "public_key": None,
        "audience": "pay",
        "user_claim": "userId",
        "salon_claim": "salonId",
    }
    assert kept["limits"]["claims"] == kept["limits_that_apply"]["claims"] == 3
    assert kept["limits"]["claims_total_s"] is None
    assert kept["limits_that_apply"]["claims_total_s"] == 7_200
    everything = node.get("/v1/alerts").text + response.text + str(kept)
    assert "canary" not in everything


def test_what_get_shows_can_be_put_again_and_changes_nothing(
    node: RunningNode,
) -> None:
    jwt = {"algorithm": "HS256", "secret": SECRET}
    said = {"display_name": "A", "webhook_secrets": {"btc": "canary-12"}, "jwt": jwt}
    put(node, "again", said)
    kept = node.get("/v1/merchants/again").json()
    writable = (
        "display_name",
        "limits",
        "webhook_secrets",
        "identify_without_secret",
        "jwt",
    )
    assert put(node, "again", {name: kept[name] for name in writable}) == (200, kept)


def test_a_put_replaces_everything_and_only_the_version_that_is_meant(
    node: RunningNode,
) -> None:
    put(node, "shop", {"display_name": "One", "webhook_secrets": {"btc": "canary-12"}})
    status, kept = put(node, "shop", {"display_name": "Two"}, **{"If-Match": '"1"'})
    assert (status, kept["version"]) == (200, 2)
    assert kept["webhook_secrets"] == {
        "btc": False,
        "blockonomics": False,
        "phoenixd": False,
    }
    status, refused = put(node, "shop", {}, **{"If-Match": '"1"'})
    assert (status, refused["code"]) == (412, "merchant_changed")
    assert node.get("/v1/merchants/shop").json()["display_name"] == "Two"
    assert put(node, "shop", {}, **{"If-Match": '"7", "2"'})[0] == 200
    assert put(node, "nobody", {}, **{"If-Match": "*"})[0] == 412


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"display_name": "x" * 101}, "/display_name"),
        ({"limits": {"claims": -1}}, "/limits"),
        ({"limits": {"colour": 1}}, "/limits"),
        ({"webhook_secrets": {"btc": "short"}}, "/webhook_secrets"),
        ({"webhook_secrets": {"paypal": "long enough"}}, "/webhook_secrets"),
        ({"webhook_secrets": {"blockonomics": True}}, "/webhook_secrets"),
        ({"jwt": {"algorithm": "none"}}, "/jwt"),
        ({"jwt": {"algorithm": "HS256", "secret": "short"}}, "/jwt"),
        ({"jwt": {"algorithm": "HS256", "secret": "x" * 40}}, "/jwt/secret"),
        ({"jwt": {"algorithm": "HS256", "secret": True}}, "/jwt/secret"),
        ({"jwt": {"algorithm": "EdDSA", "public_key": SECRET}}, "/jwt/public_key"),
        ({"colour": "blue"}, "/colour"),
    ],
)
def test_a_wrong_record_names_its_field(
    node: RunningNode, body: dict[str, object], path: str
) -> None:
    status, refused = put(node, "wrong", body)
    assert status == 422, refused
    assert path in [error["path"] for error in refused["errors"]]
    assert node.get("/v1/merchants/wrong").json()["version"] == 0


def test_a_wrong_secret_is_not_repeated(node: RunningNode) -> None:
    body = {"webhook_secrets": {"btc": "canary 12"}, "limits": 7}
    status, refused = put(node, "wrong", body)
    assert status == 422
    assert "canary" not in str(refused)


@pytest.mark.parametrize("name", ["*", "a b", "-a", "caf%C3%A9", "x" * 65])
def test_what_is_no_name_is_no_merchant(node: RunningNode, name: str) -> None:
    status, refused = put(node, name, {})
    assert (status, refused["code"]) == (404, "merchant_not_found")
    assert "1 to 64 letters" in refused["detail"]
    assert node.post("/v1/keys", {"name": "x", "merchant": "*"}).status_code == 422


# -- addresses -------------------------------------------------------------------------


def test_an_address_that_another_merchant_squats_is_released_by_the_operator(
    node: RunningNode,
) -> None:
    squatter = key_with(node, "create", "read", merchant="squatter")
    owner = key_with(node, "create", "read", merchant="owner")
    address = node.chain.new_address()
    asked = {"address": address, "amount_sat": 5_000, "expires_in_s": 2_592_000}
    squatted = node.post("/v1/payments", asked, **squatter).json()
    refused = node.post("/v1/payments", asked, **owner)
    assert (refused.status_code, refused.json()["code"]) == (409, "address_taken")

    order = f"/v1/watchers/{address}/release"
    assert node.post(order, {}, **owner).status_code == 403
    released = node.post(order, {})
    assert released.status_code == 200
    assert released.json()["status"] == "cancelled"
    assert released.json()["id"] == squatted["id"]
    assert node.post(order, {}).json()["code"] == "watcher_not_found"
    (alert,) = [
        alert
        for alert in node.get("/v1/alerts").json()["data"]
        if alert["subject"] == squatted["id"]
    ]
    assert alert["kind"] == "address.released"

    mine = node.post("/v1/payments", asked, **owner).json()
    node.chain.pay(address, 5_000)
    node.wait_for_status(mine["id"], "confirming")
    events = f"/v1/payments/{squatted['id']}/events"
    told = node.get(events, **squatter).json()["data"]
    assert [event["type"] for event in told] == ["payment.created", "payment.cancelled"]
    assert told[-1]["data"] == {
        "by": "operator",
        "reason": "the operator released its address",
    }


def test_money_that_is_on_its_way_keeps_its_address(node: RunningNode) -> None:
    paid = node.create(amount_sat=5_000)
    node.chain.pay(paid["address"], 5_000)
    node.wait_for_status(paid["id"], "confirming")
    order = f"/v1/watchers/{paid['address']}/release"
    refused = node.post(order, {})
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_payment_state")
    assert "on their way" in refused.json()["detail"]
    assert node.post(f"/v1/payments/{paid['id']}/confirm", {}).status_code == 200
    assert node.post(order, {}).json()["status"] == "confirmed"
    assert node.post("/v1/watchers/nonsense/release", {}).status_code == 404


# -- who may ---------------------------------------------------------------------------


def test_a_merchants_key_changes_its_own_record_but_not_its_limits(
    node: RunningNode,
) -> None:
    own = key_with(node, "read", "settings", merchant="ann")
    assert put(node, "ann", {"display_name": "Ann"}, **own)[0] == 200
    status, refused = put(node, "ann", {"limits": {"claims": 900}}, **own)
    assert (status, refused["code"]) == (403, "forbidden")
    assert "operator" in refused["detail"]
    assert put(node, "bob", {"display_name": "Bob"}, **own)[0] == 404
    assert node.get("/v1/merchants/bob", **own).status_code == 404
    assert node.get("/v1/merchants/ann", **own).json()["display_name"] == "Ann"

    # What an operator allowed stays, though the merchant itself may not say it.
    assert put(node, "ann", {"limits": {"claims": 5}})[0] == 200
    kept = node.get("/v1/merchants/ann", **own).json()["limits"]
    assert put(node, "ann", {"display_name": "A", "limits": kept}, **own)[0] == 200


def test_who_is_believed_is_changed_before_everybodys_eyes(node: RunningNode) -> None:
    own = key_with(node, "settings", merchant="eve")
    put(node, "eve", {"display_name": "Eve"}, **own)
    subjects = [a["subject"] for a in node.get("/v1/alerts").json()["data"]]
    assert "eve" not in subjects
    put(node, "eve", {"webhook_secrets": {"btc": "canary-12"}}, **own)
    (alert,) = [
        a for a in node.get("/v1/alerts").json()["data"] if a["subject"] == "eve"
    ]
    assert alert["kind"] == "merchant.changed"
    assert "secrets of its webhooks were changed by key key_" in alert["detail"]


def test_every_route_states_the_scope_it_wants_and_refuses_a_key_without_it(
    node: RunningNode,
) -> None:
    """Walks the document: whatever stands in it is tried with a key that has all
    rights but that one."""
    document = node.get("/openapi.json").json()
    keys = {
        scope: key_with(node, *(other for other in Scope if other is not scope))
        for scope in Scope
    }
    tried = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not operation["security"]:
                continue
            ((scope,),) = operation["security"][0].values()
            url = path.replace("{", "x").replace("}", "x")
            response = node.call(method.upper(), url, headers=keys[scope], json={})
            assert response.status_code == 403, (method, path, response.text)
            assert f"needs the scope {scope};" in response.json()["detail"]
            challenge = response.headers["WWW-Authenticate"]
            assert f'error="insufficient_scope", scope="{scope}"' in challenge
            tried += 1
    assert tried > 20


def test_a_key_may_what_it_was_made_for_and_nothing_else(node: RunningNode) -> None:
    reader = key_with(node, "read", merchant="cafe")
    maker = key_with(node, "create", merchant="cafe")
    assert node.get("/v1/payments", **reader).status_code == 200
    assert node.post("/v1/payments", {"amount_sat": 1}, **reader).status_code == 403
    made = node.post("/v1/payments", {"amount_sat": 1_000}, **maker)
    assert made.status_code == 201
    payment = f"/v1/payments/{made.json()['id']}"
    assert node.get(payment, **maker).status_code == 403
    assert node.post(f"{payment}/confirm", {}, **maker).status_code == 403
    confirmer = key_with(node, "confirm", merchant="cafe")
    assert node.post(f"{payment}/confirm", {}, **confirmer).status_code == 200


def test_a_key_for_monitoring_reads_the_metrics_and_makes_no_keys(
    node: RunningNode,
) -> None:
    monitoring = key_with(node, "read")
    assert node.get("/metrics", **monitoring).text.startswith("# HELP paybell_")
    assert node.get("/v1/keys", **monitoring).status_code == 403
    assert node.post("/v1/keys", {"name": "x"}, **monitoring).status_code == 403
    of_one_merchant = key_with(node, "read", merchant="cafe")
    refused = node.get("/metrics", **of_one_merchant)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "key of the whole node" in refused.json()["detail"]
    assert node.get("/metrics", **key_with(node, "create")).status_code == 403


def test_a_key_that_moves_money_is_made_before_everybodys_eyes(
    node: RunningNode,
) -> None:
    made = node.post("/v1/keys", {"name": "till", "scopes": ["refund"]}).json()
    alerts = node.get("/v1/alerts").json()["data"]
    kinds = {alert["subject"]: alert["kind"] for alert in alerts}
    assert kinds[made["id"]] == "key.moves_money"


def test_a_key_without_words_may_what_keys_always_could(node: RunningNode) -> None:
    made = node.post("/v1/keys", {"name": "x", "merchant": "cafe"}).json()
    assert made["scopes"] == ["read", "create", "confirm", "settings"]
    whole = node.post("/v1/keys", {"name": "x"}).json()
    assert whole["scopes"] == [*made["scopes"], "operator"]
    listed = {k["id"]: k["scopes"] for k in node.get("/v1/keys").json()["data"]}
    assert listed[made["id"]] == made["scopes"]


@pytest.mark.parametrize("scopes", [[], ["operator"], ["write"], ["read"] * 7])
def test_rights_that_a_merchants_key_cannot_have_are_refused(
    node: RunningNode, scopes: list[str]
) -> None:
    body = {"name": "x", "merchant": "cafe", "scopes": scopes}
    response = node.post("/v1/keys", body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "/scopes"
