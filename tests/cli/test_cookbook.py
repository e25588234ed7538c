"""`bakehouse new`."""

import json
import tomllib
from pathlib import Path

import pytest
import typer

from bakehouse.cli.cookbook import find_recipe, print_recipes, recipes, write_recipe
from bakehouse.cookbook_files import cookbook
from bakehouse.studies import all_studies

FOLDER = Path(__file__).parents[2] / "cookbook"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files are written to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_recipe_of_the_cookbook_is_listed_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_recipes(as_json=False)
    captured = capsys.readouterr()
    listed = [line.split()[0] for line in captured.out.splitlines()[1:]]
    assert listed == [f"{each.name}/{recipe.name}" for each in all_studies().values() for recipe in each.recipes]
    [line] = [line for line in captured.out.splitlines() if line.startswith("small_network/batch_norm_dropout\t")]
    assert "digits" in line
    assert "batch_norm, dropout 0.5" in line
    assert "Do batch norm and dropout help a small network on digits?" in line


def test_the_file_has_a_line_for_each_field(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recipe("small_network/dropout", None, as_json=False)
    assert (
        (folder / "dropout.json").read_text()
        == """{
  "name": "dropout",
  "dataset": "digits",
  "architecture": {"type": "mlp", "hidden": [256, 256]},
  "dropout": 0.5,
  "epochs": 60,
  "early_stopping": 6
}
"""
    )
    captured = capsys.readouterr()
    assert captured.out == "dropout.json\n"
    assert "  bakehouse run dropout.json\n" in captured.err


def test_a_file_is_never_overwritten(folder: Path) -> None:
    (folder / "mine.json").write_text("mine")
    with pytest.raises(typer.BadParameter, match=r"mine\.json exists and is not overwritten"):
        write_recipe("little_data/plain", Path("mine.json"), as_json=False)
    assert (folder / "mine.json").read_text() == "mine"


def test_a_recipe_can_be_written_to_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recipe("little_data/plain", Path("-"), as_json=False)
    assert json.loads(capsys.readouterr().out)["name"] == "plain"
    assert list(folder.iterdir()) == []


def test_a_name_without_its_study_is_enough_if_it_is_the_only_one() -> None:
    assert find_recipe("batch_norm_dropout").path == "small_network/batch_norm_dropout"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plain", "little_data/plain"),
        ("small_network", "small_network/batch_norm"),
        ("little_data/plian", "did you mean little_data/plain"),
        ("qqqq", "`bakehouse new` lists all"),
    ],
)
def test_a_name_that_is_not_one_recipe_is_refused(name: str, words: str) -> None:
    with pytest.raises(typer.BadParameter, match=words):
        find_recipe(name)


def test_a_recipe_that_builds_on_another_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    write_recipe("fitnets/hints", None, as_json=False)
    message = capsys.readouterr().err
    assert "bakehouse new fitnets/teacher" in message
    assert "bakehouse run hints.json --set pretraining.teacher=RUN_ID" in message


def test_json_has_the_questions_and_the_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    print_recipes(as_json=True)
    data = json.loads(capsys.readouterr().out)["data"]
    assert [item["name"] for item in data] == [recipe.path for recipe in recipes()]
    assert all(item["recipe"]["dataset"] for item in data)


def test_a_checkout_has_the_cookbook_beside_the_package() -> None:
    assert Path(str(cookbook())) == FOLDER


def test_an_installed_package_has_the_cookbook_inside_it() -> None:
    wheel = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "cookbook" in wheel["only-include"]
    assert wheel["sources"] == {"cookbook": "bakehouse/cookbook"}
