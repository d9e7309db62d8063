"""The OpenAPI 3.1 document, made from what stands above each route's handler.

An `Operation` says of one route what it takes and what it may answer. The types are
those that requests are checked against and answers are made of, so the document cannot
drift from them. Pure; called when somebody asks for /openapi.json.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from engine.merchants.scopes import Scope
from transport.bodies.problem_body import MEDIA_TYPE, ProblemBody
from transport.http.params import Query
from transport.server.request_id import HEADER as REQUEST_ID

__all__ = ["Header", "Link", "Operation", "Text", "document", "link", "template"]

_PARAMETER = re.compile(r"<([a-z_]+)(?::[^<>]*)?>")
_REFERENCE = "#/components/schemas/{name}"
_TIMES = frozenset({"at", "now", "since", "until"})  # beside all that end with _at
_PROBLEM = "Problem{status}"
"""An error's answer among the components: it is the same of every operation."""

H = TypeVar("H", bound=Callable[..., Any])

#: Statuses that any request can end with, before its handler is asked.
_ALWAYS = (400, 408, 414, 429, 431, 503)
_WITH_KEY = (401, 403)
_WITH_BODY = (413, 415, 422)


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is not one of our types."""

    media_type: str
    json_type: str = "string"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A request header that an operation reads."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What may be done next with the answer: a parameter from its body.

    With `in_body` it is a field of the next request's JSON. The link is left out of
    the document of an app that does not have the operation.
    """

    operation: str
    parameter: str
    expression: str
    in_body: bool = False


