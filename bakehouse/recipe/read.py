"""Reads a recipe from bytes, and reports every problem in it."""

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from itertools import islice
from typing import Any, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bakehouse.model import JsonObject
from bakehouse.recipe.hints import Index, hint_for_choice, hint_for_field, hint_for_variant, index_places
from bakehouse.recipe.ingredient import Ingredient, variants
from bakehouse.recipe.problems import (
    MAX_NAME_CHARACTERS,
    DuplicateKey,
    MalformedJson,
    Problem,
    RecipeInvalid,
    pointer,
    posted_pointer,
)
from bakehouse.recipe.recipe import Recipe

MAX_DEPTH = 32
MAX_NUMBER_CHARACTERS = 64
# From here on, not every integer is a double.
LARGEST_EXACT = 2**53
BYTE_ORDER_MARK = "\ufeff"
# 1 MiB of JSON can hold half a million values; to validate all of them would take minutes.
MAX_VALUES = 10_000
MAX_PROBLEMS = 100
# To find what a name is near to takes 0.3 ms, during which the service answers nobody else.
MAX_HINTS = 20

TYPE_NAMES = {
    "int_type": "integer", "float_type": "number", "string_type": "string", "bool_type": "true or false",
    "dict_type": "object", "model_type": "object", "model_attributes_type": "object", "tuple_type": "list",
    "int_from_float": "integer", "finite_number": "finite number",
}  # fmt: skip
PLAIN_MESSAGES = {
    "dict_type": "should be an object", "model_attributes_type": "should be the name of a variant, or an object",
    "model_type": "should be an object", "tuple_type": "should be a list", "list_type": "should be a list",
    "missing": "this field is required", "extra_forbidden": "unknown field",
}  # fmt: skip
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
# `adamw` is short for `adam` and a regularizer, so that its class lacks this field.
ADAMW_FIELDS = ("weight_decay",)
Repeated = dict[int, tuple[JsonObject, str]]
"""Objects with a key that occurs twice, by their ids, which are theirs only while they are kept."""
BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def parse_json(body: bytes | str) -> Any:
    """Parses a JSON document that has only one meaning: no NaN, no duplicate keys, no lone surrogates; at most 32
    levels and 10,000 values. A byte-order mark before it is skipped.

    Raises MalformedJson if the document is anything else.
    """
    repeated: Repeated = {}
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        document = json.loads(
            text.removeprefix(BYTE_ORDER_MARK),
            object_pairs_hook=partial(as_object, repeated),
            parse_constant=refuse_constant,
            parse_float=finite_number,
            parse_int=short_int,
        )
        check_size(document)
        if repeated:
            raise DuplicateKey(path_of_key(document, repeated))
        # Only encoding finds lone surrogates, which Python's parser accepts.
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        is_utf_16 = isinstance(body, bytes) and body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        remedy = "; the text is UTF-16, so save it as UTF-8" if is_utf_16 else ""
        raise MalformedJson(f"not UTF-8: byte {error.start} is invalid{remedy}") from error
    except UnicodeEncodeError as error:
        raise MalformedJson("a string contains half of a surrogate pair") from error
    except json.JSONDecodeError as error:
        raise MalformedJson(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    # The parser itself may fail on a deep document, before check_size sees it.
    except RecursionError as error:
        raise MalformedJson(f"nested deeper than {MAX_DEPTH} levels") from error
    return document


def as_object(repeated: Repeated, pairs: list[tuple[str, Any]]) -> JsonObject:
    """Returns a JSON object as a dict, and notes a key that occurs twice."""
    result = dict(pairs)
    if len(result) < len(pairs):
        repeated[id(result)] = result, Counter(key for key, _ in pairs).most_common(1)[0][0]
    return result


def unique_keys(pairs: list[tuple[str, Any]]) -> JsonObject:
    """Returns a JSON object as a dict, for parsers that say no places; raises MalformedJson if a key occurs twice."""
    repeated: Repeated = {}
    result = as_object(repeated, pairs)
    for _, key in repeated.values():
        raise DuplicateKey([key])
    return result


def path_of_key(document: object, repeated: Repeated) -> list[str | int]:
    """Returns the path of the first key that occurs twice in its object."""
    waiting: list[tuple[Any, list[str | int]]] = [(document, [])]
    for node, path in waiting:
        if id(node) in repeated:
            return [*path, repeated[id(node)][1]]
        inside = node.items() if isinstance(node, dict) else enumerate(node)
        waiting += [(child, [*path, key]) for key, child in inside if isinstance(child, dict | list)]
    # The object itself was the value of a key that occurs twice, of which the later one counts.
    raise AssertionError("an object with a key twice is in the document")


def refuse_constant(name: str) -> float:
    """Raises MalformedJson for NaN and the infinities, which Python's parser would accept."""
    raise MalformedJson(f"{name} is not JSON")


def finite_number(text: str) -> float | int:
    """Parses a number with a point or an exponent; raises MalformedJson if it does not fit a double.

    A number without a fraction is an integer: JSON Schema, and many languages, do not tell 2.0 from 2.
    """
    if len(text) > MAX_NUMBER_CHARACTERS or not math.isfinite(float(text)):
        raise MalformedJson(f"the number {text[:MAX_NUMBER_CHARACTERS]} is too large or too long")
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < LARGEST_EXACT else number


def short_int(text: str) -> int:
    """Parses an integer; raises MalformedJson if it has more than 64 characters."""
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise MalformedJson(f"a number has {len(text)} digits; at most {MAX_NUMBER_CHARACTERS} are allowed")
    return int(text)


def check_size(document: object) -> None:
    """Raises MalformedJson if a document is too deep or too large; works without recursion."""
    values = 1
    for depth, level in enumerate(levels(document), start=1):
        if depth > MAX_DEPTH:
            raise MalformedJson(f"nested deeper than {MAX_DEPTH} levels")
        values += sum(len(node) for node in level)
        if values > MAX_VALUES:
            raise MalformedJson(f"more than {MAX_VALUES} values")


def has_more_values(document: object, limit: int) -> bool:
    """Returns whether a document has more than `limit` values."""
    return sum(len(node) for level in levels(document) for node in level) > limit


def levels(document: object) -> Iterator[list[Any]]:
    """Yields the objects and lists of a document, level by level."""
    level = children([document])
    while level:
        yield level
        level = [child for node in level for child in children(node)]


def children(node: object) -> list[Any]:
    """Returns the objects and lists directly inside a node; only these count as a level."""
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [child for child in inside if isinstance(child, dict | list)]


def read_recipe(document: object) -> Recipe:
    """Returns the recipe of a JSON document, with short forms spelt out.

    Raises RecipeInvalid with the problems of the document, at most 100 of them.
    """
    if not isinstance(document, dict):
        raise RecipeInvalid([Problem(pointer="", code="object_type", message="a recipe is a JSON object")])
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise RecipeInvalid(islice(translate(document, error.errors(include_url=False)), MAX_PROBLEMS)) from error


def translate(document: object, errors: list[ErrorDetails]) -> Iterator[Problem]:
    """Yields pydantic's errors as problems with pointers into the posted document, the first of them with hints."""
    for number, error in enumerate(errors):
        has_hint = number < MAX_HINTS
        kind = error["type"]
        context = error.get("ctx", {})
        path: list[str | int] = list(error["loc"])
        allowed: tuple[str, ...] | None = None
        match kind:
            case "extra_forbidden":
                code, (message, allowed) = "unknown_field", unknown_field(document, path, has_hint=has_hint)
            case "union_tag_invalid" | "union_tag_not_found":
                code, (message, allowed) = "unknown_variant", unknown_variant(path, error, has_hint=has_hint)
                # pydantic's path ends at the object, but the fault is in its type.
                path.append("type")
            case "missing":
                code = "missing"
                message = required(document, path)
            case "literal_error":
                code = "not_allowed"
                allowed = quoted(context["expected"])
                hint = hint_for_choice(error["input"], allowed) if has_hint and len(allowed) > 1 else ""
                message = f"should be {context['expected']}{hint}"
            case "value_error":
                code = "conflict"
                message = str(context["error"])
            case _:
                code = kind
                allowed = tuple(bounds(kind, context)) or None
                message = wrong_value(path, error)
        yield Problem(pointer=posted_pointer(document, located(path)[1]), code=code, message=message, allowed=allowed)


def plain(error: ErrorDetails) -> str:
    """Returns pydantic's message in plain words: `Input should be` becomes `should be`."""
    shortened = re.sub(r"^\w+ should", "should", error["msg"]).replace(" after validation", "")
    return PLAIN_MESSAGES.get(error["type"], shortened)


def required(document: object, path: list[str | int]) -> str:
    """Returns the message for a missing field. It names the field if the pointer leads to a bare value instead."""
    _, plain_path = located(path)
    if posted_pointer(document, plain_path) == pointer(plain_path):
        return "this field is required"
    return f"needs an object with {path[-1]!r}, which is required"


def wrong_value(path: list[str | int], error: ErrorDetails) -> str:
    """Returns the message for a value of the wrong type or out of range."""
    kind = error["type"]
    value = error["input"]
    if kind == "model_attributes_type" and isinstance(value, bool):
        return bool_for_variant(path, is_on=value)
    if kind == "int_type" and isinstance(value, bool | float):
        return f"should be an integer, not {json.dumps(value)}"
    if kind == "model_attributes_type" and isinstance(value, list | float | int):
        return f"{PLAIN_MESSAGES[kind]}, not a {'list' if isinstance(value, list) else 'number'}"
    if value is None:
        return f"{plain(error)}, not null"
    if kind in ("int_type", "float_type") and isinstance(value, str) and NUMBER.fullmatch(value):
        return f"{plain(error)}, without quotation marks"
    return plain(error)


def bool_for_variant(path: list[str | int], *, is_on: bool) -> str:
    """Returns the message for true or false in place of an ingredient."""
    tags = names_at(path)
    if not is_on and "none" in tags:
        return 'should be "none" to switch it off, not false'
    name = str(path[0])
    default = Recipe.model_fields[name].default
    chosen = getattr(default, "type", "none")
    if chosen == "none":
        chosen = next(tag for tag in tags if tag != "none")
        return f'should be the name of a variant, such as "{chosen}", or an object, not {json.dumps(is_on)}'
    short = f", or {getattr(default, default.main)} for its {default.main}" if default.main else ""
    return f'should be the name of a variant, such as "{chosen}"{short}, which is the default; not {json.dumps(is_on)}'


@cache
def index() -> Index:
    """Returns the places of all names that a recipe can contain."""
    return index_places(Recipe)


def unknown_field(document: Any, path: list[str | int], *, has_hint: bool) -> tuple[str, tuple[str, ...]]:
    """Returns the message for an unknown field, perhaps with a hint, and the names of all fields."""
    name = str(path[-1])[:MAX_NAME_CHARACTERS]
    owner, plain_path = located(path[:-1])
    extra = ADAMW_FIELDS if plain_path == ["optimizer"] and is_adamw(document["optimizer"]) else ()
    hint = hint_for_field(name, owner, field_names(plain_path), index(), extra) if has_hint else ""
    return f"unknown field {name!r}{hint}", (*owner.model_fields, *extra)


def unknown_variant(path: list[str | int], error: ErrorDetails, *, has_hint: bool) -> tuple[str, tuple[str, ...]]:
    """Returns the message for an unknown variant, perhaps with a hint, and the names of all variants."""
    tags = names_at(path)
    given = error.get("ctx", {}).get("tag")
    if given is None:
        return f"needs a type{hint_for_type(error['input'], tags)}", tags
    shown = str(given)[:MAX_NAME_CHARACTERS]
    if NUMBER.fullmatch(shown):
        return f"unknown variant {shown!r}; a number has no quotation marks", tags
    hint = hint_for_variant(shown, field_names(located(path)[1]), tags, index()) if has_hint else ""
    return f"unknown variant {shown!r}{hint}", tags


def field_names(path: list[str | int]) -> list[str]:
    """Returns a path without the indexes of lists."""
    return [step for step in path if isinstance(step, str)]


def hint_for_type(value: Any, tags: tuple[str, ...]) -> str:
    """Returns how to write an object that has its type under another name, or as its only field."""
    for name in value if isinstance(value, dict) else ():
        if name in tags:
            return f', as in {{"type": "{name}", ...}}'
        if name in ("name", "kind", "class", "variant") and value[name] in tags:
            return f': write "type" instead of "{name}"'
    return ""


def names_at(path: list[str | int]) -> tuple[str, ...]:
    """Returns all names that the family at a path accepts, short forms included."""
    tags = tuple(variants_at(path))
    # A list that is off is empty, so that its family has no variant `none`.
    if get_origin(Recipe.model_fields[str(path[0])].annotation) is tuple:
        return (*tags, "none")
    return (*tags, "adamw") if path == ["optimizer"] else tags


def is_adamw(optimizer: object) -> bool:
    """Returns whether an optimizer is the short form that adds a field to `adam`."""
    return isinstance(optimizer, dict) and optimizer.get("type") == "adamw"


def located(path: list[str | int]) -> tuple[type[Ingredient], list[str | int]]:
    """Returns the class at a path from pydantic, and the path without the tags of variants."""
    owner: type[Ingredient] = Recipe
    family: dict[str, type[Ingredient]] = {}
    plain: list[str | int] = []
    for step in path:
        # pydantic puts the tag of a variant into the path as a step of its own.
        if step in family:
            owner, family = family[str(step)], {}
            continue
        plain.append(step)
        if step in owner.model_fields:
            family = variants(owner.model_fields[str(step)].annotation)
            # A family of one class has no tag in the path.
            if len(family) == 1:
                owner, family = family.popitem()[1], {}
    return owner, plain


def variants_at(path: list[str | int]) -> dict[str, type[Ingredient]]:
    """Returns the variants of the family at a path, by tag."""
    fields = field_names(path)
    owner, _ = located(list(fields[:-1]))
    return variants(owner.model_fields[fields[-1]].annotation)


def quoted(expected: str) -> tuple[str, ...]:
    """Returns the names in pydantic's list of literals."""
    return tuple(re.findall(r"'([^']*)'", expected)) or (expected,)


def short_number(value: float) -> str:
    """Returns a bound as text, a whole number with all of its digits."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def bounds(kind: str, context: JsonObject) -> Iterator[str]:
    """Yields the allowed type or range as text."""
    if kind in TYPE_NAMES:
        yield TYPE_NAMES[kind]
    yield from (f"{sign} {short_number(context[name])}" for name, sign in BOUNDS.items() if name in context)
    yield from (f"{name.replace('_', ' ')} {context[name]}" for name in ("min_length", "max_length") if name in context)
    if "pattern" in context:
        yield f"a match of {context['pattern']}"
