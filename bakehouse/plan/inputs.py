"""Describes the columns that are inputs of a model, and the features that they become."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Literal

from bakehouse.model import JsonObject

InputKind = Literal["number", "boolean", "category", "date"]
DAY_SECONDS = 86_400.0
CYCLES = {"year": 365.2425 * DAY_SECONDS, "week": 7 * DAY_SECONDS, "day": DAY_SECONDS}
"""The lengths in seconds of the cycles by which a date is encoded. 365.2425 days are the mean year of the calendar."""


@dataclass(frozen=True)
class Input:
    """A column that is an input, as a recipe takes it."""

    name: str
    kind: InputKind
    classes: tuple[str, ...] = ()
    """The texts that are stored as 0, 1, ...: the classes of a category, or the two texts of a boolean."""
    form: str | None = field(default=None, compare=False)
    """How numbers or dates are written in the file."""
    has_gaps: bool = False
    """Whether a cell may be empty."""
    has_flag: bool = False
    """Whether a feature says where the cell is empty."""
    has_times: bool = False
    """Whether a date has a time of day."""

    def describe(self) -> JsonObject:
        """Returns how a cell becomes the number that the model gets, without what is not so."""
        facts = {"name": self.name, "kind": self.kind, "classes": self.classes, "form": self.form}
        return {name: value for name, value in facts.items() if value}

    @property
    def is_encoded(self) -> bool:
        """Whether the column needs more than to be scaled."""
        return self.has_gaps or self.kind in ("category", "date")

    @property
    def cycles(self) -> tuple[str, ...]:
        """The cycles that encode a date."""
        return () if self.kind != "date" else tuple(CYCLES) if self.has_times else ("year", "week")


@dataclass(frozen=True)
class Encoding:
    """The features that the columns of a row become: all numbers first, then the cycles of dates, the flags of empty
    cells, and a block of one-hot features for each category."""

    inputs: tuple[Input, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The positions of the columns that become a scaled number."""
        return tuple(place for place, each in enumerate(self.inputs) if each.kind != "category")

    @property
    def cycles(self) -> tuple[tuple[int, float], ...]:
        """The position of the column and the length in seconds of each cycle."""
        return tuple((place, CYCLES[name]) for place, each in enumerate(self.inputs) for name in each.cycles)

    @property
    def flags(self) -> tuple[int, ...]:
        """The positions of the columns whose empty cells a feature shows."""
        return tuple(place for place, each in enumerate(self.inputs) if each.has_flag)

    @property
    def categories(self) -> tuple[tuple[int, int], ...]:
        """The position of the column and the number of classes of each category."""
        return tuple((place, len(each.classes)) for place, each in enumerate(self.inputs) if each.kind == "category")

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """The first feature and the number of features of each category."""
        counts = [count for _, count in self.categories]
        first = self.width - sum(counts)
        return tuple(zip(accumulate(counts[:-1], initial=first), counts, strict=True)) if counts else ()

    @property
    def width(self) -> int:
        """The number of features."""
        classes = sum(count for _, count in self.categories)
        return len(self.numbers) + 2 * len(self.cycles) + len(self.flags) + classes

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features, in order."""
        return tuple(
            chain(
                (self.inputs[place].name for place in self.numbers),
                self._cycle_names(),
                (f"{self.inputs[place].name} is empty" for place in self.flags),
                self._class_names(),
            )
        )

    def _class_names(self) -> Iterator[str]:
        for each in self.inputs:
            if each.kind == "category":
                yield from (f"{each.name} = {name}" for name in each.classes)

    def _cycle_names(self) -> Iterator[str]:
        for each in self.inputs:
            for cycle in each.cycles:
                yield f"{each.name}, sine of the {cycle}"
                yield f"{each.name}, cosine of the {cycle}"
