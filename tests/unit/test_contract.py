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
