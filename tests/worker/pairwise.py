"""Recipes that hold, between them, every pair of variants of two families that can be trained together."""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from bakehouse.recipe.ingredient import Ingredient, Off, variants
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from tests.small_trainings import Document
from tests.worker.variants import BASES, choices, needed

Level = tuple[str, int]
"""A family, and which of its choices."""
Chosen = dict[str, int]
Trainable = Callable[[Document], bool]

SHAPE = ("data", "architecture")
"""What every recipe has; the rest can be left out."""
COMMON: Document = {"batch_size": 16, "epochs": 2}
"""Few rows in a batch, since there are few in all."""


def families() -> dict[str, list[Document]]:
    """What may be written for each family: its variants, or the choices of a part that has none. Data and
    architectures are those of the small recipes; other architectures as they are by default."""
    recipes = [read_recipe(base) for base in BASES]
    small: Document = {recipe.architecture.type: recipe.architecture.model_dump(mode="json") for recipe in recipes}
    found: dict[str, list[Document]] = {"data": [{"dataset": dataset} for dataset in datasets()]}
    for family, field in Recipe.model_fields.items():
        written = [{family: value} for kind in variants(field.annotation).values() for value in values(kind)]
        found[family] = written or [{family: value} for name, value in choices(Recipe) if name == family]
    tags = variants(Recipe.model_fields["architecture"].annotation)
    found["architecture"] = [{"architecture": small.get(tag, {"type": tag})} for tag in tags]
    return {name: levels for name, levels in found.items() if len(levels) > 1}


def datasets() -> list[Document]:
    """The data sets of the small recipes; of a table, with the column to learn."""
    found = dict.fromkeys((recipe.dataset.id, recipe.dataset.target) for recipe in map(read_recipe, BASES))
    return [{"id": name, **({"target": target} if target else {})} for name, target in found]


def values(kind: type[Ingredient]) -> Iterator[Document]:
    """A variant with its defaults; each choice of a part without variants."""
    if "type" not in kind.model_fields:
        yield from ({name: value} for name, value in choices(kind))
    elif kind is not Off:
        slow = {"lr": 1e-3} if "lr" in kind.model_fields else {}
        yield {"type": kind.model_fields["type"].default, **slow, **needed(kind)}


class Covering:
    """A greedy covering array: what can be trained is tried, not declared."""

    def __init__(self, trains: Trainable) -> None:
        self.trains, self.levels = trains, families()
        singles = [(family, index) for family, levels in self.levels.items() for index in range(len(levels))]
        self.missing = {pair for pair in combinations(singles, 2) if pair[0][0] != pair[1][0]}

    def document(self, chosen: Chosen) -> Document:
        """The recipe of these choices."""
        parts = [self.levels[family][index] for family, index in chosen.items()]
        names = dict.fromkeys(name for part in parts for name in part)
        return {**COMMON, **{name: joined([part[name] for part in parts if name in part]) for name in names}}

    def recipes(self) -> Iterator[Document]:
        """Until every pair has been trained or found to be refused with all data and architectures."""
        for pair in sorted(self.missing):
            if pair not in self.missing:
                continue
            chosen = self.with_shape(dict(pair))
            if chosen is None:
                continue
            for family in self.levels:
                if family not in chosen:
                    chosen = self.with_family(chosen, family)
            self.missing -= covered(chosen)
            yield self.document(chosen)

    def with_shape(self, chosen: Chosen) -> Chosen | None:
        """The same on the first data and architecture that it fits."""
        for data in self.free("data", chosen):
            for architecture in self.free("architecture", chosen):
                tried = {**chosen, "data": data, "architecture": architecture}
                if self.trains(self.document(tried)):
                    return tried
        return None

    def free(self, family: str, chosen: Chosen) -> list[int]:
        """What a family can be."""
        return [chosen[family]] if family in chosen else list(range(len(self.levels[family])))

    def with_family(self, chosen: Chosen, family: str) -> Chosen:
        """The same with the choice that covers most of what is missing and can be trained; without, if none is."""
        tried = [{**chosen, family: index} for index in range(len(self.levels[family]))]
        gains = [len(self.missing & covered(each)) for each in tried]
        least = len(self.missing & covered(chosen))
        for place in sorted(range(len(tried)), key=lambda place: -gains[place]):
            if gains[place] > least and self.trains(self.document(tried[place])):
                return tried[place]
        return chosen


def joined(values: list[Any]) -> Any:
    """What two families say of the same field of the recipe."""
    return values[0] if len(values) == 1 else {name: item for value in values for name, item in value.items()}


def covered(chosen: Chosen) -> set[tuple[Level, Level]]:
    """The pairs of these choices, each in both orders."""
    return {pair for two in combinations(chosen.items(), 2) for pair in (two, two[::-1])}


def canonical(document: Document) -> dict[str, Any]:
    """With every default spelt out."""
    return read_recipe(document).canonical()
