"""Defines the studies of the cookbook: each answers a question by comparing recipes."""

from bakehouse.model import JsonObject, Model


class StudyColumn(Model):
    """A measured number."""

    name: str
    """The metric's name in a run, such as `test_accuracy`."""
    label: str
    """The heading, as human-readable text."""
    unit: str | None


class StudyCell(Model):
    """A number over all seeds."""

    mean: float
    spread: float
    """The standard deviation over the seeds."""


class StudyDifference(Model):
    """The difference between two recipes, over pairs of runs with the same seed."""

    mean: float
    low: float
    """The lower end of the 95 % interval."""
    high: float


class StudyRow(Model):
    """The results of one recipe."""

    recipe: str
    cells: tuple[StudyCell, ...]
    """One for each column."""
    difference: StudyDifference | None
    """The difference of the first column from the recipe `against`; null for that recipe itself."""


class BuildsOn(Model):
    """A place at which a recipe needs the id of a run of another recipe."""

    pointer: str
    recipe: str


class StudyRecipe(Model):
    """A recipe that a study has trained with several seeds, to compare its results with those of the others."""

    name: str
    recipe: JsonObject
    """The recipe as `POST /v1/runs` accepts it, once ids of runs are put at the places in `builds_on`."""
    ingredients: tuple[str, ...]
    """What this recipe has beyond the defaults and the study's others do not all have, as short texts."""
    builds_on: tuple[BuildsOn, ...]


class Clash(Model):
    """A rule of advice that the study's text names: an ingredient is worse beside another one."""

    code: str
    """The `code` of the advice that a recipe gets."""
    about: str


class StudySummary(Model):
    """A question of the cookbook with its short answer."""

    name: str
    question: str
    answer: str
    seeds: int
    """Number of runs of each recipe."""
    recipes: tuple[str, ...]


class Studies(Model):
    """All questions of the cookbook."""

    data: tuple[StudySummary, ...]


class Study(Model):
    """A question, the recipes that were compared, and what was measured."""

    name: str
    question: str
    answer: str
    text: str
    """The answer in full, as Markdown."""
    experiment: JsonObject
    """The document that asks the question again, as `POST /v1/experiments` accepts it."""
    setting: JsonObject
    """The fields that all recipes have in common."""
    seeds: int
    """Number of runs of each recipe."""
    against: str
    """The recipe from which the differences are taken."""
    measured_on: str
    torch: str
    """The version of torch that measured the table."""
    columns: tuple[StudyColumn, ...]
    rows: tuple[StudyRow, ...]
    recipes: tuple[StudyRecipe, ...]
    clashes: tuple[Clash, ...]
