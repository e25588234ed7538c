"""Advice: what a recipe gets, and the patches that settle it."""

from typing import Any, Literal

from bakehouse.model import Model
from bakehouse.recipe.ingredient import Ingredient

Severity = Literal["error", "warning", "info"]


class PatchStep(Model):
    """One operation of a JSON Patch (RFC 6902)."""

    op: Literal["add", "replace", "remove"]
    path: str
    value: Any = None


class Advice(Model):
    """A finding about a combination of ingredients."""

    code: str
    severity: Severity
    """`error` refuses the recipe."""
    pointer: str
    """JSON Pointer into the canonical recipe."""
    message: str
    """What happens and why, with this recipe's numbers."""
    source: str
    """The paper or measurement that supports it."""
    patch: tuple[PatchStep, ...]
    """Applied to the canonical recipe, it silences the rule."""


def replace(path: str, value: Any) -> tuple[PatchStep, ...]:
    """The patch that sets another value; ingredients are spelt out."""
    written = value.model_dump(mode="json") if isinstance(value, Ingredient) else value
    return (PatchStep(op="replace", path=path, value=written),)


def append(path: str, value: Ingredient) -> tuple[PatchStep, ...]:
    """The patch that appends an ingredient to a list."""
    return (PatchStep(op="add", path=f"{path}/-", value=value.model_dump(mode="json")),)


def remove(path: str) -> tuple[PatchStep, ...]:
    """The patch that removes a field or a list item."""
    return (PatchStep(op="remove", path=path),)
