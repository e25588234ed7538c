"""What a recipe can be made of, read off its classes."""

from functools import cache
from typing import Any, get_origin

from pydantic.fields import FieldInfo

from bakehouse.advice.rules import rules_about
from bakehouse.model import Model
from bakehouse.recipe.described import described
from bakehouse.recipe.ingredient import Ingredient
from bakehouse.recipe.read import variants
from bakehouse.recipe.recipe import Recipe


class AdviceAbout(Model):
    """A rule that looks at an ingredient."""

    code: str
    """As in the advice that a recipe gets."""
    about: str


class IngredientField(Model):
    """One field of an ingredient."""

    name: str
    description: str
    required: bool
    default: Any = None
    """What a recipe that leaves it out gets; null also where the data decide."""
    json_schema: dict[str, Any]
    """Its type and range."""
    variants: tuple["Variant", ...] = ()
    """Where it is itself an ingredient: which ones it can be."""


class Variant(Model):
    """One ingredient."""

    type: str | None
    """Null where the family has no variants."""
    name: str
    """Of its schema."""
    sentence: str
    """What it does."""
    description: str
    """What else there is to know; Markdown."""
    formulas: tuple[str, ...]
    sources: tuple[str, ...]
    """Whom it is after."""
    default_reason: str | None
    """Why its defaults are what they are, where that is not plain."""
    traps: tuple[str, ...]
    """What misleads."""
    advice: tuple[AdviceAbout, ...]
    """Rules that look at it; a recipe gets what they say where they apply."""
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
    properties = Recipe.model_json_schema(mode="serialization")["properties"]
    fields = Recipe.model_fields
    families = [name for name, info in fields.items() if variants(info.annotation)]
    return Ingredients(
        families=tuple(family(name, fields[name], properties[name]) for name in families),
        fields=tuple(field_of(name, fields[name], properties[name]) for name in fields if name not in families),
    )


def family(name: str, info: FieldInfo, schema: dict[str, Any]) -> Family:
    """All variants of a field."""
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
    said = described(kind)
    return Variant(
        type=tag,
        name=kind.__name__,
        sentence=said.sentence,
        description=said.text,
        formulas=said.formulas,
        sources=said.sources,
        default_reason=said.default,
        traps=said.traps,
        advice=tuple(AdviceAbout(code=rule.__name__, about=rule.__doc__ or "") for rule in rules_about(kind)),
        main=kind.main,
        fields=tuple(field for field in fields_of(kind) if field.name != "type"),
    )


def fields_of(kind: type[Ingredient]) -> list[IngredientField]:
    """With types and ranges as JSON Schema."""
    properties = kind.model_json_schema(mode="serialization")["properties"]
    return [field_of(name, info, properties[name]) for name, info in kind.model_fields.items()]


def field_of(name: str, info: FieldInfo, schema: dict[str, Any]) -> IngredientField:
    """One field; what is told beside the schema is left out of it."""
    bare = {key: value for key, value in schema.items() if key not in ("description", "default", "title")}
    return IngredientField(
        name=name,
        description=" ".join((info.description or "").split()),
        required=info.is_required(),
        default=schema.get("default"),
        json_schema=bare,
        variants=tuple(variant(inner) for inner in variants(info.annotation).values()),
    )
