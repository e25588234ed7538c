"""The document that clients are generated from: what the framework writes, and what it cannot know."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.run import Event
from service.errors import MEDIA_TYPE, ProblemDocument
from service.hub import RunEvent

REF = "#/components/schemas/{model}"
PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="ProblemDocument")}}}
METHODS = {"get", "post", "patch", "delete", "head"}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that fails with these."""
    return {status: {"description": HTTPStatus(status).phrase} for status in statuses}


def json_body(model: str) -> dict[str, Any]:
    """The body of a route that parses it by itself."""
    return body({"$ref": REF.format(model=model)})


def any_object() -> dict[str, Any]:
    """The body of a route that takes a part of a larger document."""
    return body({"type": "object", "additionalProperties": True})


def body(schema: dict[str, Any]) -> dict[str, Any]:
    """JSON of this schema."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def event_stream(model: str) -> dict[str, Any]:
    """A stream whose `data` are of this model."""
    schema = {"type": "string", "description": f"Server-sent events; `data` is a {model} as JSON."}
    return {"text/event-stream": {"schema": schema}}


def complete(app: FastAPI, document: dict[str, Any]) -> dict[str, Any]:
    """Every failure is problem+json; models that no route returns are there too."""
    from_hand = [ProblemDocument, Recipe, Event, RunEvent, *app.state.bodies]
    _, schemas = models_json_schema([(model, "serialization") for model in from_hand], ref_template=REF)
    known = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in schemas["$defs"].items():
        known.setdefault(name, schema)
    for unused in ("HTTPValidationError", "ValidationError"):
        known.pop(unused, None)
    drop_composite_defaults(known)
    for path in document["paths"].values():
        for method in METHODS & path.keys():
            describe_failures(path[method]["responses"])
    return document


def drop_composite_defaults(schemas: dict[str, Any]) -> None:
    """Generators give up on a default that is an object or a list; `/v1/recipes/ingredients` tells them all."""
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            if isinstance(field.get("default"), dict | list):
                del field["default"]


def describe_failures(responses: dict[str, Any]) -> None:
    """The listed ones, and any other."""
    responses["default"] = {"description": "Any other failure."}
    for status, response in responses.items():
        if status == "default" or status >= "400":
            response["content"] = PROBLEM
