"""`bakehouse cookbook`."""

import json
import re
from pathlib import Path

import pytest
import typer

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.experiments.cookbook import ask_question, find_experiment, print_questions
from bakehouse.cookbook_files import CookbookQuestion, questions
from bakehouse.experiments.designs import expand
from bakehouse.experiments.document import Search, read_document
from bakehouse.model import JsonObject
from bakehouse.recipe.read import read_recipe
from tests.running_service import RunningService

FOLDER = Path(__file__).parents[3] / "cookbook"
FILE = re.compile(r'"[\w.-]+\.json"')
RUN = re.compile(r"run_\w{12}")


def canonical(recipe: JsonObject) -> JsonObject:
    """A recipe without its name, with the same id wherever it builds on a run of another one."""
    with_ids = FILE.sub('"run_000000000000"', json.dumps(recipe))
    complete = {**read_recipe(json.loads(with_ids)).canonical(), "name": None}
    same: JsonObject = json.loads(RUN.sub("run_000000000000", json.dumps(complete)))
    return same


def test_every_question_is_listed_with_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    print_questions(as_json=False)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split("\t")[0] for line in lines] == sorted(path.parent.name for path in FOLDER.glob("*/README.md"))
    assert "small_network\tDo batch norm and dropout help a small network on digits?\tBatch norm" in "\n".join(lines)


@pytest.mark.parametrize("found", questions(), ids=lambda found: found.name)
def test_an_experiment_asks_its_question_with_the_recipes_of_its_page(found: CookbookQuestion) -> None:
    document = read_document(found.experiment)
    arms = [canonical(arm.recipe) for arm in expand(document.design, read_recipe({**document.recipe, "seed": 0})).arms]
    assert document.name == found.question
    confirm = document.design.confirm if isinstance(document.design, Search) else None
    assert (confirm.seeds if confirm else len(document.seeds)) >= 5
    for file in (FOLDER / found.name).glob("*.json"):
        if file.name not in ("study.json", "experiment.json"):
            assert canonical(json.loads(file.read_bytes())) in arms, file.name


@pytest.mark.parametrize(("name", "words"), [("smal_network", "did you mean 'small_network'"), ("qq", "lists all")])
def test_a_misspelt_question_gets_a_hint(name: str, words: str) -> None:
    with pytest.raises(typer.BadParameter, match=words):
        find_experiment(name)


def test_a_question_is_asked_with_other_seeds(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    assert ask_question("spiral", {"seeds": [3, 4]}, detach=True, timeout=None, as_json=True) == ExitCode.SUCCEEDED
    experiment = json.loads(capsys.readouterr().out)
    assert experiment["seeds"] == [3, 4]
    assert [arm["name"] for arm in experiment["arms"]][:2] == ["linear", "mlp_8"]
