"""Adds to the framework's OpenAPI document what the framework cannot know."""

import json
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from importlib.resources import files

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from bakehouse.model import JsonObject, Model
from bakehouse.runs.run import Event
from service.error_responses import MEDIA_TYPE, ProblemDocument
from service.frames import DatasetEvent, RunEvent
from service.recipe_examples import BODIES
from service.scopes import BY_OPERATION

API_KEY = "api_key"
SECURITY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `bakehouse keys create`. A service without keys asks for none.",
}
REFERENCE = "#/components/schemas/{model}"
PROBLEM_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model="ProblemDocument")}}}
METHODS = {"get", "post", "put", "patch", "delete", "head"}


def problems(*statuses: int) -> dict[int | str, JsonObject]:
    """Returns the `responses` of a route that may fail with these statuses."""
    return {status: {"description": HTTPStatus(status).phrase} for status in statuses}


def returns(
    model: str, *failures: int, status: int = 200, description: str = "Successful Response"
) -> dict[int | str, JsonObject]:
    """Returns the `responses` of a route that encodes this model itself, so that FastAPI need not build its schema when
    the service starts."""
    return returns_one_of((model,), *failures, status=status, description=description)


def returns_one_of(
    models: Sequence[str], *failures: int, status: int = 200, description: str = "Successful Response"
) -> dict[int | str, JsonObject]:
    """Returns the `responses` of a route that encodes one of these models itself."""
    schemas = [{"$ref": REFERENCE.format(model=model)} for model in models]
    content = {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
    return {status: {"description": description, "content": content}, **problems(*failures)}


def json_body(model: str) -> JsonObject:
    """Returns the `openapi_extra` of a route that parses its body itself, as this model."""
    return request_body({"$ref": REFERENCE.format(model=model)})


def optional_json_body(model: str) -> JsonObject:
    """Returns the `openapi_extra` of a route that parses its body itself, as this model, if there is one."""
    extra = json_body(model)
    extra["requestBody"]["required"] = False
    return extra


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
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    # Routes that encode JSON themselves hide these models from FastAPI, which would leave out the default null.
    for name, schema in definitions(app.state.encoded_models).items():
        schemas.setdefault(name, without_null_defaults(schema))
    # Error handlers, and routes that parse bodies or stream events themselves, hide these models from FastAPI.
    for name, schema in definitions([ProblemDocument, Event, RunEvent, DatasetEvent, *app.state.parsed_models]).items():
        schemas.setdefault(name, schema)
    # FastAPI adds these for its own form of errors, which the service does not use.
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    drop_composite_defaults(schemas)
    document["components"]["securitySchemes"] = {API_KEY: SECURITY_SCHEME}
    answers = json.loads((files("service") / "response_examples.json").read_text(encoding="utf-8"))
    for path in document["paths"].values():
        for method in METHODS & path.keys():
            operation = path[method]
            describe_failures(operation["responses"])
            scope = BY_OPERATION.get(operation["operationId"], "admin")
            # Until a first key exists, no request needs one.
            operation["security"] = [] if scope == "open" else [{API_KEY: [scope]}, {}]
            add_examples(operation, answers.get(operation["operationId"], {}))
    return document


def add_examples(operation: JsonObject, answers: JsonObject) -> None:
    """Adds bodies that the service accepts, and answers that it has given (`make examples`)."""
    if bodies := BODIES.get(operation["operationId"]):
        operation["requestBody"]["content"]["application/json"]["examples"] = bodies
    for status, by_media_type in answers.items():
        for media_type, answer in by_media_type.items():
            operation["responses"][status]["content"][media_type]["example"] = answer


def definitions(models: Iterable[type[Model]]) -> JsonObject:
    """Returns the schemas of these models and of all models inside them, by name."""
    _, added = models_json_schema([(model, "serialization") for model in models], ref_template=REFERENCE)
    schemas: JsonObject = added["$defs"]
    return schemas


def without_null_defaults(schema: JsonObject) -> JsonObject:
    """Returns the schema of a model without defaults that are null."""
    fields = schema.get("properties", {})
    shown = {
        name: {key: value for key, value in field.items() if key != "default" or value is not None}
        for name, field in fields.items()
    }
    return {**schema, "properties": shown} if fields else schema


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
