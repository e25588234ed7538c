"""Finds the ingredients of a recipe that are on, and switches them off."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bakehouse.model import JsonObject
from bakehouse.recipe.ingredient import Ingredient, Off
from bakehouse.recipe.recipe import Recipe

# They do not change how the weights are trained, or they decide how long, which is no trick to compare by itself.
ONLY_IF_NAMED = ("early_stopping", "diagnostics")
# The families whose variant that stands for "off" is not `none`.
OFF_VALUES = {"schedule": "constant"}


@dataclass(frozen=True)
class Switch:
    """An ingredient that is on, by its place in the canonical recipe."""

    name: str
    """The ingredient's type, such as `random_crop`, or its field if it has none; numbered if the recipe has two."""
    family: str
    path: tuple[str | int, ...]


def switches(recipe: Recipe) -> list[Switch]:
    """Returns the ingredients of a recipe that are on and can be switched off."""
    found = [*in_families(recipe), *in_objective(recipe)]
    counts = Counter(switch.name for switch in found)
    seen: Counter[str] = Counter()
    named = []
    for switch in found:
        seen[switch.name] += 1
        name = switch.name if counts[switch.name] == 1 else f"{switch.name} {seen[switch.name]}"
        named.append(Switch(name, switch.family, switch.path))
    return named


def in_families(recipe: Recipe) -> Iterator[Switch]:
    for family, field in type(recipe).model_fields.items():
        value = getattr(recipe, family)
        if isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, Ingredient):
                    yield Switch(type_of(item, family), family, (family, index))
        elif is_on(value, family) and (family in OFF_VALUES or has_off(field.annotation)):
            yield Switch(type_of(value, family), family, (family,))


def in_objective(recipe: Recipe) -> Iterator[Switch]:
    """Yields the add-ons of the objective, such as label smoothing."""
    for name in type(recipe.objective).model_fields:
        if isinstance(getattr(recipe.objective, name), Ingredient):
            yield Switch(name, name, ("objective", name))


def is_on(value: object, family: str) -> bool:
    return isinstance(value, Ingredient) and type_of(value, family) != OFF_VALUES.get(family, "none")


def type_of(item: Ingredient, otherwise: str) -> str:
    return str(getattr(item, "type", otherwise))


def has_off(annotation: object) -> bool:
    """Returns whether a family has the variant `none`."""
    return Off in getattr(annotation, "__args__", ())


def switched_off(document: JsonObject, off: Collection[Switch]) -> JsonObject:
    """Returns a canonical recipe without some of its ingredients."""
    changed = dict(document)
    dropped: dict[str, set[int]] = {}
    for switch in off:
        match switch.path:
            case (str(family),):
                changed[family] = OFF_VALUES.get(family, "none")
            case (str(family), int(index)):
                dropped.setdefault(family, set()).add(index)
            case (str(family), str(field)):
                changed[family] = {**changed[family], field: None}
            case _:
                raise AssertionError(switch.path)
    for family, indexes in dropped.items():
        changed[family] = [item for index, item in enumerate(document[family]) if index not in indexes]
    return changed
