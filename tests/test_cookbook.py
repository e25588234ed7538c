"""Every question of the cookbook has a page, an experiment that asks it, and the stored answer of that experiment."""

import pytest

from bakehouse.cookbook_files import CookbookQuestion, questions
from bakehouse.experiments.document import Search
from bakehouse.experiments.question import read_experiment
from bakehouse.experiments.trials import BASELINE, arm_of
from bakehouse.recipe.read import read_recipe
from bakehouse.studies import all_studies
from bakehouse.study import MeasuredAnswer
from tools.cookbook import FOLDER, TABLE, document_in, table_text

QUESTIONS = questions()

every_question = pytest.mark.parametrize("found", QUESTIONS, ids=lambda found: found.name)


def answer_of(name: str) -> MeasuredAnswer:
    return all_studies()[name].measured


def test_the_overview_lists_every_question() -> None:
    assert [found.name for found in QUESTIONS] == sorted(folder.parent.name for folder in FOLDER.glob("*/README.md"))


@every_question
def test_a_question_has_its_page_its_experiment_and_its_answer(found: CookbookQuestion) -> None:
    folder = FOLDER / found.name
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in folder.iterdir()} == {"README.md", "experiment.json", "results.json"}
    assert page.startswith(f"# {found.question}\n\n")
    assert f"```sh\nbakehouse cookbook {found.name}\n" in page
    assert found.experiment["name"] == found.question
    assert found.answer


@every_question
def test_an_answer_is_that_of_the_experiment(found: CookbookQuestion) -> None:
    question = read_experiment(found.experiment)
    results = answer_of(found.name).results
    assert results.status == "finished"
    names = [arm.name for arm in results.arms]
    if isinstance(question.document.design, Search):
        assert names[: question.document.design.trials] == list(map(arm_of, range(question.document.design.trials)))
        assert results.baseline == BASELINE
    else:
        assert results.baseline == question.arms.baseline
        assert names == [arm.name for arm in question.arms.arms]
        assert all(arm.n == len(question.document.seeds) for arm in results.arms)
    assert [run.message for arm in results.arms for run in arm.failed] == []


@every_question
def test_a_question_is_asked_with_seeds_enough_for_an_interval(found: CookbookQuestion) -> None:
    document = read_experiment(found.experiment).document
    confirm = document.design.confirm if isinstance(document.design, Search) else None
    assert (confirm.seeds if confirm else len(document.seeds)) >= 5


@every_question
def test_the_table_of_a_page_is_that_of_its_answer(found: CookbookQuestion) -> None:
    folder = FOLDER / found.name
    table = TABLE.search((folder / "README.md").read_text(encoding="utf-8"))
    assert table is not None
    assert table[0] == table_text(answer_of(found.name), document_in(folder))


@every_question
def test_a_recipe_in_short_form_is_that_of_its_arm(found: CookbookQuestion) -> None:
    question = read_experiment(found.experiment)
    arms = {arm.name: arm for arm in question.arms.arms}
    for recipe in all_studies()[found.name].recipes:
        # A recipe that builds on another one cannot be read before it has the id of a run.
        if not recipe.builds_on:
            meant = read_recipe(arms[recipe.arm].recipe) if recipe.arm else question.recipe
            assert read_recipe(recipe.recipe).sha256() == meant.sha256(), recipe.name
