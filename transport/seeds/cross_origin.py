"""What lets a page of another site call these routes and read the answer.

For pages of the origins in `--allowed-origins`; others' browsers do not let them. A
refusal is readable too, so that the page can say why. No I/O.
"""

from collections.abc import Callable, Collection
from typing import Any

from transport.http.bottle_app import Api, HttpAnswer, answer, environ
from transport.http.openapi import Operation
from transport.http.problems import problem_of
from transport.server.upgrade import is_allowed_origin

__all__ = ["add_readable"]

Handler = Callable[..., HttpAnswer]


def add_readable(
    app: Api, operation: Operation, handler: Handler, origins: Collection[str]
) -> None:
    """`Api.add`, and the question that a browser asks before (a preflight)."""

    def answered(**of_path: str) -> HttpAnswer:
        headers = _headers(environ(), origins)
        try:
            made = handler(**of_path)
        except Exception as error:
            problem = problem_of(error)
            problem.headers.update(headers)
            raise problem from error
        made.headers.extend(headers.items())
        return made

    def preflight(**_of_path: str) -> HttpAnswer:
        headers = _headers(environ(), origins)
        if "Access-Control-Allow-Origin" in headers:
            headers["Access-Control-Allow-Methods"] = operation.method
            headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            headers["Access-Control-Max-Age"] = "600"
        return answer(b"", 204, headers)

    app.add(operation, answered)
    app.route(operation.path, "OPTIONS", preflight)


def _headers(environ: dict[str, Any], origins: Collection[str]) -> dict[str, str]:
    origin = environ.get("HTTP_ORIGIN")
    headers = {"Vary": "Origin"}
    if origin is not None and is_allowed_origin(environ, origins):
        headers["Access-Control-Allow-Origin"] = origin
    return headers
