"""What a problem document of the API says is wrong, for tests."""

from typing import Any

__all__ = [
    "errors",
]


def errors(response: Any) -> dict[str, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["title"]
    assert body["detail"]
    return {error["path"]: error["message"] for error in body["errors"]}
