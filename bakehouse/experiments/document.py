"""Defines the document of an experiment: what is posted to `/v1/experiments`."""

from typing import Annotated, Literal

from pydantic import Field

from bakehouse.model import JsonObject, Model

MAX_RUNS = 1000
MAX_FACTORS = 6
Name = Annotated[str, Field(min_length=1, max_length=200)]
ArmName = Annotated[str, Field(min_length=1, max_length=100)]
Pointer = Annotated[str, Field(pattern="^(/[^/]*)+$", max_length=256)]
"""A JSON Pointer into the recipe, such as `/optimizer/lr`."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Priority = Annotated[int, Field(ge=-1000, le=1000)]


class Variants(Model):
    """Compares recipes that are each made from the recipe by a JSON merge patch."""

    type: Literal["variants"]
    variants: dict[ArmName, JsonObject] = Field(min_length=2, max_length=MAX_RUNS)
    """The merge patch of each arm, as in a fork; `{}` is the recipe itself."""
    baseline: ArmName | None = None
    """The arm that the others are compared with; by default the first one."""


class Grid(Model):
    """Compares all combinations of values; the first value of each axis is the baseline."""

    type: Literal["grid"]
    axes: dict[Pointer, list[object]] = Field(min_length=1, max_length=10)
    """The values that each place in the recipe takes."""


class Ablation(Model):
    """Switches off each ingredient of the recipe alone, and all of them; the recipe itself is the baseline."""

    type: Literal["ablation"]
    ingredients: tuple[Name, ...] | None = None
    """The ingredients to switch off: names of families, or types of ingredients; by default all that are on."""


class Factorial(Model):
    """Compares all combinations of ingredients that are switched on or off, for main effects and interactions."""

    type: Literal["factorial"]
    ingredients: tuple[Name, ...] | None = None
    """Two to six ingredients of the recipe, as for an ablation; by default all that are on."""


class Uniform(Model):
    """Numbers between two ends, all equally likely."""

    type: Literal["uniform"]
    low: float
    high: float


class LogUniform(Model):
    """Numbers between two positive ends, whose logarithms are equally likely."""

    type: Literal["log_uniform"]
    low: float = Field(gt=0)
    high: float = Field(gt=0)


class Integer(Model):
    """Whole numbers from `low` to `high`, with both ends."""

    type: Literal["integer"]
    low: int
    high: int
    log: bool = False
    """Whether the logarithms are equally likely; `low` must be positive then."""


class Choice(Model):
    """One of some values, which may be whole ingredients."""

    type: Literal["choice"]
    values: list[object] = Field(min_length=2, max_length=100)


Space = Annotated[Uniform | LogUniform | Integer | Choice, Field(discriminator="type")]


class Confirm(Model):
    """Trains the best trials again with seeds that the search has not seen."""

    top: int = Field(default=3, ge=1, le=20)
    """The number of best trials."""
    seeds: int = Field(default=5, ge=2, le=100)
    """The number of new seeds."""


class Search(Model):
    """Looks for the best values in a space, trial by trial."""

    type: Literal["search"]
    space: dict[Pointer, Space] = Field(min_length=1, max_length=50)
    """What each place in the recipe may be."""
    trials: int = Field(ge=1, le=MAX_RUNS)
    sampler: Literal["tpe", "random", "qmc"] = "tpe"
    pruner: Literal["none", "successive_halving"] = "none"
    """Whether runs that are far behind others at the same epoch are ended early."""
    confirm: Confirm | None = None


Design = Annotated[Variants | Grid | Ablation | Factorial | Search, Field(discriminator="type")]


class ExperimentDocument(Model):
    """A question about recipes: which runs to train, and which metric to compare."""

    name: Name | None = None
    recipe: JsonObject
    """The recipe as `POST /v1/runs` accepts it, without `seed`."""
    seeds: (
        Annotated[int, Field(ge=1, le=MAX_RUNS)] | Annotated[list[Seed], Field(min_length=1, max_length=MAX_RUNS)]
    ) = 1
    """The number of seeds, which are 0, 1 and so on, or the seeds themselves."""
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    """With a number, each seed is a cross-validation over what is not test: every row validates in one fold."""
    design: Design
    metric: Annotated[str, Field(pattern="^validation_", max_length=100)] | None = None
    """The metric of the best epoch that is compared; by default `validation_` with the monitor of the recipe."""
    priority: Priority = 0
    """Runs of higher priority are claimed first."""
    max_running: Annotated[int, Field(ge=1)] | None = None
    """Limit on the runs of this experiment that are trained at the same time."""
    reuse: bool = True
    """Whether a finished run of the same recipe, data, device class and versions that is exact is used instead of a
    new one."""
