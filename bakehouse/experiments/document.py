"""Defines the document of an experiment: what is posted to `/v1/experiments`."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from bakehouse.model import JsonObject, Model
from bakehouse.recipe.problems import Problem, RecipeInvalid, did_you_mean, pointer
from bakehouse.recipe.read import MAX_PROBLEMS, bounds, plain
from bakehouse.runs.run import Priority

MAX_RUNS = 1000
MAX_FACTORS = 6
Name = Annotated[str, Field(min_length=1, max_length=200)]
ArmName = Annotated[str, Field(min_length=1, max_length=100)]


def refuse_other_than_pointers(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("should be a JSON Pointer into the recipe, such as /optimizer/lr")
    return text


def refuse_other_than_validation(metric: str) -> str:
    if not metric.startswith("validation_"):
        raise ValueError("should begin with validation_: the test split never chooses")
    return metric


Pointer = Annotated[str, Field(max_length=256), AfterValidator(refuse_other_than_pointers)]
"""A JSON Pointer into the recipe, such as `/optimizer/lr`."""
Metric = Annotated[str, Field(max_length=300), AfterValidator(refuse_other_than_validation)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def spell_out_seeds(value: object) -> object:
    """Expands a number of seeds to the seeds themselves."""
    # In Python, true and false are integers.
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_RUNS:
        return list(range(value))
    return value


def refuse_repeated_seeds(seeds: list[int]) -> list[int]:
    for index, seed in enumerate(seeds):
        if seed in seeds[:index]:
            raise ValueError(f"the seed {seed} is listed twice")
    return seeds


Seeds = Annotated[
    list[Seed],
    Field(min_length=1, max_length=MAX_RUNS),
    BeforeValidator(
        spell_out_seeds,
        json_schema_input_type=Annotated[int, Field(ge=1, le=MAX_RUNS)]
        | Annotated[list[Seed], Field(min_length=1, max_length=MAX_RUNS)],
    ),
    AfterValidator(refuse_repeated_seeds),
]
"""The seeds as a list; a number n is short for 0 to n - 1."""


Ingredients = Annotated[list[Name], Field(max_length=100)]


class Variants(Model):
    """Compares recipes that are each made from the recipe by a JSON merge patch."""

    type: Literal["variants"]
    variants: dict[ArmName, JsonObject] = Field(min_length=1, max_length=MAX_RUNS)
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
    ingredients: Ingredients | None = None
    """The ingredients to switch off: names of families, or types of ingredients; by default all that are on."""


class Factorial(Model):
    """Compares all combinations of ingredients that are switched on or off, for main effects and interactions."""

    type: Literal["factorial"]
    ingredients: Ingredients | None = None
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


AnySpace = Uniform | LogUniform | Integer | Choice
Space = Annotated[AnySpace, Field(discriminator="type")]


class Confirm(Model):
    """Trains the best trials again with seeds that the search has not seen, and beside them the recipe itself, with
    which they are compared."""

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

    @model_validator(mode="after")
    def confirm_no_more_than_all_trials(self) -> Self:
        """Lowers the default number of winners to the number of trials; a number that was posted stays."""
        if self.confirm is not None and "top" not in self.confirm.model_fields_set and self.confirm.top > self.trials:
            return self.model_copy(update={"confirm": self.confirm.model_copy(update={"top": self.trials})})
        return self


AnyDesign = Variants | Grid | Ablation | Factorial | Search
Design = Annotated[AnyDesign, Field(discriminator="type")]


class ExperimentDocument(Model):
    """A question about recipes: which runs to train, and which metric to compare."""

    name: Name | None = None
    recipe: JsonObject
    """The recipe as `POST /v1/runs` accepts it, without `seed`. In place of a checkpoint, here and in a design,
    `{"arm": NAME}` means the best one of the run of that arm with the same seed and fold."""
    seeds: Seeds = [0]
    """The seeds with which each arm is trained, or their number: 5 is short for 0, 1, 2, 3 and 4."""
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    """With a number, each seed is a cross-validation over what is not test: every row validates in one fold."""
    design: Design
    metric: Metric | None = None
    """The metric of the best epoch that is compared; by default the recipe's monitor, or the accuracy if that is the
    loss of classes."""
    priority: Priority = 0
    """Runs of higher priority are claimed first."""
    max_running: Annotated[int, Field(ge=1)] | None = None
    """Limit on the runs of this experiment that are trained at the same time."""
    reuse: bool = True
    """Whether a finished run of the same recipe, data, device class and versions that is exact is used instead of a
    new one."""


PLAIN_MESSAGES = {
    "dict_type": "should be an object", "model_attributes_type": "should be an object",
}  # fmt: skip
# The same codes as for the problems of a recipe.
CODES = {
    "extra_forbidden": "unknown_field", "value_error": "conflict",
    "union_tag_invalid": "unknown_variant", "union_tag_not_found": "unknown_variant",
}  # fmt: skip
CLASSES: dict[str, type[Model]] = {
    kind.model_fields["type"].annotation.__args__[0]: kind for kind in (*get_args(AnyDesign), *get_args(AnySpace))
}
"""The classes of designs and spaces, by their types."""


def read_document(document: object) -> ExperimentDocument:
    """Returns the document of an experiment. Raises RecipeInvalid with the problems outside of its recipe."""
    if not isinstance(document, dict):
        raise RecipeInvalid([Problem(pointer="", code="object_type", message="an experiment is a JSON object")])
    try:
        return ExperimentDocument.model_validate(document)
    except ValidationError as error:
        raise RecipeInvalid(problems(document, error.errors(include_url=False))) from error


def problems(
    document: JsonObject, errors: list[ErrorDetails], root: type[Model] = ExperimentDocument
) -> Iterator[Problem]:
    """Yields the first of pydantic's errors as problems with pointers into a document of the class `root`."""
    for error in errors[:MAX_PROBLEMS]:
        path, owner = locate(error["loc"], root)
        message = PLAIN_MESSAGES.get(error["type"]) or plain(error)
        allowed: tuple[str, ...] | None = None
        match error["type"]:
            case "extra_forbidden":
                allowed = tuple(owner.model_fields)
                message = f"unknown field {path[-1]!r}{did_you_mean(path[-1], allowed)}"
            case "union_tag_invalid" | "union_tag_not_found":
                kinds = AnySpace if "space" in path else AnyDesign
                allowed = tuple(kind.model_fields["type"].annotation.__args__[0] for kind in get_args(kinds))
                given = error["input"].get("type") if isinstance(error["input"], dict) else None
                message = "needs a type"
                if isinstance(given, str):
                    message = f"unknown type {given!r}{did_you_mean(given, allowed)}"
                path.append("type")
            case "value_error":
                message = str(error["ctx"]["error"])
            case kind:
                allowed = tuple(bounds(kind, error.get("ctx", {}))) or None
        if path == ["seeds"] and not isinstance(document["seeds"], list):
            message = f"should be a number of seeds from 1 to {MAX_RUNS:,}, or a list of seeds"
        code = CODES.get(error["type"], error["type"])
        yield Problem(pointer=pointer(path), code=code, message=message, allowed=allowed)


def locate(location: tuple[int | str, ...], root: type[Model]) -> tuple[list[str | int], type[Model]]:
    """Returns a path without the types of designs and spaces, which pydantic adds, and the class it leads into."""
    path: list[str | int] = []
    owner = root
    for step in location:
        # Only here does pydantic choose between classes; a design of the type `variants` also has a field of that name.
        chooses = (path == ["design"] and owner is root) or (path[:-1] == ["design", "space"] and owner is Search)
        if chooses and step in CLASSES:
            owner = CLASSES[str(step)]
        elif step != "[key]":
            path.append(step)
            owner = Confirm if owner is Search and path == ["design", "confirm"] else owner
    return path, owner
