"""The OpenAPI description of the API, derived from the controllers' paths, arguments, types and docstrings."""

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

import wsme.types

from telemetry.api.schemas import Schema, Schemas

Call = tuple[str, str, Callable[..., Any]]
FAULT: Schema = {
    "type": "object",
    "properties": {
        "error_message": {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {
                        "faultcode": {"enum": ["Client", "Server"]},
                        "faultstring": {"type": "string"},
                        "debuginfo": {"type": "null"},
                    },
                    "required": ["faultcode", "faultstring", "debuginfo"],
                },
            ]
        }
    },
    "required": ["error_message"],
}
METHODS = {"get_all": "get", "get": "get", "post": "post", "put": "put", "delete": "delete"}


def describe(url: str, controllers: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Return the description of all calls.

    `url` is the URL of the application; `controllers` makes the controller of each path below /v2.
    """
    schemas = Schemas()
    paths: dict[str, Any] = {
        "/": {
            "get": {
                "operationId": "get_versions",
                "summary": "Return the version document.",
                "responses": {"200": {"description": "The versions", "content": _json({"type": "object"})}},
            }
        },
        "/v2/openapi.json": {
            "get": {
                "operationId": "get_openapi",
                "summary": "Return this description.",
                "responses": {"200": {"description": "OpenAPI 3.1", "content": _json({"type": "object"})}},
            }
        },
    }
    for name, make_controller in controllers.items():
        for path, method, function in _calls(make_controller(), f"/v2/{name}"):
            paths.setdefault(path, {})[method] = _operation(path, method, function, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Telemetry",
            "version": metadata.version("grove-telemetry"),
            "description": "Meters, samples, statistics, resources, alarms and events.",
        },
        "servers": [{"url": url or "/"}],
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Error": FAULT},
            "responses": {
                "Error": {
                    "description": "An error",
                    "content": {**_json({"$ref": "#/components/schemas/Error"}), "application/xml": {}},
                },
            },
        },
    }


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _calls(controller: Any, path: str) -> Iterator[Call]:
    """Yield (path, method, function) for each call of a controller and of the controllers below it."""
    kind = type(controller)
    for name, method in METHODS.items():
        if function := _exposed(kind, name):
            yield path, method, function
    if function := _exposed(kind, "get_one"):
        yield f"{path}/{{{function._wsme_definition.arguments[0].name}}}", "get", function
    for name, methods in getattr(kind, "_custom_actions", {}).items():
        for method in methods:
            if function := _exposed(kind, f"{method.lower()}_{name}") or _exposed(kind, name):
                yield f"{path}/{name}", method.lower(), function
    for name, below in vars(controller).items():
        if hasattr(type(below), "_custom_actions"):
            yield from _calls(below, f"{path}/{name}")
    if hasattr(kind, "_lookup"):
        lookup = inspect.unwrap(kind._lookup)
        parameter = list(inspect.signature(lookup).parameters)[1]
        below = typing.get_args(typing.get_type_hints(lookup)["return"])[0]
        yield from _calls(below(parameter), f"{path}/{{{parameter}}}")


def _exposed(kind: type, name: str) -> Any:
    function = getattr(kind, name, None)
    return function if hasattr(function, "_wsme_definition") else None


def _operation(path: str, method: str, function: Any, schemas: Schemas) -> dict[str, Any]:
    definition = function._wsme_definition
    words = path.replace("/v2/", "").replace("{", "").replace("}", "").split("/")
    operation: dict[str, Any] = {
        "operationId": "_".join([method, *words]),
        "summary": (definition.doc or "").strip().split("\n", 1)[0],
        "tags": [words[0]],
        "parameters": [
            {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for part in path.split("/")
            if part.startswith("{")
        ],
        "responses": _responses(definition, schemas),
    }
    arguments = [argument for argument in definition.arguments if f"{{{argument.name}}}" not in path]
    raw = definition.extra_options.get("raw_body")
    if definition.body_type is not None:
        arguments.pop()
        operation["requestBody"] = {"required": True, "content": _json(schemas.of(definition.body_type))}
    elif raw:
        operation["requestBody"] = {"required": True, "content": {raw: {"schema": {"type": "string"}}}}
    for argument in arguments:
        operation["parameters"].extend(_parameters(argument, schemas))
    return operation


def _parameters(argument: Any, schemas: Schemas) -> Iterator[dict[str, Any]]:
    datatype = argument.datatype
    if isinstance(datatype, wsme.types.ArrayType) and wsme.types.iscomplex(datatype.item_type):
        # In q.field=a&q.value=1&q.field=b&q.value=2, the n-th q.field and the n-th q.value make one filter.
        for member in wsme.types.list_attributes(datatype.item_type):
            schema: Schema = {"type": "array", "items": schemas.of(member.datatype)}
            yield {"name": f"{argument.name}.{member.name}", "in": "query", "schema": schema, "explode": True}
        return
    yield {"name": argument.name, "in": "query", "schema": schemas.of(datatype)}


def _responses(definition: Any, schemas: Schemas) -> dict[str, Any]:
    status = definition.status_code
    responses: dict[str, Any] = {name: {"$ref": "#/components/responses/Error"} for name in ("4XX", "501", "503")}
    if status < 300:
        success: dict[str, Any] = {"description": "Done"}
        if definition.return_type is not None:
            success["content"] = {**_json(schemas.of(definition.return_type)), "application/xml": {}}
            if any(argument.name == "marker" for argument in definition.arguments):
                success["headers"] = {
                    "Link": {
                        "description": 'The next page, as <url>; rel="next". Absent on the last one.',
                        "schema": {"type": "string"},
                    }
                }
        responses[str(status)] = success
    return responses
