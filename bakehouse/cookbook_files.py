"""Finds the cookbook, and reads its questions and recipes."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from bakehouse.model import JsonObject
from bakehouse.recipe.read import parse_json

STUDY = "study.json"
EXPERIMENT = "experiment.json"
OVERVIEW_ROW = re.compile(r"^\| \[(?P<question>.*)\]\((?P<name>\w+)/README\.md\) \| (?P<answer>.*) \|$", re.MULTILINE)


@dataclass(frozen=True)
class CookbookQuestion:
    """A question of the cookbook and its short answer, from the overview."""

    name: str
    """The name that users give: `small_network`."""
    question: str
    answer: str
    experiment: JsonObject
    """The document of the experiment that asks it."""


@dataclass(frozen=True)
class CookbookRecipe:
    """A recipe of a study, which answers a question by comparing recipes."""

    study: str
    question: str
    name: str
    text: str

    @property
    def path(self) -> str:
        """The name that users give: `small_network/batch_norm`."""
        return f"{self.study}/{self.name}"

    @cached_property
    def document(self) -> JsonObject:
        """The recipe as JSON; the name of another recipe's file is in place of the id of its run."""
        document: JsonObject = parse_json(self.text)
        return document


def cookbook() -> Traversable:
    """Returns the folder of the cookbook: that of the installed package, or of the checkout."""
    installed = files("bakehouse") / "cookbook"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "cookbook"


def questions() -> list[CookbookQuestion]:
    """Returns all questions, in the order of the overview."""
    overview = (cookbook() / "README.md").read_text(encoding="utf-8")
    return [
        CookbookQuestion(**found.groupdict(), experiment=read_experiment(found["name"]))
        for found in OVERVIEW_ROW.finditer(overview)
    ]


def read_experiment(name: str) -> JsonObject:
    document: JsonObject = parse_json((cookbook() / name / EXPERIMENT).read_text(encoding="utf-8"))
    return document


def study_folders() -> list[Traversable]:
    """Returns the folders of all studies, by name."""
    return [
        folder
        for folder in sorted(cookbook().iterdir(), key=lambda folder: folder.name)
        if folder.is_dir() and (folder / STUDY).is_file()
    ]


def recipes() -> Iterator[CookbookRecipe]:
    """Yields all recipes by study, in the order in which the study compares them."""
    for folder in study_folders():
        yield from recipes_in(folder)


def recipes_in(folder: Traversable) -> Iterator[CookbookRecipe]:
    """Yields the recipes of one study."""
    study = json.loads((folder / STUDY).read_text(encoding="utf-8"))
    for name in study["recipes"]:
        text = (folder / f"{name}.json").read_text(encoding="utf-8")
        yield CookbookRecipe(folder.name, study["question"], name, text)
