"""Recipes drawn from the JSON Schema that tells users what may be posted."""

import math
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from bakehouse.recipe.recipe import Recipe

Schema = dict[str, Any]
Drawn = st.SearchStrategy[Any]

LARGE = 12
"""Sizes between a field's least and this are drawn often, its greatest seldom."""
MAX_ITEMS = 3
MAX_FIELDS = 4
"""Of the recipe, beside those that it must have; of a variant too. More of them would nearly always be refused."""


def posted(fixed: Mapping[str, Drawn]) -> Drawn:
    """What the schema allows; `fixed` says what is drawn for some of its definitions."""
    schema = Recipe.model_json_schema(mode="validation")
    return of_object(schema, Definitions(schema["$defs"], fixed))


class Definitions:
    """The schema's `$defs` as strategies."""

    def __init__(self, schemas: Mapping[str, Schema], fixed: Mapping[str, Drawn]) -> None:
        assert fixed.keys() <= schemas.keys()
        self.schemas, self.drawn = schemas, dict(fixed)

    def __getitem__(self, reference: str) -> Drawn:
        name = reference.rpartition("/")[2]
        if name not in self.drawn:
            self.drawn[name] = of(self.schemas[name], self)
        return self.drawn[name]


def of(schema: Schema, definitions: Definitions) -> Drawn:
    """Any document that a schema allows, with sizes and lengths kept small."""
    match schema:
        case {"$ref": reference}:
            return definitions[reference]
        case {"const": value}:
            return st.just(value)
        case {"enum": values}:
            return st.sampled_from(values)
        case {"anyOf": choices} | {"oneOf": choices}:
            return st.one_of([of(choice, definitions) for choice in choices])
        case {"type": "object"}:
            return of_object(schema, definitions)
        case {"type": "array"}:
            return of_array(schema, definitions)
        case {"type": "integer"}:
            return of_integer(schema)
        case {"type": "number"}:
            return of_number(schema)
        case {"type": "string"}:
            return of_text(schema)
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "null"}:
            return st.none()
        case _:
            raise AssertionError(f"the schema says something new: {schema}")


def of_object(schema: Schema, definitions: Definitions) -> Drawn:
    """All that is required, and a few of the others."""
    fields = {name: of(field, definitions) for name, field in schema.get("properties", {}).items()}
    always = {name: fields.pop(name) for name in list(fields) if name in {*schema.get("required", ()), "type"}}

    def with_some(names: set[str]) -> Drawn:
        return st.fixed_dictionaries({**always, **{name: fields[name] for name in sorted(names)}})

    if not fields:
        return st.fixed_dictionaries(always)
    return st.sets(st.sampled_from(sorted(fields)), max_size=MAX_FIELDS).flatmap(with_some)


def of_array(schema: Schema, definitions: Definitions) -> Drawn:
    """A few items."""
    if "prefixItems" in schema:
        return st.tuples(*(of(item, definitions) for item in schema["prefixItems"])).map(list)
    least = schema.get("minItems", 0)
    return st.lists(of(schema["items"], definitions), min_size=least, max_size=max(least, MAX_ITEMS))


def of_integer(schema: Schema) -> Drawn:
    """Small ones, the default, and the greatest."""
    least: int = schema.get("minimum", schema.get("exclusiveMinimum", -LARGE - 1) + 1)
    most: int = schema.get("maximum", schema.get("exclusiveMaximum", least + LARGE + 1) - 1)
    return st.integers(least, min(most, least + LARGE)) | st.sampled_from([most, schema.get("default") or least])


def of_number(schema: Schema) -> Drawn:
    """Of every size between the bounds, and the bounds where they are allowed."""
    least = float(schema.get("minimum", schema.get("exclusiveMinimum", -1e3)) or 0)
    most = float(schema.get("maximum", schema.get("exclusiveMaximum", 1e3)) or 0)
    open_least, open_most = "exclusiveMinimum" in schema, "exclusiveMaximum" in schema
    between = st.floats(least, most, exclude_min=open_least, exclude_max=open_most, allow_nan=False)
    near = st.floats(least, min(most, least + 1), exclude_min=open_least, exclude_max=open_most and most <= least + 1)
    return (near | between).filter(math.isfinite)


def of_text(schema: Schema) -> Drawn:
    """A match of the pattern, or any text."""
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 20), 20))
