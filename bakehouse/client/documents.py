"""The recipe that a user submits, as a dict or as a file."""

from collections.abc import Mapping
from pathlib import Path

from bakehouse.model import JsonObject
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import parse_json

RecipeSource = Mapping[str, object] | str | Path


def read_document(source: RecipeSource, kind: str = "a recipe") -> JsonObject:
    """Returns the document of a dict or a file. `kind` names it in messages."""
    if isinstance(source, Mapping):
        return dict(source)
    return require_object(parse_json(Path(source).read_bytes()), kind)


def require_object(document: object, kind: str = "a recipe") -> JsonObject:
    """Returns the document if it is a JSON object; raises RecipeInvalid otherwise."""
    if not isinstance(document, dict):
        raise RecipeInvalid([Problem(pointer="", code="object_type", message=f"{kind} must be a JSON object")])
    return document


def with_name_and_labels(document: JsonObject, name: str | None, labels: Mapping[str, str]) -> JsonObject:
    changes: JsonObject = {}
    if name:
        changes["name"] = name
    if labels:
        changes["labels"] = {**document.get("labels", {}), **labels}
    return document | changes
