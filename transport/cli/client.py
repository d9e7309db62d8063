"""A small client of a running node, for the commands that talk to one.

Not part of the server. Errors become `CallFailed` with one line for a person.
"""

import json
from typing import Any
from urllib.parse import quote

import requests

__all__ = ["CallFailed", "NodeClient"]

TIMEOUT_S = 15.0


class CallFailed(Exception):
    """The node could not be reached, or refused; the text says which and why."""


class NodeClient:
    """Speaks to one node's HTTP interface."""

    def __init__(self, base_url: str, api_key: str | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        if api_key:
            self._session.headers["Authorization"] = f"Bearer {api_key}"

    def get(self, path: str, **params: str) -> Any:
        return self._call("GET", path, params=params)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._call("POST", path, json=body if body is not None else {})

    def websocket_url(self, address: str) -> str:
        return f"{self.base_url.replace('http', 'ws', 1)}/ws/balance/{quote(address)}"

    def stream(self, address: str, since: int | None) -> requests.Response:
        """The address's events as a stream. Raises `CallFailed`."""
        headers = {"Accept": "text/event-stream"}
        if since is not None:
            headers["Last-Event-ID"] = str(since)
        url = f"{self.base_url}/events/balance/{quote(address)}"
        try:
            answer = self._session.get(
                url, headers=headers, stream=True, timeout=(TIMEOUT_S, 60)
            )
        except requests.RequestException as error:
            raise CallFailed(self._unreachable(error)) from error
        if answer.status_code != 200:
            raise CallFailed(_problem(answer))
        return answer

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._session.request(
                method, self.base_url + path, timeout=TIMEOUT_S, **arguments
            )
        except requests.RequestException as error:
            raise CallFailed(self._unreachable(error)) from error
        if answer.status_code >= 400:
            raise CallFailed(_problem(answer))
        return answer.json() if answer.content else None

    def _unreachable(self, error: Exception) -> str:
        return (
            f"no node answers at {self.base_url} ({type(error).__name__}):"
            " start one with `run.py serve`, or name it with --url"
        )


def _problem(answer: requests.Response) -> str:
    try:
        problem = answer.json()
        fields = "; ".join(
            f"{e['path']}: {e['message']}" for e in problem.get("errors", ())
        )
        return f"{problem['status']} {problem['detail']}" + (
            f" ({fields})" if fields else ""
        )
    except (json.JSONDecodeError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason}"
