"""Defines the studies of the cookbook: each answers a question by an experiment."""

from bakehouse.experiments.answer import Results
from bakehouse.experiments.measured import DesignType
from bakehouse.experiments.what_if import ExperimentWhatIf
from bakehouse.model import JsonObject, Model


class MeasuredAnswer(Model):
    """The answer of an experiment as the cookbook stores it, with what produced it."""

    measured_on: str
    """The date on which the last run ended."""
    versions: tuple[str, ...]
    """The versions that trained, each with its name: `torch 2.13.0`."""
    results: Results
    """The answer, as `GET /v1/experiments/{id}/results` gave it."""
    what_if: ExperimentWhatIf | None = None
    """What other early stopping would have done, if the question is about that."""


class BuildsOn(Model):
    """A place at which a recipe needs the id of a run of another recipe."""

    pointer: str
    recipe: str


class StudyRecipe(Model):
    """A recipe that a study compares with others, or that its arms are made from."""

    name: str
    arm: str | None
    """The arm of the experiment; null of the recipe that a search changes."""
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
    design: DesignType
    runs: int
    """The number of runs that answer it; in a search the most."""
    recipes: tuple[str, ...]


class Studies(Model):
    """All questions of the cookbook."""

    data: tuple[StudySummary, ...]


class Study(Model):
    """A question, the experiment that asks it, and what was measured."""

    name: str
    question: str
    answer: str
    design: DesignType
    runs: int
    """The number of runs that answer it; in a search the most."""
    text: str
    """The answer in full, as Markdown."""
    experiment: JsonObject
    """The document that asks the question again, as `POST /v1/experiments` accepts it."""
    measured: MeasuredAnswer
    recipes: tuple[StudyRecipe, ...]
    """The arms; of a search, and of a factorial with many arms, only the recipe that they are made from."""
    clashes: tuple[Clash, ...]
