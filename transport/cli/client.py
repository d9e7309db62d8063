"""A small client of a running node, for the commands that talk to one.

Not part of the server. Errors become `CallFailed` with one line for a person.
"""

from typing import Any
from urllib.parse import quote

import requests

from transport.cli.call_failed import CallFailed

__all__ = ["CallFailed", "NodeClient"]

TIMEOUT_S = 15.0


class NodeClient:
    """Speaks to one node's HTTP interface."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._timeout_s = timeout_s
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no netrc
        if api_key:
            self._session.headers["Authorization"] = f"Bearer {api_key}"

    def get(self, path: str, **params: str) -> Any:
        return self._call("GET", path, params=params)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._call("POST", path, json=body if body is not None else {})

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("PUT", path, json=body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    def stream(self, address: str, since: str | None) -> requests.Response:
        """The address's events as a stream. Raises `CallFailed`."""
        headers = {"Accept": "text/event-stream"}
        if since is not None:
            headers["Last-Event-ID"] = since
        url = f"{self.base_url}/events/balance/{quote(address, safe='')}"
        answer = self._send(
            "GET", url, headers=headers, stream=True, timeout=(TIMEOUT_S, 60)
        )
        if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            answer.close()
            raise CallFailed(self._not_ours(), answer.status_code)
        return answer

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        url = self.base_url + path
        answer = self._send(method, url, timeout=self._timeout_s, **arguments)
        try:
            return answer.json() if answer.content else None
        except requests.RequestException as error:
            raise CallFailed(self._not_ours()) from error

    def _send(self, method: str, url: str, **arguments: Any) -> requests.Response:
        try:
            answer = self._session.request(
                method, url, allow_redirects=False, **arguments
            )
        except (requests.RequestException, UnicodeError, ValueError) as error:
            raise CallFailed(self._unreachable(error)) from error
        if answer.status_code >= 400:
            raise CallFailed(_problem(answer), answer.status_code)
        if answer.status_code >= 300:
            raise CallFailed(self._not_ours())
        return answer

    def _unreachable(self, error: Exception) -> str:
        return (
            f"no node answers at {self.base_url} ({_why(error)}):"
            " start one with `paybell serve`, or name it with --url"
        )

    def _not_ours(self) -> str:
        return f"what answers at {self.base_url} is not Paybell: name it with --url"


def _why(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return f"nothing came within {TIMEOUT_S:.0f} s"
    if isinstance(error, requests.ConnectionError):
        return "it cannot be reached"
    return "this is no address of a node"


def _problem(answer: requests.Response) -> str:
    try:
        problem = answer.json()
        detail = str(problem["detail"])
        for error in problem.get("errors", ()):
            if error["message"] not in detail:
                detail += f"; {error['path']}: {error['message']}"
        return f"{detail} ({answer.status_code})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{answer.status_code} {answer.reason}"
