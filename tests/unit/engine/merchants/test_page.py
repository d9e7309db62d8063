"""docs/merchants.md says of merchants what the node does."""

import json
import re
from pathlib import Path

from engine.config import read_merchants
from engine.merchants.profile import Profile
from engine.merchants.record import Limits
from engine.merchants.roles import Role, scopes_of_role
from engine.merchants.scopes import Scope
from engine.merchants.token_rules import MAX_SECRET, MIN_SECRET, mistake
from engine.settings.table import OPTIONS
from transport.http.inputs import MerchantRequest
from transport.http.request_json import typed
from transport.http.site_tokens import LEEWAY_S, MAX_TOKEN

PAGE = (Path(__file__).parents[4] / "docs/merchants.md").read_text(encoding="utf-8")


def test_its_examples_of_a_record_can_be_put_and_written_into_the_file() -> None:
    body = re.search(r"PUT /v1/merchants/cafe\n(.+?)\n```", PAGE, re.DOTALL)
    table = re.search(r"\[merchants\.cafe\]\n.+?(?=```)", PAGE, re.DOTALL)
    assert body is not None
    assert table is not None
    said = typed(json.loads(body[1]), MerchantRequest).settings()
    assert said.display_name == "Café Lisboa"
    filed = read_merchants(table[0], "paybell.toml")["cafe"]
    assert filed.limits.claims == said.limits.claims == 4
    assert filed.webhook_secrets == said.webhook_secrets


def test_its_example_of_tokens_can_be_put() -> None:
    body = re.search(r"PUT /v1/merchants/salon\n(\{.+\n)```", PAGE)
    assert body is not None
    said = typed(json.loads(body[1]), MerchantRequest).settings()
    assert said.jwt is not None
    assert mistake(None, said.jwt) is None
    assert f"{MIN_SECRET} to {MAX_SECRET} characters" in PAGE
    assert f"{MAX_TOKEN:,} characters" in PAGE
    assert f"differ by {LEEWAY_S} s" in PAGE


def test_it_names_every_right_and_no_other() -> None:
    rights = PAGE.partition("## Rights of its keys")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", rights, re.MULTILINE) == list(Scope)


def test_it_names_every_role_with_its_scopes() -> None:
    told = PAGE.partition("## Roles")[2].partition("\n## ")[0]
    found = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", told, re.MULTILINE))
    assert [*found] == [*Role]
    assert found.pop(Role.ADMIN) == "all, of the whole node"
    for role, scopes in found.items():
        assert re.findall(r"\w+", scopes) == [*scopes_of_role(role, None)]


def test_it_names_every_field_that_payments_and_pages_take() -> None:
    fields = PAGE.partition("What payments and pages take")[2].partition("\n\n`desc")[0]
    named = re.findall(
        r"`(\w+)(?:`|\.)", "\n".join(re.findall(r"^\| (.+?) \|", fields, re.MULTILINE))
    )
    told = {"identify_without_secret"}  # in the list above
    assert set(named) | told == set(Profile.__struct_fields__)


def test_the_settings_that_it_names_are_there_with_these_defaults() -> None:
    flags = {option.flag: option.default for option in OPTIONS}
    named = set(re.findall(r"--[a-z]+-[a-z-]+", PAGE))
    assert named <= set(flags)
    assert flags["--claims-per-payment"] == str(Limits().claims) == "16"
    assert "`--claims-per-payment` (16)" in PAGE
    assert Limits().claims_total_s == 7_200
    assert "`--claims-total-s` (two hours)" in PAGE
    assert flags["--calls-shared-percent"] == "50", "the page says: half"
