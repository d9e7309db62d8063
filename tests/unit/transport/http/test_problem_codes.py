"""The codes of errors: the same in the code, in docs/errors.md and in the document."""

import re
from pathlib import Path

import pytest

from engine.errors.codes import Code, StreamCode
from transport.bodies.problem_body import problem_body
from transport.http.openapi import document

ROOT = Path(__file__).resolve().parents[4]
TEXT = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")


def sections(part: str) -> dict[str, str]:
    """What is said of each code in one part of the page, in the page's order."""
    _, _, rest = TEXT.partition(f"\n## {part}\n")
    text = re.split(r"\n## ", rest)[0]
    _, *pieces = re.split(r"\n### ", text)
    found = [piece.partition("\n") for piece in pieces]
    assert len({name for name, _, _ in found}) == len(found)
    return {name: body.strip() for name, _, body in found}


def test_every_code_of_an_answer_is_explained_and_no_other() -> None:
    assert set(sections("Answers over HTTP")) == {str(code) for code in Code}


def test_every_code_of_a_stream_is_explained_and_no_other() -> None:
    explained = set(sections("Messages in a stream"))
    assert explained == {str(code) for code in StreamCode}


def test_the_openapi_document_lists_every_code() -> None:
    schemas = document([], "1")["components"]["schemas"]
    assert set(schemas["Code"]["enum"]) == {str(code) for code in Code}
    assert schemas["ProblemBody"]["properties"]["code"] == {
        "$ref": "#/components/schemas/Code"
    }
    assert "code" in schemas["ProblemBody"]["required"]


@pytest.mark.parametrize("code", Code)
def test_a_code_is_explained_with_its_status_its_cause_and_what_to_do(
    code: Code,
) -> None:
    text = sections("Answers over HTTP")[code]
    assert text.startswith(f"{code.status}. ")
    assert re.search(r"^- Cause: \S", text, re.MULTILINE)
    assert re.search(r"^- What to do: \S", text, re.MULTILINE)


@pytest.mark.parametrize("code", Code)
def test_a_problem_has_its_codes_status_and_points_at_the_explanation(
    code: Code,
) -> None:
    body = problem_body(code, "why")
    assert (body.status, body.code) == (code.status, code)
    assert body.kind == f"/docs/errors#{code}"
