"""Says in short tokens what a recipe has beyond the defaults: `batch_norm`, `dropout 0.5`, `seed 3`."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache

from pydantic_core import to_jsonable_python

from bakehouse.recipe.ingredient import Ingredient, variants
from bakehouse.recipe.recipe import Recipe

# A list of runs has the name and the labels in columns of their own. The seed comes last.
NAMES = tuple(name for name in Recipe.model_fields if name not in {"version", "name", "labels", "seed"})
LEFT_OUT_FIELDS = {"dataset": "id", "architecture": "type"}
# The canonical recipe has these in place of a default that depends on the data.
USUAL = {"loss": ("cross_entropy", "squared_error"), "placement": ("hidden",)}
MAX_CHARACTERS = 40


def recipe_tokens(document: Mapping[str, object]) -> list[str]:
    """Returns a token for each ingredient and each field of a canonical recipe that is not as by default, in the order
    of the recipe but with the seed last, without the data set and the architecture's type."""
    tokens: list[str] = []
    for name in (*NAMES, "seed"):
        if name in document and document[name] != default_of(Recipe, name):
            tokens += family_tokens(name, document[name])
    return [token if len(token) <= MAX_CHARACTERS else f"{token[: MAX_CHARACTERS - 1]}…" for token in tokens]


def family_tokens(name: str, value: object) -> Iterator[str]:
    """Yields the tokens of one field of the recipe."""
    kinds = kinds_of(Recipe, name)
    for item in value if kinds and isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            yield f"{name} {text_of(item)}"
        elif item.get("type") == "none":
            yield f"no {name}"
        elif "type" not in item or name in LEFT_OUT_FIELDS:
            kind = kinds.get(str(item.get("type"))) or next(iter(kinds.values()))
            changed = changes(kind, item, of_default=())
            yield from (f"{field} {changed[field]}" for field in changed if field != LEFT_OUT_FIELDS.get(name))
        else:
            yield text_of(item, kinds)


def text_of(value: object, kinds: Mapping[str, type[Ingredient]] | None = None) -> str:
    """Returns a value as text. An ingredient is its type, the value of its main field, and what else was changed."""
    match value:
        case dict() if kinds:
            kind = kinds.get(str(value.get("type"))) or next(iter(kinds.values()))
            # An ingredient is in the recipe for its main value, even if that is the default.
            changed = changes(kind, value, of_default=(kind.main,))
            main = [changed.pop(kind.main)] if kind.main in changed else []
            others = [f"{name} {text}" for name, text in changed.items()]
            return " ".join([*([str(value["type"])] if "type" in value else []), *main, *others])
        case float():
            return f"{value:.6g}"
        case list():
            return ",".join(text_of(item, kinds) for item in value) or "none"
        case None | bool():
            return {None: "none", True: "on", False: "off"}[value]
        case _:
            return str(value)


def changes(
    kind: type[Ingredient], item: Mapping[str, object], *, of_default: Collection[str | None]
) -> dict[str, str]:
    """Returns the text of each field that is not as by default, or that is in `of_default` and has a value."""
    shown = {
        name: value
        for name, value in item.items()
        if name in kind.model_fields and name != "type" and value not in USUAL.get(name, ())
        if value != default_of(kind, name) or (name in of_default and value is not None)
    }
    return {name: text_of(value, kinds_of(kind, name)) for name, value in shown.items()}


# The classes of the ingredients do not change while the process runs.
@cache
def default_of(kind: type[Ingredient], name: str) -> object:
    """Returns the default of a field as JSON; of a required field, a value that no field has."""
    info = kind.model_fields[name]
    return ... if info.is_required() else to_jsonable_python(info.default)


@cache
def kinds_of(kind: type[Ingredient], name: str) -> dict[str, type[Ingredient]]:
    return variants(kind.model_fields[name].annotation)
