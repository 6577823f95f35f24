"""The OpenAPI document of a table of routes: what is written there once, as other tools read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from deploy.cloud.http.route import Problem, Route
from deploy.rollout import ReleaseId
from deploy.task.manifest import TaskName
from inference.contract import Sha256

_WORDS: Final[dict[str, object]] = {
    "sha256": Sha256,
    "old": Sha256,
    "new": Sha256,
    "task": TaskName,
    "release": ReleaseId,
    "version": Annotated[int, Meta(ge=1, le=1 << 53)],
    "name": Annotated[str, Meta(min_length=1, max_length=1_024)],
}
_COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 1 << 53}
_ALWAYS: Final = (400,)
_KNOWN: Final = (401, 403, 429)  # of whatever asks for a token
_BODY: Final = (408, 413)
_NOTHING: Final = (204, 304)


def document(routes: Sequence[Route], version: str) -> Any:
    """Return the document of ROUTES."""
    types = [t for route in routes for t in (route.takes, route.gives) if _is_form(t)]
    forms, components = msgspec.json.schema_components(
        [Problem, *types], ref_template="#/components/schemas/{name}"
    )
    by_type = dict(zip(map(id, types), forms[1:], strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub(r":\w+}", "}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, by_type)
    return _standard(
        {
            "openapi": "3.1.0",
            "info": {"title": "headrace service", "version": version},
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _operation(route: Route, schemas: dict[int, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.answer.__name__,
        "summary": route.summary,
        "parameters": list(_parameters(route)),
        "responses": {str(route.status): _response(route.status, route.gives, schemas)},
        "security": [{"token": []}] if route.action else [],
    }
    if route.takes is not None:
        found["requestBody"] = {"required": True, "content": _content(route.takes, schemas)}
    refuses = {*route.refuses, *_ALWAYS, *(_KNOWN if route.action else ()), *(_BODY if route.takes else ())}
    for status in sorted(refuses):
        found["responses"][str(status)] = _response(
            status, None if route.method == "HEAD" else Problem, schemas
        )
    return found


def _parameters(route: Route) -> list[dict[str, Any]]:
    words = re.findall(r"{(\w+)", route.path)
    found = [
        {"name": w, "in": "path", "required": True, "schema": msgspec.json.schema(_WORDS[w])} for w in words
    ]
    found += [{"name": name, "in": "query", "schema": _COUNT} for name in route.query]
    found += [{"name": n, "in": "header", "required": must, "schema": _COUNT} for n, must in route.headers]
    return found


def _response(status: int, gives: object, schemas: dict[int, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if gives is not None and status not in _NOTHING:
        found["content"] = _content(gives, schemas)
    return found


def _content(form: object, schemas: dict[int, Any]) -> dict[str, Any]:
    if form is bytes:
        return {"application/octet-stream": {}}
    if form is str:
        return {"text/plain": {}, "text/event-stream": {}}
    schema = {"$ref": "#/components/schemas/Problem"} if form is Problem else schemas[id(form)]
    return {"application/json": {"schema": schema}}


def _is_form(kind: object) -> bool:
    return kind is not None and kind is not bytes and kind is not str


def _standard(value: Any) -> Any:
    r"""Return VALUE with the end of a text in patterns as ECMA 262 says it: $, and no \Z."""
    if isinstance(value, dict):
        return {k: v.replace(r"\Z", "$") if k == "pattern" else _standard(v) for k, v in value.items()}
    return [_standard(each) for each in value] if isinstance(value, list | tuple) else value
