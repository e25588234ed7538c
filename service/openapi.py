"""Adds to the framework's OpenAPI document what the framework cannot know."""

from http import HTTPStatus

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from bakehouse.model import JsonObject
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.run import Event
from service.errors import MEDIA_TYPE, ProblemDocument
from service.frames import RunEvent

REFERENCE = "#/components/schemas/{model}"
PROBLEM_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model="ProblemDocument")}}}
METHODS = {"get", "post", "patch", "delete", "head"}


def problems(*statuses: int) -> dict[int | str, JsonObject]:
    """Returns the `responses` of a route that may fail with these statuses."""
    return {status: {"description": HTTPStatus(status).phrase} for status in statuses}


def json_body(model: str) -> JsonObject:
    """Returns the `openapi_extra` of a route that parses its body itself, as this model."""
    return request_body({"$ref": REFERENCE.format(model=model)})


def object_body() -> JsonObject:
    """Returns the `openapi_extra` of a route whose body is any JSON object."""
    return request_body({"type": "object", "additionalProperties": True})


def request_body(schema: JsonObject) -> JsonObject:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def event_stream(model: str) -> JsonObject:
    """Returns the content of a response that streams events of this model."""
    schema = {"type": "string", "description": f"Server-sent events; `data` is a {model} as JSON."}
    return {"text/event-stream": {"schema": schema}}


def complete_document(app: FastAPI, document: JsonObject) -> JsonObject:
    """Adds the models that no route returns, and declares every failure as problem+json."""
    # Error handlers, and routes that parse bodies or stream events themselves, hide these models from FastAPI.
    models = [ProblemDocument, Recipe, Event, RunEvent, *app.state.body_models]
    _, added = models_json_schema([(model, "serialization") for model in models], ref_template=REFERENCE)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in added["$defs"].items():
        schemas.setdefault(name, schema)
    # FastAPI adds these for its own form of errors, which the service does not use.
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    drop_composite_defaults(schemas)
    for path in document["paths"].values():
        for method in METHODS & path.keys():
            describe_failures(path[method]["responses"])
    return document


def drop_composite_defaults(schemas: JsonObject) -> None:
    """Removes defaults that are objects or lists, on which client generators fail; see `/v1/recipes/ingredients`."""
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            if isinstance(field.get("default"), dict | list):
                del field["default"]


def describe_failures(responses: JsonObject) -> None:
    responses["default"] = {"description": "Any other failure."}
    for status, response in responses.items():
        # Statuses are texts of three digits, which compare like numbers.
        if status == "default" or status >= "400":
            response["content"] = PROBLEM_CONTENT
