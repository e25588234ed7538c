"""Defines advice on a recipe, and the patches that follow it."""

from bakehouse.model import Model
from bakehouse.recipe.ingredient import Ingredient
from bakehouse.recipe.patch import PatchStep, Severity


class Advice(Model):
    """A finding about a combination of ingredients."""

    code: str
    severity: Severity
    """How serious the finding is. A recipe with an `error` is refused."""
    pointer: str
    """JSON Pointer to the place in the canonical recipe."""
    message: str
    """Explanation of what happens and why, with this recipe's numbers."""
    source: str
    """The paper or measurement that supports the advice."""
    patch: tuple[PatchStep, ...]
    """JSON Patch that, applied to the canonical recipe, resolves the finding. Empty if no change of the recipe does."""


def replace(path: str, value: object) -> tuple[PatchStep, ...]:
    """Returns a patch that sets another value; ingredients are written with all their fields."""
    written = value.model_dump(mode="json") if isinstance(value, Ingredient) else value
    return (PatchStep(op="replace", path=path, value=written),)


def append(path: str, value: Ingredient) -> tuple[PatchStep, ...]:
    """Returns a patch that appends an ingredient to a list."""
    return (PatchStep(op="add", path=f"{path}/-", value=value.model_dump(mode="json")),)


def remove(path: str) -> tuple[PatchStep, ...]:
    """Returns a patch that removes a field or a list item."""
    return (PatchStep(op="remove", path=path),)
