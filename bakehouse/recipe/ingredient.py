"""The base class of ingredients, their short forms, and the variant `none`."""

from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from bakehouse.model import Model

DataKind = Literal["image", "sequence", "table"]
"""Kind of the samples. `image`: channels x height x width; `sequence`: steps x numbers per step; `table`: rows of
numbers."""
ANY_DATA: frozenset[DataKind] = frozenset(get_args(DataKind))
IMAGES: frozenset[DataKind] = frozenset({"image"})


class Chart(Model):
    """A chart of what a diagnostic measures, by epoch."""

    title: str
    values: tuple[str, ...]
    """The names of the drawn values in the diagnostic's entries of `GET /v1/runs/{id}/metrics`."""
    layers: str | None = None
    """The name of the value that names the layers; each drawn value then has a number for each of these."""
    is_share: bool = False
    """Whether the values are shares of 1."""
    is_log: bool = False
    """Whether the values are read on a logarithmic scale."""


class Ingredient(Model):
    """A part of a recipe. Variants of a family have a field `type`, the snake case of their class name."""

    main: ClassVar[str | None] = None
    """Name of the field that a bare value sets: `0.5` is short for `{"rate": 0.5}`."""

    hints: ClassVar[Mapping[str, str]] = {}
    """Messages for wrong field names that users may try: ambiguous names, and names of an earlier version."""

    later_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that were added to the language after its first version. Digests leave them out where they have their
    default, so that a recipe that does not use them keeps its digest."""

    charts: ClassVar[tuple[Chart, ...]] = ()
    """What of a diagnostic is drawn."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Adds the descriptions of the fields, and corrects the lengths of lists."""
        schema = super().__get_pydantic_json_schema__(core_schema, handler)
        correct_lengths(handler.resolve_ref_schema(schema).get("properties", {}))
        return schema


def correct_lengths(node: Any) -> None:
    """Renames the lengths of lists: pydantic gives them the names for texts if a validator comes before the list."""
    match node:
        case {"type": "array"}:
            for name, right in (("minLength", "minItems"), ("maxLength", "maxItems")):
                if name in node:
                    node[right] = node.pop(name)
            correct_lengths(node.get("items"))
        case dict():
            for inner in node.values():
                correct_lengths(inner)
        case list():
            for inner in node:
                correct_lengths(inner)
        case _:
            pass


class Off(Ingredient):
    """Switches a family off."""

    type: Literal["none"] = "none"


def with_field(family: Any, name: str) -> tuple[type[Ingredient], ...]:
    """Returns the variants of a family that have a field."""
    return tuple(kind for kind in get_args(family) if name in kind.model_fields)


def variants(annotation: object) -> dict[str, type[Ingredient]]:
    """Returns the ingredient classes within an annotation, by tag, or by class name if a class has no tag."""
    if isinstance(annotation, type) and issubclass(annotation, Ingredient):
        tag = annotation.model_fields["type"].default if "type" in annotation.model_fields else annotation.__name__
        return {tag: annotation}
    found: dict[str, type[Ingredient]] = {}
    for inner in get_args(annotation):
        found |= variants(inner)
    return found


def written_as(kind: type[Ingredient], value: object) -> object:
    """Expands a bare value to an object with the main field of `kind`; returns objects unchanged."""
    return value if isinstance(value, dict | Ingredient) else {kind.main: value}


def part(kind: type[Ingredient]) -> BeforeValidator:
    """Returns a validator for a part without variants: `"digits"` is short for `{"id": "digits"}`."""
    return BeforeValidator(lambda value: written_as(kind, value), json_schema_input_type=kind | str)


def variant(*, number: type[Ingredient] | None = None) -> Callable[[object], object]:
    """Returns a function that expands one variant. A string is the variant's name and null is `none`; a number, or an
    object without a type, is a variant of the class `number`."""

    def spell_out(value: object) -> object:
        if value is None:
            return {"type": "none"}
        if isinstance(value, str):
            return {"type": value}
        if number is not None and isinstance(value, dict) and "type" not in value:
            return {"type": number.model_fields["type"].default, **value}
        # In Python, true and false are integers.
        if number is not None and isinstance(value, int | float) and not isinstance(value, bool):
            return {"type": number.model_fields["type"].default, number.main: value}
        return value

    return spell_out


def one(family: Any, *, number: type[Ingredient] | None = None, short: Any = None) -> BeforeValidator:
    """Returns a validator for a family of which a recipe has one variant. `short` is the type of short forms that the
    class Recipe expands."""
    return BeforeValidator(variant(number=number), json_schema_input_type=posted(family, number, short))


def several(family: Any, *, number: type[Ingredient] | None = None) -> BeforeValidator:
    """Returns a validator for a family of which a recipe has a list. One object is short for a list of one, `none` for
    an empty list."""
    spell_out = variant(number=number)

    def spell_out_all(value: object) -> object:
        items = value if isinstance(value, list | tuple) else [value]
        spelt = [spell_out(item) for item in items]
        return tuple(item for item in spelt if item != {"type": "none"})

    item = posted(family | Off, number, None)
    return BeforeValidator(spell_out_all, json_schema_input_type=GenericAlias(list, (item,)) | item)


def posted(family: Any, number: type[Ingredient] | None, short: Any) -> Any:
    """Returns the JSON Schema type of all forms of one variant: the variant, its name, a number, null."""
    kinds = get_args(family)
    names = Literal[tuple(kind.model_fields["type"].default for kind in kinds)]  # type: ignore[valid-type]
    forms: Any = Annotated[family, Field(discriminator="type")] | names
    forms = forms | number | float if number is not None else forms
    forms = forms | short if short is not None else forms
    return forms | None if Off in kinds else forms


def as_names(value: object) -> object:
    """Converts a list to a tuple; one name is short for a list of one."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def as_tuple(value: object) -> object:
    """Converts a list to a tuple; one number is short for a list of one."""
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, int) else value
