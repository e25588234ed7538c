"""Reads the studies of the cookbook from their pages, experiments and stored answers."""

import re
from functools import cache

from bakehouse.advice.rules import all_rules
from bakehouse.cookbook_files import PAGE, RESULTS, CookbookQuestion, questions, read_file
from bakehouse.experiments.question import count_runs, read_experiment
from bakehouse.recipe.problems import nearest_names
from bakehouse.study import Clash, MeasuredAnswer, Studies, Study, StudySummary
from bakehouse.study_recipes import study_recipes

PROSE = re.compile(r"^# .*?\n\n(?P<text>.*?)\n\n```sh", re.DOTALL)


class StudyNotFound(Exception):
    """Raised if the cookbook has no study of this name."""

    def __init__(self, name: str) -> None:
        near = nearest_names(name, all_studies(), count=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        super().__init__(f"The cookbook has no study of that name{hint}")


def studies() -> Studies:
    """Returns all studies in short."""
    return Studies(data=tuple(map(summary, all_studies().values())))


def summary(found: Study) -> StudySummary:
    return StudySummary(
        name=found.name,
        question=found.question,
        answer=found.answer,
        design=found.design,
        runs=found.runs,
        recipes=tuple(recipe.name for recipe in found.recipes),
    )


def study(name: str) -> Study:
    """Returns one study. Raises StudyNotFound."""
    if name not in all_studies():
        raise StudyNotFound(name)
    return all_studies()[name]


# The files do not change while the process runs.
@cache
def all_studies() -> dict[str, Study]:
    """Returns the studies by name, in the order of the overview."""
    return {each.name: read_study(each) for each in questions()}


def read_study(found: CookbookQuestion) -> Study:
    """Reads a study from its files."""
    page = read_file(found.name, PAGE)
    prose = PROSE.search(page)
    assert prose is not None
    question = read_experiment(found.experiment)
    return Study(
        name=found.name,
        question=found.question,
        answer=found.answer,
        design=question.document.design.type,
        runs=count_runs(question),
        text=prose["text"],
        experiment=found.experiment,
        measured=MeasuredAnswer.model_validate_json(read_file(found.name, RESULTS)),
        recipes=study_recipes(question),
        clashes=tuple(Clash(code=rule.code, about=rule.reason) for rule in all_rules() if f"`{rule.code}`" in page),
    )
