"""The contract diff of `make lint` sees what goes, what changes and what comes."""

import copy

from tests.contract.__main__ import differences, present


def test_a_change_of_the_contract_is_a_line_and_its_wording_is_none() -> None:
    contract = present()
    assert set(contract) == {"openapi.json", "event.json"}
    payment = "/components/schemas/PaymentView/properties"
    document = contract["openapi.json"]
    assert document["components"]["schemas"]["PaymentView"]["properties"]["seq"]
    assert '"description":' not in str(document).replace("'", '"').split("schemas")[0]
    changed = copy.deepcopy(document)
    fields = changed["components"]["schemas"]["PaymentView"]["properties"]
    del fields["seq"]
    fields["paid"] = {"type": "boolean"}
    fields["status"] = {"type": "integer"}
    lines = list(differences(document, changed))
    assert f"- {payment}/seq" in lines
    assert f"+ {payment}/paid" in lines
    assert any(line.startswith(f"+ {payment}/status/") for line in lines)
    assert not list(differences(document, copy.deepcopy(document)))


def test_the_schema_of_an_event_is_part_of_it() -> None:
    event = present()["event.json"]
    assert event["version"] == 1
    text = str(event)
    for name in ("payment_id", "confirmations_required", "settled_sat", "receipt"):
        assert f"'{name}'" in text


def test_generators_can_name_what_is_in_it() -> None:
    """Two types of one name get their modules' names, which no language can spell; an
    operation's id becomes a function's name; an error's body is known."""
    document = present()["openapi.json"]
    parts = document["components"]
    assert [it for it in parts["schemas"] if not it.isidentifier()] == []
    ids = []
    for methods in document["paths"].values():
        for operation in methods.values():
            ids.append(operation["operationId"])
            for status, answer in operation["responses"].items():
                if int(status) < 400 or "$ref" not in answer:
                    continue
                named = parts["responses"][answer["$ref"].rpartition("/")[2]]
                (body,) = named["content"].values()
                assert body["schema"]["$ref"].endswith("/ProblemBody")
    assert [it for it in ids if not it.isidentifier()] == []
    assert len(ids) == len(set(ids))
