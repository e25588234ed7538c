"""What a piece of advice is."""

from typing import Any, Literal

from bakehouse.model import Model
from bakehouse.recipe.ingredient import Ingredient


class PatchStep(Model):
    """One operation of a JSON Patch (RFC 6902)."""

    op: Literal["add", "replace", "remove"]
    path: str
    value: Any = None


class Advice(Model):
    """A finding about a combination of ingredients."""

    code: str
    severity: Literal["error", "warning", "info"]
    """`error` refuses the recipe."""
    pointer: str
    """JSON Pointer into the canonical recipe."""
    message: str
    """What happens and why, with this recipe's numbers."""
    source: str
    """The paper or measurement behind it."""
    patch: tuple[PatchStep, ...]
    """Applied to the canonical recipe, it silences the rule."""


def replace(path: str, value: Any) -> tuple[PatchStep, ...]:
    """Another value; ingredients are written out."""
    written = value.model_dump(mode="json") if isinstance(value, Ingredient) else value
    return (PatchStep(op="replace", path=path, value=written),)


def remove(path: str) -> tuple[PatchStep, ...]:
    """Without this field or list item."""
    return (PatchStep(op="remove", path=path),)
