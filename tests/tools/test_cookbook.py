"""`python -m tools.cookbook`, with an experiment that is really trained."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakehouse.client import Client
from bakehouse.model import JsonObject
from bakehouse.study import MeasuredAnswer
from tests.running_home import RunningHome, run_home
from tools.cookbook import store, write_table

TINY = {"dataset": "iris", "architecture": "linear", "epochs": 3, "early_stopping": "none"}
QUESTION: JsonObject = {
    "name": "Does a copied layer help?",
    "recipe": TINY,
    "seeds": 2,
    "design": {
        "type": "variants",
        "variants": {
            "plain": {},
            "copied": {"pretraining": {"type": "transfer", "checkpoint": {"arm": "plain"}, "layers": 1}},
        },
    },
}
PAGE = "# Does a copied layer help?\n\nWords.\n\n<!-- table -->\nold\n<!-- end -->\nMore words.\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    with run_home(tmp_path_factory.mktemp("home")) as home:
        yield home


@pytest.fixture
def client(home: RunningHome) -> Iterator[Client]:
    with Client(home.url) as client:
        yield client


def folder_of(folder: Path, document: JsonObject) -> Path:
    (folder / "experiment.json").write_text(json.dumps(document))
    (folder / "README.md").write_text(PAGE)
    return folder


def test_the_answer_of_an_experiment_becomes_a_file_and_a_table(tmp_path: Path, client: Client) -> None:
    folder = folder_of(tmp_path, QUESTION)
    experiment = client.experiment(QUESTION).wait(timeout=120)
    store(folder, experiment, client, ["none", 1])
    stored = MeasuredAnswer.model_validate_json((folder / "results.json").read_text())
    assert stored.results == experiment.results()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", stored.measured_on)
    assert re.fullmatch(r"torch \S+", stored.versions[0])
    lines = (folder / "results.json").read_text().splitlines()
    assert sum(line.strip().startswith('{"name": ') for line in lines) == 4
    text = (folder / "README.md").read_text()
    head, table, tail = re.split(r"<!-- (?:table|end) -->\n", text)
    assert (head, tail) == (PAGE.partition("<!--")[0], "More words.\n")
    titles, _, plain, copied = table.splitlines()[:4]
    assert titles.startswith("| arm | n | mean (95 % interval) | difference (95 % interval) | p, adjusted | verdict |")
    assert re.match(r"\| plain \| 2 \| .* % .* \| - \| - \| baseline \| 3\.0 \| ", plain)
    assert re.match(r"\| copied \| 2 \| .* n = 2 \| .* \| 3\.0 \| ", copied)
    assert "| copied | patience 1 |" in table
    assert "\n2 seeds. Differences are from 'plain', paired by seed" in table
    assert all(caution.message in table for caution in stored.results.warnings)
    write_table(folder)
    assert (folder / "README.md").read_text() == text


def test_a_search_has_a_table_of_its_winners(tmp_path: Path, client: Client) -> None:
    design = {
        "type": "search",
        "space": {
            "/optimizer/lr": {"type": "log_uniform", "low": 0.001, "high": 0.1},
            "/regularizer": {"type": "choice", "values": ["none", "l2"]},
        },
        "trials": 3,
        "confirm": {"top": 2, "seeds": 2},
    }
    document = {"name": "Which rate?", "recipe": TINY, "design": design}
    folder = folder_of(tmp_path, document)
    store(folder, client.experiment(document).wait(timeout=240), client)
    text = (folder / "README.md").read_text()
    assert "| arm | chosen | in the search | mean (95 % interval) | difference (95 % interval) |" in text
    assert len(re.findall(r"^\| trial \d confirmed \| .*lr [\d.e-]+.* \| [\d.]+ % \| ", text, re.MULTILINE)) == 2
    assert "| recipe | - | - |" in text
    assert "A search of 3 trials by tpe; the best 2 are trained again with 2 new seeds" in text


def test_an_experiment_that_asks_something_else_is_refused(tmp_path: Path, client: Client) -> None:
    folder = folder_of(tmp_path, {**QUESTION, "seeds": 3, "name": "Something else?"})
    experiment = client.experiment(QUESTION).wait(timeout=120)
    with pytest.raises(SystemExit, match=r"is not the experiment of experiment\.json: name, seeds differ"):
        store(folder, experiment, client)
    assert not (folder / "results.json").exists()


def test_an_experiment_that_is_not_finished_is_refused(tmp_path: Path, client: Client) -> None:
    document = {**QUESTION, "recipe": {**TINY, "epochs": 100_000}}
    experiment = client.experiment(document)
    with pytest.raises(SystemExit, match="only a finished experiment has its answer"):
        store(folder_of(tmp_path, document), experiment, client)
    experiment.cancel()
