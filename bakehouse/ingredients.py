"""Describes the ingredients of recipes, as read from their classes."""

from functools import cache
from typing import get_origin

from pydantic.fields import FieldInfo

from bakehouse.advice.rules import rules_about
from bakehouse.model import JsonObject, Model
from bakehouse.recipe.described import docstring_parts
from bakehouse.recipe.ingredient import Ingredient, variants
from bakehouse.recipe.recipe import Recipe


class AdviceAbout(Model):
    """An advice rule that concerns an ingredient."""

    code: str
    """The `code` of the advice that a recipe gets."""
    about: str


class IngredientField(Model):
    """A field of an ingredient: its name, type, default and meaning."""

    name: str
    description: str
    required: bool
    default: object = None
    """The value that applies if a recipe leaves the field out; null also if it depends on the data."""
    json_schema: JsonObject
    """The field's type and range, as JSON Schema."""
    variants: tuple["Variant", ...] = ()
    """The ingredients that the field can contain; empty if it contains none."""


class Variant(Model):
    """One ingredient of recipes: a variant of a family."""

    type: str | None
    """The ingredient's `type` in a recipe; null if its family has no variants."""
    name: str
    """The name of the ingredient's JSON Schema."""
    sentence: str
    """A sentence that says what the ingredient does."""
    description: str
    """The rest of the ingredient's description, as Markdown."""
    formulas: tuple[str, ...]
    sources: tuple[str, ...]
    """The papers that the ingredient follows."""
    default_reason: str | None
    """The reason for the ingredient's defaults, unless it is obvious."""
    traps: tuple[str, ...]
    """Common mistakes."""
    advice: tuple[AdviceAbout, ...]
    """The advice rules that concern the ingredient."""
    main: str | None
    """The field that is set if a recipe has a bare value in place of the ingredient."""
    fields: tuple[IngredientField, ...]


class Family(Model):
    """A field of the recipe that contains ingredients."""

    name: str
    several: bool
    """Whether a recipe may have a list of these ingredients."""
    required: bool
    default: object = None
    variants: tuple[Variant, ...]


class Ingredients(Model):
    """All ingredients of recipes."""

    families: tuple[Family, ...]
    fields: tuple[IngredientField, ...]
    """The fields of the recipe that contain no ingredients."""


# The classes of the ingredients do not change while the process runs.
@cache
def ingredients() -> Ingredients:
    """Returns all families and fields, in the order of the recipe."""
    properties = Recipe.model_json_schema(mode="serialization")["properties"]
    fields = Recipe.model_fields
    families = [name for name, info in fields.items() if variants(info.annotation)]
    return Ingredients(
        families=tuple(family(name, fields[name], properties[name]) for name in families),
        fields=tuple(field_of(name, fields[name], properties[name]) for name in fields if name not in families),
    )


def family(name: str, info: FieldInfo, schema: JsonObject) -> Family:
    """Describes a field of the recipe that contains ingredients, with its variants."""
    return Family(
        name=name,
        several=get_origin(info.annotation) is tuple,
        required=info.is_required(),
        default=schema.get("default"),
        variants=tuple(variant(kind) for kind in variants(info.annotation).values()),
    )


def variant(kind: type[Ingredient]) -> Variant:
    """Describes an ingredient, as read from its class."""
    tag = kind.model_fields["type"].default if "type" in kind.model_fields else None
    parts = docstring_parts(kind)
    return Variant(
        type=tag,
        name=kind.__name__,
        sentence=parts.sentence,
        description=parts.text,
        formulas=parts.formulas,
        sources=parts.sources,
        default_reason=parts.default,
        traps=parts.traps,
        advice=tuple(AdviceAbout(code=rule.code, about=rule.reason) for rule in rules_about(kind)),
        main=kind.main,
        fields=tuple(field for field in fields_of(kind) if field.name != "type"),
    )


def fields_of(kind: type[Ingredient]) -> list[IngredientField]:
    """Describes the fields of an ingredient, with types and ranges as JSON Schema."""
    properties = kind.model_json_schema(mode="serialization")["properties"]
    return [field_of(name, info, properties[name]) for name, info in kind.model_fields.items()]


def field_of(name: str, info: FieldInfo, schema: JsonObject) -> IngredientField:
    """Describes one field; its schema leaves out what is given by other attributes, such as the description."""
    bare = {key: value for key, value in schema.items() if key not in ("description", "default", "title")}
    return IngredientField(
        name=name,
        description=" ".join(schema.get("description", "").split()),
        required=info.is_required(),
        default=schema.get("default"),
        json_schema=bare,
        variants=tuple(variant(inner) for inner in variants(info.annotation).values()),
    )
