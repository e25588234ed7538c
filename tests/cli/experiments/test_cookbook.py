"""`bakehouse cookbook`."""

import json
from pathlib import Path

import pytest
import typer

from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.experiments.cookbook import ask_question, find_experiment, print_questions
from bakehouse.cookbook_files import questions
from tests.running_service import RunningService

FOLDER = Path(__file__).parents[3] / "cookbook"


def test_every_question_is_listed_with_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    print_questions(as_json=False)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split("\t")[0] for line in lines] == sorted(path.parent.name for path in FOLDER.glob("*/README.md"))
    answers = {each.name: each.answer for each in questions()}
    question = "Do batch norm and dropout help a small network on digits?"
    assert f"small_network\t{question}\t{answers['small_network']}" in lines


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
