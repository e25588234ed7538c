"""Short ways to write a JSON Patch."""

from typing import Any

from bakehouse.advice.advice import PatchStep
from bakehouse.recipe.ingredient import Ingredient


def replace(path: str, value: Any) -> tuple[PatchStep, ...]:
    """Another value; ingredients are written out."""
    written = value.model_dump(mode="json") if isinstance(value, Ingredient) else value
    return (PatchStep(op="replace", path=path, value=written),)


def remove(path: str) -> tuple[PatchStep, ...]:
    """Without this field or list item."""
    return (PatchStep(op="remove", path=path),)
