"""The folder of an operator's templates, and what is wrong with it at the start."""

from pathlib import Path

import pytest

from engine.errors import ConfigError
from transport.outbound.email_templates import read_folder


def test_what_the_folder_has_is_used_and_the_rest_is_ours(tmp_path: Path) -> None:
    (tmp_path / "shop.subject").write_text("{{external_id}}!")
    (tmp_path / ".shop.txt.swp").write_text("{{")
    texts = read_folder(str(tmp_path))
    assert texts["shop", "subject"].render({"external_id": "7"}) == "7!"
    assert texts["customer", "html"] == read_folder(None)["customer", "html"]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("shop.txt", "Dear\n {{nme}}", r"shop\.txt: line 2, column 2: there is no"),
        ("customer.html", "{{external_id}}", "line 1, column 1: there is no"),
        ("shop.html", "<p>{{#txid}}", "line 1, column 4: .* is never closed"),
        ("shop.html", "x" * 20_000, "goes on beyond 16384"),
        ("shop.text", "", "no such template; there are: customer.html"),
        ("shop.txt", b"\xff", "it is not UTF-8"),
    ],
)
def test_a_fault_is_named_with_file_line_and_column(
    tmp_path: Path, name: str, text: str | bytes, why: str
) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=why) as refused:
        read_folder(str(tmp_path))
    assert str(path) in str(refused.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        read_folder(str(tmp_path / "none"))
