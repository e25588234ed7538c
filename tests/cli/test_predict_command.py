"""`bakehouse predict` and `run.predict`, with a real model of a table of every kind of column."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from bakehouse import AsyncClient, Client
from bakehouse.cli.main import app
from bakehouse.client import RecipeRefused
from bakehouse.client.prediction import parts_of
from tests.predicted_data import Row, write_people, write_walks
from tests.processes import wait_until
from tests.running_home import RunningHome, run_home

pd: Any = pytest.importorskip("pandas")
SHORT = {"epochs": 2, "early_stopping": "none"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def people(folder: Path) -> list[Row]:
    return write_people(folder)


@pytest.fixture(scope="module")
def home(folder: Path, people: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    write_walks(folder)
    with run_home(tmp_path_factory.mktemp("home"), data=folder) as home:
        yield home


@pytest.fixture(scope="module")
def client(home: RunningHome) -> Iterator[Client]:
    with Client(home.url) as client:
        yield client


@pytest.fixture(scope="module")
def run_id(client: Client) -> str:
    return train(client, {"dataset": {"id": "people", "target": "plan"}, "architecture": "mlp"})


def train(client: Client, recipe: dict[str, object]) -> str:
    dataset = recipe["dataset"]
    name = str(dataset["id"] if isinstance(dataset, dict) else dataset)
    wait_until(lambda: client.dataset(name).card)
    run = client.submit({**recipe, **SHORT})
    assert run.wait(timeout=120).status == "succeeded"
    return run.id


@pytest.fixture(autouse=True)
def address(home: RunningHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", home.url)


def bakehouse(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def table(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_csv_gets_columns_for_the_prediction_and_each_class(
    run_id: str, folder: Path, people: list[Row], client: Client, tmp_path: Path
) -> None:
    shown = bakehouse("predict", run_id, folder / "people.csv")
    assert shown.exit_code == 0, shown.output
    rows = table(shown.stdout)
    assert list(rows[0]) == [*people[0], "prediction", *(f"probability_{name}" for name in ("basic", "plus", "pro"))]
    assert [row["age"] for row in rows] == [row["age"] for row in people]
    predictions = client.run(run_id).predict(people)
    assert [row["prediction"] for row in rows] == [each.label for each in predictions]
    assert all(
        sum(float(row[f"probability_{name}"]) for name in ("basic", "plus", "pro")) == pytest.approx(1) for row in rows
    )
    saved = bakehouse("predict", run_id, folder / "people.csv", "-o", tmp_path / "out.csv", "--epoch", "last")
    assert saved.stdout == f"{tmp_path / 'out.csv'}\n"
    assert len(table((tmp_path / "out.csv").read_text())) == len(people)
    listed = json.loads(bakehouse("predict", run_id, folder / "people.csv", "--json").stdout)
    assert listed["predictions"][0]["label"] == rows[0]["prediction"]


def test_other_forms_of_a_table_give_the_same(run_id: str, people: list[Row], client: Client, tmp_path: Path) -> None:
    expected = [each.label for each in client.run(run_id).predict(people)]
    without = [{name: cell for name, cell in row.items() if name not in ("plan", "name")} for row in people]
    frame = pd.DataFrame(without)
    frame["extra"] = 1
    frame.to_csv(tmp_path / "semicolons.csv", sep=";", index=False, encoding="latin-1")
    frame.to_csv(tmp_path / "tabs.tsv.gz", sep="\t", index=False)
    text = "Made by a spreadsheet\n\n" + frame.to_csv(index=False)
    (tmp_path / "title.txt").write_text(text, encoding="utf-8-sig")
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, people)))
    (tmp_path / "list.json").write_text(json.dumps({"rows": people}))
    arrays: dict[str, Any] = {name: np.array([row[name] for row in without]) for name in without[0]}
    np.savez(tmp_path / "arrays.npz", **arrays)
    for file in sorted(tmp_path.iterdir()):
        shown = bakehouse("predict", run_id, file)
        assert shown.exit_code == 0, (file, shown.output)
        assert [row["prediction"] for row in table(shown.stdout)] == expected, file


def test_messages(run_id: str, people: list[Row], tmp_path: Path) -> None:
    def refused(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        shown = bakehouse("predict", run_id, tmp_path / name)
        assert shown.exit_code == 2, shown.output
        assert shown.stdout == ""
        # Typer breaks lines.
        return " ".join(shown.stderr.replace("│", " ").split())

    header = ",".join(people[0])
    good = ",".join(f'"{cell}"' for cell in people[1].values())
    assert "line 3 has 2 cells, and the header has 8" in refused("short.csv", f"{header}\n{good}\n1,2\n")
    assert "line 2 has no column age; did you mean 'aage'?" in refused(
        "a.csv", f"{header}\n{good}\n".replace("age", "aage", 1)
    )
    bad = refused("b.csv", f"{header}\n{good}\n{good.replace(people[1]['age'], 'old', 1)}\n")
    assert "/rows/1 is line 3 of" in bad
    assert "/rows/1/age" in bad
    assert '"old" is not a number' in bad
    assert "has the names of the data set's columns, which are name, age" in refused("c.csv", "1,2\n3,4\n")
    assert "line 1 is not JSON" in refused("d.jsonl", "{")
    assert "should end in .csv" in refused("e.xlsx", "x")
    assert "has no rows" in refused("f.csv", f"{header}\n")
    missing = bakehouse("predict", run_id, tmp_path / "none.csv")
    assert missing.exit_code == 2
    unknown = bakehouse("predict", "run_222222222222", tmp_path / "a.csv")
    assert unknown.exit_code == 2
    assert "bakehouse ls" in unknown.stderr
    epoch = bakehouse("predict", run_id, tmp_path / "b.csv", "--epoch", "77")
    assert epoch.exit_code == 2


def test_a_frame_gives_a_frame(run_id: str, folder: Path, people: list[Row], client: Client, home: RunningHome) -> None:
    frame = pd.read_csv(folder / "people.csv", index_col="name")
    found = client.run(run_id).predict(frame)
    assert list(found.index) == list(frame.index)
    assert list(found["prediction"]) == [each.label for each in client.run(run_id).predict(people)]
    assert "notes" not in found
    frame.iloc[1, frame.columns.get_loc("city")] = "Rome"
    noted = client.run(run_id).predict(frame)
    assert pd.isna(noted["notes"].iloc[0])
    assert '"Rome" is none of its classes' in noted["notes"].iloc[1]

    async def predict() -> list[str | None]:
        async with AsyncClient(home.url) as other:
            run = await other.run(run_id)
            return [each.label for each in await run.predict(people[:3], epoch="last")]

    assert len(asyncio.run(predict())) == 3


def test_a_refused_row_is_counted_among_all_rows(run_id: str, people: list[Row], client: Client) -> None:
    rows = [dict(row) for row in people * 7]
    rows[1050]["age"] = "old"
    with pytest.raises(RecipeRefused) as refused:
        client.run(run_id).predict(rows)
    assert [problem.pointer for problem in refused.value.errors] == ["/rows/1050/age"]


def test_steps_of_a_sequence_are_sent_together(client: Client, folder: Path) -> None:
    rows = [{"id": f"s{number % 3}"} for number in range(2500)]
    parts = list(parts_of(rows, "id"))
    assert sorted(place for part in parts for place in part) == list(range(2500))
    assert all(len({place % 3 for place in part}) == 1 for part in parts)
    dataset = {"id": "walks", "target": "way", "sequence": {"id": "walk", "order": "at"}}
    run_id = train(client, {"dataset": dataset, "architecture": "rnn"})
    shown = bakehouse("predict", run_id, folder / "walks.csv")
    assert shown.exit_code == 0, shown.output
    found = table(shown.stdout)
    assert len({row["sequence"] for row in found}) == len(found) == 60


def test_sets_without_named_columns_and_pictures(client: Client, tmp_path: Path) -> None:
    run_id = train(client, {"dataset": "iris", "architecture": "mlp"})
    (tmp_path / "flowers.csv").write_text("a,b,c,d\n5.1,3.5,1.4,.2\n6,3,4,1\n")
    rows = table(bakehouse("predict", run_id, tmp_path / "flowers.csv").stdout)
    assert list(rows[0])[:5] == ["x0", "x1", "x2", "x3", "prediction"]
    (tmp_path / "pictures").mkdir()
    for name in ("b.png", "a.jpg"):
        Image.new("L", (20, 30), 200).save(tmp_path / "pictures" / name)
    run_id = train(client, {"dataset": "digits", "architecture": "cnn"})
    rows = table(bakehouse("predict", run_id, tmp_path / "pictures").stdout)
    assert [row["file"] for row in rows] == ["a.jpg", "b.png"]
    one = table(bakehouse("predict", run_id, tmp_path / "pictures" / "a.jpg").stdout)
    assert one[0]["prediction"] == rows[0]["prediction"]
