"""What a recipe can be made of, read off its classes."""

import inspect
from functools import cache
from typing import Any, get_origin

from pydantic.fields import FieldInfo

from bakehouse.model import Model
from bakehouse.recipe.ingredient import Ingredient
from bakehouse.recipe.read import variants
from bakehouse.recipe.recipe import Recipe


class IngredientField(Model):
    """One field of an ingredient."""

    name: str
    description: str
    required: bool
    default: Any = None
    """What a recipe that leaves it out gets; null also where the data decide."""
    json_schema: dict[str, Any]
    """Its type and range."""


class Variant(Model):
    """One ingredient."""

    type: str | None
    """Null where the family has no variants."""
    description: str
    """A sentence, the formula, the source."""
    main: str | None
    """The field that a bare value stands for."""
    fields: tuple[IngredientField, ...]


class Family(Model):
    """A field of the recipe that holds ingredients."""

    name: str
    several: bool
    """Whether a recipe may have a list of them."""
    required: bool
    default: Any = None
    variants: tuple[Variant, ...]


class Ingredients(Model):
    """Everything that a recipe can be made of."""

    families: tuple[Family, ...]
    fields: tuple[IngredientField, ...]
    """The recipe's own."""


@cache
def ingredients() -> Ingredients:
    """In the order of the recipe's fields."""
    families = [name for name, info in Recipe.model_fields.items() if variants(info.annotation)]
    own = [field for field in fields_of(Recipe) if field.name not in families]
    return Ingredients(families=tuple(family(name) for name in families), fields=tuple(own))


def family(name: str) -> Family:
    """All variants of a field."""
    info = Recipe.model_fields[name]
    schema = Recipe.model_json_schema(mode="serialization")["properties"][name]
    return Family(
        name=name,
        several=get_origin(info.annotation) is tuple,
        required=info.is_required(),
        default=schema.get("default"),
        variants=tuple(variant(kind) for kind in variants(info.annotation).values()),
    )


def variant(kind: type[Ingredient]) -> Variant:
    """A class as a form needs it."""
    tag = kind.model_fields["type"].default if "type" in kind.model_fields else None
    fields = tuple(field for field in fields_of(kind) if field.name != "type")
    return Variant(type=tag, description=inspect.getdoc(kind) or "", main=kind.main, fields=fields)


def fields_of(kind: type[Ingredient]) -> list[IngredientField]:
    """With types and ranges as JSON Schema."""
    properties = kind.model_json_schema(mode="serialization")["properties"]
    return [field_of(name, info, properties[name]) for name, info in kind.model_fields.items()]


def field_of(name: str, info: FieldInfo, schema: dict[str, Any]) -> IngredientField:
    """One field; what is told beside the schema is left out of it."""
    bare = {key: value for key, value in schema.items() if key not in ("description", "default", "title")}
    return IngredientField(
        name=name,
        description=inspect.cleandoc(info.description or ""),
        required=info.is_required(),
        default=schema.get("default"),
        json_schema=bare,
    )
