"""Describes the ingredients of recipes, as read from their classes."""

from functools import cache
from typing import Any, get_origin

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from bakehouse.advice.rules import rules_about
from bakehouse.model import JsonObject, Model
from bakehouse.recipe.described import docstring_parts
from bakehouse.recipe.ingredient import Chart, Ingredient, variants
from bakehouse.recipe.ranges import allowed
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
    """The field's type and range, as JSON Schema without references."""
    takes: str
    """The type and the range in words, or the ingredients that the field takes."""
    nullable: bool
    """Whether the field takes null: for an ingredient it means off, else the default that depends on the data."""
    variants: tuple["Variant", ...] = ()
    """The ingredients that the field can contain; empty if it contains none."""
    several: bool = False
    """Whether the field takes a list of these ingredients."""


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
    charts: tuple[Chart, ...] = ()
    """What of a diagnostic is drawn; empty for any other ingredient."""
    main: str | None
    """The field that is set if a recipe has a bare value in place of the ingredient."""
    fields: tuple[IngredientField, ...]


class Family(Model):
    """A field of the recipe that contains ingredients."""

    name: str
    several: bool
    """Whether a recipe may have a list of these ingredients."""
    number: str | None
    """The `type` of the variant whose `main` field a bare number sets; null if there is none. If the family's only
    variant has no type, any bare value sets its `main` field."""
    required: bool
    default: object = None
    variants: tuple[Variant, ...]


class Ingredients(Model):
    """All ingredients of recipes. A form for every recipe can be drawn from it."""

    order: tuple[str, ...]
    """The names of all families and fields, in the order of the recipe."""
    families: tuple[Family, ...]
    fields: tuple[IngredientField, ...]
    """The fields of the recipe that contain no ingredients."""


# The classes of the ingredients do not change while the process runs.
@cache
def ingredients() -> Ingredients:
    """Returns all families and fields, in the order of the recipe."""
    properties = properties_of(Recipe)
    fields = Recipe.model_fields
    families = [name for name, info in fields.items() if variants(info.annotation)]
    return Ingredients(
        order=tuple(fields),
        families=tuple(family(name, fields[name], properties[name]) for name in families),
        fields=tuple(field_of(name, fields[name], properties[name]) for name in fields if name not in families),
    )


def family(name: str, info: FieldInfo, schema: JsonObject) -> Family:
    """Describes a field of the recipe that contains ingredients, with its variants."""
    return Family(
        name=name,
        several=get_origin(info.annotation) is tuple,
        number=number_variant(info),
        required=info.is_required(),
        default=schema.get("default"),
        variants=tuple(variant(kind) for kind in variants(info.annotation).values()),
    )


def number_variant(info: FieldInfo) -> str | None:
    """Returns the type of the variant that a family makes of a bare number."""
    for reader in info.metadata:
        if isinstance(reader, BeforeValidator):
            spelt_out: Any = reader.func(1)  # type: ignore[call-arg]
            item = spelt_out[0] if isinstance(spelt_out, tuple) else spelt_out
            return item.get("type") if isinstance(item, dict) else None
    return None


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
        charts=kind.charts,
        main=kind.main,
        fields=tuple(field for field in fields_of(kind) if field.name != "type"),
    )


def fields_of(kind: type[Ingredient]) -> list[IngredientField]:
    """Describes the fields of an ingredient, with types and ranges as JSON Schema."""
    properties = properties_of(kind)
    return [field_of(name, info, properties[name]) for name, info in kind.model_fields.items()]


def properties_of(kind: type[Ingredient]) -> JsonObject:
    """Returns the JSON Schema of each field, with what it refers to in place of the references."""
    schema = kind.model_json_schema(mode="serialization")
    properties: JsonObject = resolved(schema["properties"], schema.get("$defs", {}))
    return properties


def resolved(node: Any, definitions: JsonObject) -> Any:
    """Returns a part of a JSON Schema without references."""
    match node:
        case {"$ref": str(reference)}:
            target = definitions[reference.rpartition("/")[2]]
            return resolved({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
        case {"properties": dict(properties)}:
            # A recipe may leave out what a canonical recipe always has.
            required = [name for name in node.get("required", ()) if "default" not in properties[name]]
            inside = {name: resolved(value, definitions) for name, value in properties.items()}
            return {**node, "properties": inside, "required": required}
        case dict():
            # The mapping of a discriminator consists of references; each variant has its type as a constant.
            return {key: resolved(value, definitions) for key, value in node.items() if key != "discriminator"}
        case list():
            return [resolved(item, definitions) for item in node]
        case _:
            return node


def field_of(name: str, info: FieldInfo, schema: JsonObject) -> IngredientField:
    """Describes one field; its schema leaves out what is given by other attributes, such as the description."""
    bare = {key: value for key, value in schema.items() if key not in ("description", "default", "title")}
    kinds = tuple(variant(inner) for inner in variants(info.annotation).values())
    several = get_origin(info.annotation) is tuple and bool(kinds)
    nullable = {"type": "null"} in schema.get("anyOf", ())
    return IngredientField(
        name=name,
        description=" ".join(schema.get("description", "").split()),
        required=info.is_required(),
        default=schema.get("default"),
        json_schema=bare,
        takes=names_of(kinds, several=several, nullable=nullable) if kinds else allowed(bare, str),
        nullable=nullable,
        variants=kinds,
        several=several,
    )


def names_of(kinds: tuple[Variant, ...], *, several: bool, nullable: bool) -> str:
    """Returns the ingredients that a field takes; one without a type is an object with its fields."""
    names = (kind.type or f"object with {', '.join(field.name for field in kind.fields)}" for kind in kinds)
    return f"{'list of ' if several else ''}{', '.join(names)}{', or null' if nullable else ''}"
