"""Writes parts of recipes in the short forms that the recipe language has."""

from typing import Any

from bakehouse.recipe.ingredient import Ingredient


def short_form(value: object) -> Any:
    """Returns an ingredient as its name, or with the fields that differ from their default."""
    if isinstance(value, tuple):
        return [short_form(item) for item in value]
    if not isinstance(value, Ingredient):
        return value
    kind = type(value)
    fields = {
        name: short_form(getattr(value, name))
        for name, field in kind.model_fields.items()
        if name != "type" and getattr(value, name) != field.default
    }
    # An ingredient without a type may be written as the value of its main field alone.
    if "type" not in kind.model_fields:
        return next(iter(fields.values())) if [*fields] == [kind.main] else fields
    tag = kind.model_fields["type"].default
    return {"type": tag, **fields} if fields else tag
