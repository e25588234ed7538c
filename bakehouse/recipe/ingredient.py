"""What every ingredient shares: the closed model, its short forms, and the variant called none."""

from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from bakehouse.model import Model


class Ingredient(Model):
    """A part of a recipe. Variants of one family carry `type`, the snake case of their class name."""

    main: ClassVar[str | None] = None
    """The field that a bare value stands for: `0.5` for `{"rate": 0.5}`."""

    hints: ClassVar[Mapping[str, str]] = {}
    """Names that users try and that would be ambiguous, with what to write instead."""


class Off(Ingredient):
    """Without this family."""

    type: Literal["none"] = "none"


def written_as(kind: type[Ingredient], value: object) -> object:
    """A bare value becomes the main field of `kind`; objects stay."""
    return value if isinstance(value, dict | Ingredient) else {kind.main: value}


def part(kind: type[Ingredient]) -> BeforeValidator:
    """A part without variants: `"digits"` is short for `{"id": "digits"}`."""
    return BeforeValidator(lambda value: written_as(kind, value), json_schema_input_type=kind | str)


def variant(*, number: type[Ingredient] | None = None) -> Callable[[object], object]:
    """Spells out one variant: a string names it, null is none; a number is the main field of `number`, and an
    object without a type is one."""

    def spell_out(value: object) -> object:
        if value is None:
            return {"type": "none"}
        if isinstance(value, str):
            return {"type": value}
        if number is not None and isinstance(value, dict) and "type" not in value:
            return {"type": number.model_fields["type"].default, **value}
        if number is not None and isinstance(value, int | float) and not isinstance(value, bool):
            return {"type": number.model_fields["type"].default, number.main: value}
        return value

    return spell_out


def one(family: Any, *, number: type[Ingredient] | None = None, short: Any = None) -> BeforeValidator:
    """A family of which a recipe has one variant; `short` is the type of what the recipe itself spells out."""
    return BeforeValidator(variant(number=number), json_schema_input_type=posted(family, number, short))


def several(family: Any, *, number: type[Ingredient] | None = None) -> BeforeValidator:
    """A family of which a recipe has a list; one object stands for a list of one, none for an empty list."""
    spell_out = variant(number=number)

    def spell_out_all(value: object) -> object:
        items = value if isinstance(value, list | tuple) else [value]
        spelt = [spell_out(item) for item in items]
        return tuple(item for item in spelt if item != {"type": "none"})

    item = posted(family | Off, number, None)
    return BeforeValidator(spell_out_all, json_schema_input_type=GenericAlias(list, (item,)) | item)


def posted(family: Any, number: type[Ingredient] | None, short: Any) -> Any:
    """The type of what may be posted for one variant, for JSON Schema: the variant, its name, a number, null."""
    kinds = get_args(family)
    names = Literal[tuple(kind.model_fields["type"].default for kind in kinds)]  # type: ignore[valid-type]
    forms: Any = Annotated[family, Field(discriminator="type")] | names
    forms = forms | number | float if number is not None else forms
    forms = forms | short if short is not None else forms
    return forms | None if Off in kinds else forms


def as_tuple(value: object) -> object:
    """A list of plain numbers; one number stands for a list of one."""
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, int) else value
