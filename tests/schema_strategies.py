"""Random recipes generated from the JSON Schema of the recipe language."""

import math
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from bakehouse.recipe.recipe import Recipe

Schema = dict[str, Any]
Strategy = st.SearchStrategy[Any]

LARGE = 12
"""Most integers are at maximum this far above the minimum; a few are the maximum."""
MAX_ITEMS = 3
MAX_FIELDS = 4
"""Optional fields in a recipe or a variant. A recipe with more of them would nearly always be refused."""


def posted_recipes(fixed: Mapping[str, Strategy]) -> Strategy:
    """Any recipe that the schema allows; `fixed` replaces the strategies of some of its definitions."""
    schema = Recipe.model_json_schema(mode="validation")
    return objects(schema, Definitions(schema["$defs"], fixed))


class Definitions:
    """A strategy for each of the schema's `$defs`, made when it is first referenced."""

    def __init__(self, schemas: Mapping[str, Schema], fixed: Mapping[str, Strategy]) -> None:
        assert fixed.keys() <= schemas.keys()
        self.schemas = schemas
        self.strategies = dict(fixed)

    def __getitem__(self, reference: str) -> Strategy:
        name = reference.rpartition("/")[2]
        if name not in self.strategies:
            self.strategies[name] = any_value(self.schemas[name], self)
        return self.strategies[name]


def any_value(schema: Schema, definitions: Definitions) -> Strategy:
    """Any document that a schema allows, with sizes and lengths kept small."""
    match schema:
        case {"$ref": reference}:
            return definitions[reference]
        case {"const": value}:
            return st.just(value)
        case {"enum": values}:
            return st.sampled_from(values)
        case {"anyOf": choices} | {"oneOf": choices}:
            return st.one_of([any_value(choice, definitions) for choice in choices])
        case {"type": "object"}:
            return objects(schema, definitions)
        case {"type": "array"}:
            return arrays(schema, definitions)
        case {"type": "integer"}:
            return integers(schema)
        case {"type": "number"}:
            return numbers(schema)
        case {"type": "string"}:
            return strings(schema)
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "null"}:
            return st.none()
        case _:
            raise AssertionError(f"no strategy for this schema: {schema}")


def objects(schema: Schema, definitions: Definitions) -> Strategy:
    """Objects with all required fields and a few optional ones."""
    fields = {name: any_value(field, definitions) for name, field in schema.get("properties", {}).items()}
    always = {name: fields.pop(name) for name in list(fields) if name in {*schema.get("required", ()), "type"}}

    def with_some(names: set[str]) -> Strategy:
        return st.fixed_dictionaries({**always, **{name: fields[name] for name in sorted(names)}})

    if not fields:
        return st.fixed_dictionaries(always)
    return st.sets(st.sampled_from(sorted(fields)), max_size=MAX_FIELDS).flatmap(with_some)


def arrays(schema: Schema, definitions: Definitions) -> Strategy:
    """Short lists."""
    if "prefixItems" in schema:
        return st.tuples(*(any_value(item, definitions) for item in schema["prefixItems"])).map(list)
    minimum = schema.get("minItems", 0)
    return st.lists(any_value(schema["items"], definitions), min_size=minimum, max_size=max(minimum, MAX_ITEMS))


def integers(schema: Schema) -> Strategy:
    """Mostly small integers, and sometimes the default or the maximum."""
    minimum: int = schema.get("minimum", schema.get("exclusiveMinimum", -LARGE - 1) + 1)
    maximum: int = schema.get("maximum", schema.get("exclusiveMaximum", minimum + LARGE + 1) - 1)
    return st.integers(minimum, min(maximum, minimum + LARGE)) | st.sampled_from(
        [maximum, schema.get("default") or minimum]
    )


def numbers(schema: Schema) -> Strategy:
    """Numbers near the minimum, and numbers of any size between the bounds; bounds that are allowed are included."""
    minimum = float(schema.get("minimum", schema.get("exclusiveMinimum", -1e3)) or 0)
    maximum = float(schema.get("maximum", schema.get("exclusiveMaximum", 1e3)) or 0)
    exclude_min, exclude_max = "exclusiveMinimum" in schema, "exclusiveMaximum" in schema
    between = st.floats(minimum, maximum, exclude_min=exclude_min, exclude_max=exclude_max, allow_nan=False)
    near = st.floats(
        minimum, min(maximum, minimum + 1), exclude_min=exclude_min, exclude_max=exclude_max and maximum <= minimum + 1
    )
    return (near | between).filter(math.isfinite)


def strings(schema: Schema) -> Strategy:
    """Texts that match the pattern, or any short text."""
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 20), 20))