def link(operation: str, parameter: str, place: str = "/id") -> Link:
    """To `operation` with the value at `place` (a JSON pointer) of the answer."""
    expression = f"$response.body#{place}"
    return Link(operation=operation, parameter=parameter, expression=expression)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route. `path` as bottle writes it: /v1/payments/<payment_id>.

    It stands as a decorator above the method that serves it; `Api.add_all` finds it.
    Where a key is needed it must have the `scope`: one that is not stated is an
    operator's.
    """

    name: str
    method: str
    path: str
    tag: str
    summary: str
    answers: Mapping[int, type[msgspec.Struct] | Text | None]
    also: Mapping[int, Text] = field(default_factory=dict)  # as a request may ask for
    request: type[msgspec.Struct] | None = None
    request_media: tuple[str, ...] = ("application/json",)
    body_may_be_absent: bool = False
    query: type[Query] | None = None
    headers: tuple[Header, ...] = ()
    needs_key: bool = True
    scope: Scope = Scope.OPERATOR
    limited_by_itself: bool = False  # a route without a key that needs no limit of ours
    problems: tuple[int, ...] = ()
    answer_headers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)

    def __call__(self, handler: H) -> H:
        """As a decorator: the method below it serves this route."""
        handler.operation = self  # type: ignore[attr-defined]
        return handler

    def statuses(self) -> list[int]:
        """All that may be answered."""
        found = {*self.answers, *self.problems, *_ALWAYS}
        if self.needs_key:
            found.update(_WITH_KEY)
        if self.request is not None:
            found.update(_WITH_BODY)
        if self.query is not None:
            found.add(422)
        return sorted(found)


def template(path: str) -> str:
    """A bottle path as OpenAPI writes it: /v1/payments/{payment_id}."""
    return _PARAMETER.sub(r"{\1}", path)


def document(
    operations: Sequence[Operation], version: str, public_url: str = ""
) -> dict[str, Any]:
    """The document, ready to be encoded. Its paths are below `public_url`."""
    kinds: list[Any] = [ProblemBody]
    for operation in operations:
        kinds += [operation.request, operation.query, *operation.answers.values()]
    kinds = [k for k in dict.fromkeys(kinds) if isinstance(k, type)]
    schemas = _schemas(kinds)
    paths: dict[str, dict[str, Any]] = {}
    names = {operation.name for operation in operations}
    for operation in operations:
        path = paths.setdefault(template(operation.path), {})
        made = path[operation.method.lower()] = _operation(operation, schemas)
        for status in operation.answers:
            if links := _links(operation, names):
                made["responses"][str(status)]["links"] = links
    for kind in kinds:
        if issubclass(kind, Query):
            del schemas[kind.__name__]  # written out as parameters
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Paybell",
            "version": version,
            "description": "Tells a shop, the moment it happens, that it has been paid"
            " in bitcoin. Amounts are whole satoshi; times are RFC 3339 in UTC."
            " Errors are"
            " problem details (RFC 9457); /docs/errors explains every `code`.",
        },
        "servers": [{"url": f"{public_url}/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                _PROBLEM.format(status=status): _problem(status)
                for status in sorted(_problem_statuses(operations))
            },
            "headers": {
                REQUEST_ID: {
                    "description": "The request's id. The node's log names it where"
                    " the request failed.",
                    "schema": {"type": "string"},
                }
            },
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (pbk_…) of `paybell keys create`. The"
                    " role that an operation names is the scope that the key must have"
                    f" ({', '.join(Scope)}); else it is a 403 that names it.",
                }
            },
        },
    }


def _schemas(kinds: list[Any]) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    for schema in schemas.values():
        for name, told in schema.get("properties", {}).items():
            if name.endswith("_at") or name in _TIMES:
                _is_time(told)
    return schemas


def _is_time(told: dict[str, Any]) -> None:
    """A text under a name of a moment is one, unless it says of what form it is."""
    for part in (told, *told.get("anyOf", ()), told.get("items", {})):
        if part.get("type") == "string" and not part.keys() & {"format", "pattern"}:
            part["format"] = "date-time"


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        # Roles, as OpenAPI 3.1 has them for schemes other than OAuth.
        "security": [{"key": [operation.scope]}] if operation.needs_key else [],
    }
    parameters = [*_path_parameters(operation), *_query(operation, schemas)]
    parameters += [
        {
            "name": header.name,
            "in": "header",
            "required": False,
            "description": header.description,
            "schema": dict(header.schema),
        }
        for header in operation.headers
    ]
    if parameters:
        made["parameters"] = parameters
    if operation.request is not None:
        made["requestBody"] = {
            "required": not operation.body_may_be_absent,
            "content": {
                media: {"schema": _ref(operation.request)}
                for media in operation.request_media
            },
        }
    made["responses"] = {
        str(status): _answer(operation, status) for status in operation.statuses()
    }
    return made


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }
        for name in _PARAMETER.findall(operation.path)
    ]


def _query(operation: Operation, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    schema = schemas[operation.query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema["required"],
            "description": part.get("description", ""),
            "schema": _without_null(part),
        }
        for name, part in schema["properties"].items()
    ]


def _without_null(part: dict[str, Any]) -> dict[str, Any]:
    """In a query string there is no null: the parameter is left out."""
    kept = {k: v for k, v in part.items() if k not in {"description", "anyOf"}}
    if kept.get("default", 0) is None:
        del kept["default"]
    choices = [c for c in part.get("anyOf", ()) if c != {"type": "null"}]
    for choice in choices:
        kept.update(choice)
    return kept


def _answer(operation: Operation, status: int) -> dict[str, Any]:
    if status not in operation.answers:
        name = _PROBLEM.format(status=status)
        return {"$ref": f"#/components/responses/{name}"}
    made: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    kind = operation.answers[status]
    if isinstance(kind, Text):
        made["content"] = {kind.media_type: {"schema": {"type": kind.json_type}}}
    elif kind is not None:
        made["content"] = {"application/json": {"schema": _ref(kind)}}
    if (also := operation.also.get(status)) is not None:
        made["content"][also.media_type] = {"schema": {"type": also.json_type}}
    made["headers"] = _headers(operation.answer_headers.get(status, ()))
    return made


def _problem_statuses(operations: Sequence[Operation]) -> set[int]:
    return {
        status
        for operation in operations
        for status in operation.statuses()
        if status not in operation.answers
    }


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": _ref(ProblemBody)}},
        "headers": _headers(_error_headers(status)),
    }


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return {
        REQUEST_ID: {"$ref": f"#/components/headers/{REQUEST_ID}"},
        **{name: {"schema": {"type": "string"}} for name in names},
    }


def _error_headers(status: int) -> tuple[str, ...]:
    if status == 401:
        return ("WWW-Authenticate",)
    return ("Retry-After",) if status in {429, 503} else ()


def _links(operation: Operation, names: set[str]) -> dict[str, Any]:
    return {
        name: {
            "operationId": link.operation,
            "requestBody" if link.in_body else "parameters": {
                link.parameter: link.expression
            },
        }
        for name, link in operation.links.items()
        if link.operation in names
    }


def _ref(kind: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}
