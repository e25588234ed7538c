"""Every question of the cookbook has recipes that can be trained, an answer, and a table with all its recipes."""

import json
import re
from pathlib import Path

import pytest

from bakehouse.client import Client
from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, prepare
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.settings import Settings
from bench.report import running_home
from cookbook.__main__ import FOLDER, Document, measure, read, table, with_runs

QUESTIONS = sorted(path.parent for path in FOLDER.glob("*/study.json"))
RECIPES = [folder / f"{name}.json" for folder in QUESTIONS for name in read(folder / "study.json")["recipes"]]
RUN = "run_000000000000"

questions = pytest.mark.parametrize("folder", QUESTIONS, ids=lambda folder: folder.name)
recipes = pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")


def references(document: Document) -> set[str]:
    """The recipes on which a recipe builds."""
    return set(re.findall(r'"([\w.-]+)\.json"', json.dumps(document)))


@questions
def test_a_question_has_an_answer_and_a_table_of_all_its_recipes(folder: Path) -> None:
    study, page = read(folder / "study.json"), (folder / "README.md").read_text()
    assert page.startswith(f"# {study['question']}\n")
    assert f"-m cookbook {folder.name}\n" in page
    assert re.findall(r"^\| `([\w.-]+)` \|", page, re.MULTILINE) == study["recipes"]
    assert f"{study['seeds']} seeds" in page
    assert study["seeds"] >= 3
    assert {path.stem for path in folder.glob("*.json")} - {"experiment"} == {"study", *study["recipes"]}
    assert f"({folder.name}/README.md)" in (FOLDER / "README.md").read_text()


@recipes
def test_a_recipe_can_be_posted(path: Path, tmp_path: Path) -> None:
    document = read(path)
    assert document["name"] == path.stem
    if others := references(document):
        names = read(path.parent / "study.json")["recipes"]
        assert others <= set(names[: names.index(path.stem)])
        read_recipe(json.loads(re.sub(r"[\w.-]+\.json", RUN, json.dumps(document))))
        return
    try:
        prepare(document, Catalog(Settings(home=tmp_path)), Limits(parameters=10**7), wait_seconds=60)
    except RecipeInvalid as error:
        [problem] = error.problems
        assert problem.code == "absent_dataset", problem
        pytest.skip(problem.message)


def test_a_table_is_made_from_real_runs(tmp_path: Path) -> None:
    tiny = {"dataset": "iris", "architecture": "linear", "epochs": 1}
    transfer = {"type": "transfer", "checkpoint": "plain.json", "layers": 1}
    study = {
        "question": "?",
        "seeds": 2,
        "columns": ["test_accuracy", "epochs"],
        "against": "plain",
        "recipes": ["plain", "warm"],
    }
    (tmp_path / "plain.json").write_text(json.dumps(tiny))
    (tmp_path / "warm.json").write_text(json.dumps({**tiny, "pretraining": transfer}))
    with running_home() as home, Client(home.url) as client:
        measured = measure(client, tmp_path, study)
        runs = {run.name: run.record.known_recipe for run in client.runs()}
    assert [len(measured[name]) for name in ("plain", "warm")] == [2, 2]
    assert runs["plain"].seed in (0, 1)
    first, _, plain, warm, _, note, _ = table(study, measured).split("\n")
    assert first == "| recipe | test accuracy, % | epochs | test accuracy, % against `plain` |"
    assert re.fullmatch(r"\| `plain` \| [\d.]+ ± [\d.e-]+ \| 1 ± 0 \|  \|", plain)
    assert re.fullmatch(r"\| `warm` \| .* \| 1 ± 0 \| [+-].* \(.* to .*\) \|", warm)
    assert note.startswith("2 seeds")


def test_differences_are_taken_between_runs_of_the_same_seed() -> None:
    study = {"seeds": 3, "columns": ["test_accuracy", "epochs"], "against": "a", "recipes": ["a", "b"]}
    a = [{"test_accuracy": value, "epochs": 4} for value in (0.80, 0.90, 0.85)]
    b = [{"test_accuracy": value, "epochs": 4} for value in (0.81, 0.92, 0.88)]
    assert "| `b` | 87 ± 5.6 | 4 ± 0 | +2 (-0.484 to +4.48) |" in table(study, {"a": a, "b": b})


def test_a_string_that_names_no_recipe_stays() -> None:
    assert with_runs({"a": ["b.c", 1]}, {}) == {"a": ["b.c", 1]}
