"""Predictions over HTTP, made by a real predictor from the weights of real runs."""

import io
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from redis import Redis

from bakehouse.data.known_datasets import BUILTIN
from bakehouse.runs.keys import Keys
from tests.predicted_data import Row, write_people, write_pictures, write_walks
from tests.processes import children_of, kill, name_of, wait_until
from tests.running_home import RunningHome, run_home
from tests.service.requests import problem

SHORT = {"epochs": 3, "early_stopping": "none"}
PEOPLE = {**SHORT, "dataset": {"id": "people", "target": "plan"}, "architecture": "mlp"}
IRIS = {**SHORT, "dataset": "iris", "architecture": "mlp"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def people(folder: Path) -> list[Row]:
    return write_people(folder)


@pytest.fixture(scope="module")
def walks(folder: Path) -> list[Row]:
    return write_walks(folder)


@pytest.fixture(scope="module")
def home(
    folder: Path, people: list[Row], walks: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHome]:
    write_pictures(folder)
    with run_home(tmp_path_factory.mktemp("home"), data=folder) as home:
        wait_until(lambda: predictors_of(home))
        yield home


@pytest.fixture(scope="module")
def http(home: RunningHome) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=home.url, timeout=30, trust_env=False) as client:
        wait_until(lambda: Redis.from_url(home.redis_url).exists(Keys().predictor()))
        yield client


@pytest.fixture(scope="module")
def of_people(home: RunningHome, http: httpx.Client) -> str:
    return train(home, http, PEOPLE)


@pytest.fixture(scope="module")
def of_iris(home: RunningHome, http: httpx.Client) -> str:
    return train(home, http, IRIS)


def predictors_of(home: RunningHome) -> list[int]:
    return [pid for pid in children_of(home.pids().prefork) if name_of(pid) == "bakehouse-pred"]


def train(home: RunningHome, http: httpx.Client, recipe: dict[str, Any]) -> str:
    """Trains a run; returns the path of its best checkpoint."""
    name = recipe["dataset"] if isinstance(recipe["dataset"], str) else recipe["dataset"]["id"]
    wait_until(lambda: http.get(f"/v1/datasets/{name}").json()["status"] == "ready")
    created = http.post("/v1/runs", json=recipe)
    assert created.status_code == 201, created.text
    run_id = created.json()["id"]
    assert home.wait_for(run_id, "succeeded", "failed").status == "succeeded"
    return f"/v1/runs/{run_id}/checkpoints/best"


def ask(http: httpx.Client, checkpoint: str, rows: Any) -> list[dict[str, Any]]:
    answer = http.post(f"{checkpoint}/predict", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["predictions"]
    return found


def refusals(http: httpx.Client, checkpoint: str, rows: Any) -> dict[str, str]:
    """The messages of a refused request by their pointers."""
    content = json.dumps({"rows": rows})
    headers = {"content-type": "application/json"}
    answer = http.post(f"{checkpoint}/predict", content=content, headers=headers)
    problem(answer, 422)
    return {error["pointer"]: error["message"] for error in answer.json()["errors"]}


def split_rows(http: httpx.Client, checkpoint: str) -> list[int]:
    rows: list[int] = http.get(f"{checkpoint.rpartition('/checkpoints')[0]}/split").json()["test"]["rows"]
    return rows


def recorded(http: httpx.Client, checkpoint: str) -> dict[str, float]:
    """The test metrics that the run has recorded."""
    run = http.get(checkpoint.rpartition("/checkpoints")[0]).json()
    metrics: dict[str, float] = run["best"]["metrics"]
    return metrics


def test_rows_of_a_table_are_predicted_as_they_were_measured(
    http: httpx.Client, of_people: str, people: list[Row]
) -> None:
    rows = [people[row] for row in split_rows(http, of_people)]
    predicted = ask(http, of_people, rows)
    hits = [each["label"] == row["plan"] for each, row in zip(predicted, rows, strict=True)]
    assert np.mean(hits) == pytest.approx(recorded(http, of_people)["test_accuracy"])
    losses = [-np.log(each["probabilities"][row["plan"]]) for each, row in zip(predicted, rows, strict=True)]
    assert np.mean(losses) == pytest.approx(recorded(http, of_people)["test_loss"], rel=1e-5)
    assert all(sum(each["probabilities"].values()) == pytest.approx(1) for each in predicted)
    assert not any("notes" in each for each in predicted)


def test_the_answer_says_which_weights_have_predicted(http: httpx.Client, of_people: str, people: list[Row]) -> None:
    [checkpoint] = [
        each for each in http.get(of_people.rpartition("/")[0]).json()["data"] if "best" in each["roles"]
    ]  # fmt: skip
    by_epoch = f"{of_people.rpartition('/')[0]}/{checkpoint['epoch']}"
    answers = [http.post(f"{path}/predict", json={"rows": people[:1]}).json() for path in (of_people, by_epoch)]
    assert answers[0] == answers[1]
    assert answers[0]["sha256"] == checkpoint["sha256"]
    assert (answers[0]["target"], answers[0]["epoch"]) == ("plan", checkpoint["epoch"])


def test_a_row_may_have_numbers_truth_values_and_nulls(http: httpx.Client, of_people: str, people: list[Row]) -> None:
    row = people[1]
    typed = {
        **{name: row[name] for name in ("city", "joined")},
        "age": int(row["age"]),
        "income": float(row["income"]),
        "member": row["member"] == "yes",
    }
    texts = ask(http, of_people, [row])
    in_order = [typed[name] for name in ("age", "city", "member", "joined", "income", "spent") if name in typed]
    whole = list(row.values())
    assert ask(http, of_people, [{**typed, "spent": float(row["spent"])}]) == texts
    assert ask(http, of_people, [[*in_order, row["spent"]]]) == texts
    assert ask(http, of_people, [whole]) == texts
    empty = ask(http, of_people, [{**row, "age": None, "city": None, "joined": None}, {**row, "age": "NA", "city": " ",
                                                                                     "joined": "unknown"}])  # fmt: skip
    assert empty[0] == empty[1] != texts[0]
    assert ask(http, of_people, [{**row, "joined": "2024-01-31"}]) == ask(
        http, of_people, [{**row, "joined": "31.01.2024"}]
    )


def test_a_new_category_is_said(http: httpx.Client, of_people: str, people: list[Row]) -> None:
    [answer] = ask(http, of_people, [{**people[1], "city": "Rome"}])
    assert answer["notes"] == [
        'city: "Rome" is none of its classes Bern, Köln, New York, NY, Oslo, so it counts as none'
    ]


@pytest.mark.parametrize(
    ("change", "pointer", "message"),
    [
        ({"age": "old"}, "/rows/1/age", '"old" is not a number'),
        ({"age": True}, "/rows/1/age", "true is not a number"),
        ({"age": float("nan")}, "/rows/1/age", "nan is not a number that a model can use"),
        ({"age": float("-inf")}, "/rows/1/age", "-inf is not a number that a model can use"),
        ({"age": [1]}, "/rows/1/age", "[1] is not a number: a cell is a text, a number or null"),
        ({"age": 1e300}, "/rows/1/age", "too large"),
        ({"age": 10**400}, "/rows/1/age", "too large"),
        ({"member": "perhaps"}, "/rows/1/member", '"perhaps" is not one of no and yes'),
        ({"joined": "yesterday"}, "/rows/1/joined", '"yesterday" is not a date: write it as 2024-01-31'),
        ({"joined": 20240131}, "/rows/1/joined", "20240131 is not a date"),
        ({"citty": "Bern"}, "/rows/1/citty", "there is no column citty; did you mean 'city'?"),
        ({"a/b~c": 1}, "/rows/1/a~1b~0c", "there is no column a/b~c"),
    ],
)
def test_a_bad_cell_is_named(
    http: httpx.Client, of_people: str, people: list[Row], change: dict[str, Any], pointer: str, message: str
) -> None:
    found = refusals(http, of_people, [people[1], {**people[2], **change}])
    assert list(found) == [pointer]
    assert message in found[pointer]


def test_bad_rows_are_named(http: httpx.Client, of_people: str, people: list[Row]) -> None:
    short = {name: cell for name, cell in people[1].items() if name not in ("age", "plan", "name")}
    assert refusals(http, of_people, [short]) == {"/rows/0": "has no cell for age: send null where a cell is empty"}
    found = refusals(http, of_people, [people[1], [1, 2], "a row", None])
    assert list(found) == ["/rows/1", "/rows/2", "/rows/3"]
    assert found["/rows/1"] == "has 2 cells; the 6 inputs are age, city, member, joined, income, spent"
    assert len(refusals(http, of_people, [{**people[1], "age": "x"}] * 50)) == 20


@pytest.mark.parametrize(
    ("content", "status", "pointer"),
    [
        ("[]", 422, ""), ("{}", 422, "/rows"), ('{"rows": []}', 422, "/rows"), ('{"rows": 3}', 422, "/rows"),
        ('{"rows": [[1]], "row": 1}', 422, "/row"), ("{", 400, None), ('{"rows": 1, "rows": 2}', 400, None),
        ("[" * 100_000, 400, None), ('{"rows": [[' + "1" * 10_000 + "]]}", 400, None), (b"\xff", 400, None),
    ],
)  # fmt: skip
def test_a_body_that_is_no_list_of_rows(
    http: httpx.Client, of_iris: str, content: str, status: int, pointer: str | None
) -> None:
    headers = {"content-type": "application/json"}
    answer = http.post(f"{of_iris}/predict", content=content, headers=headers)
    problem(answer, status)
    assert pointer is None or pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_values_are_in_the_units_of_the_data(home: RunningHome, http: httpx.Client, people: list[Row]) -> None:
    checkpoint = train(home, http, {**PEOPLE, "dataset": {"id": "people", "target": "spent"}})
    rows = [people[row] for row in split_rows(http, checkpoint)]
    errors = [each["value"] - float(row["spent"]) for each, row in zip(ask(http, checkpoint, rows), rows, strict=True)]
    assert np.abs(errors).mean() == pytest.approx(recorded(http, checkpoint)["test_mean_absolute_error"], rel=1e-5)


def test_further_targets_are_predicted_too(home: RunningHome, http: httpx.Client, people: list[Row]) -> None:
    checkpoint = train(home, http, {**PEOPLE, "objective": {"tasks": [{"target": "spent"}]}})
    rows = [people[row] for row in split_rows(http, checkpoint)]
    predicted = ask(http, checkpoint, rows)
    errors = [
        each["further"]["spent"]["value"] - float(row["spent"]) for each, row in zip(predicted, rows, strict=True)
    ]
    metrics = recorded(http, checkpoint)
    assert np.abs(errors).mean() == pytest.approx(metrics["test_spent_mean_absolute_error"], rel=1e-5)
    hits = [each["label"] == row["plan"] for each, row in zip(predicted, rows, strict=True)]
    assert np.mean(hits) == pytest.approx(metrics["test_accuracy"])


def test_rows_without_names_are_lists_of_numbers(http: httpx.Client, of_iris: str) -> None:
    inputs, labels = (np.load(BUILTIN / "iris" / f"{name}.npy") for name in ("x", "y"))
    rows = split_rows(http, of_iris)
    predicted = ask(http, of_iris, inputs[rows].tolist())
    classes = list(predicted[0]["probabilities"])
    assert classes == ["setosa", "versicolor", "virginica"]
    hits = [classes.index(each["label"]) == label for each, label in zip(predicted, labels[rows], strict=True)]
    assert np.mean(hits) == pytest.approx(recorded(http, of_iris)["test_accuracy"])
    found = refusals(http, of_iris, [[1, 2, 3], {"petal": 1}, [1, None, "3", 4], [1, 2, 3, 1e300]])
    assert list(found) == ["/rows/0", "/rows/1", "/rows/2/1", "/rows/2/2", "/rows/3/3"]
    assert found["/rows/0"] == "should be a list of 4 numbers, not a list of 3"
    assert found["/rows/1"] == "the data set has no named columns: send a list of 4"


def test_arrays_are_read_from_a_file(http: httpx.Client, of_iris: str, of_people: str, people: list[Row]) -> None:
    inputs = np.load(BUILTIN / "iris" / "x.npy")[:5]
    headers = {"content-type": "application/x-npz"}
    sent = http.post(f"{of_iris}/predict", content=npz(x=inputs), headers=headers)
    assert sent.json()["predictions"] == ask(http, of_iris, inputs.tolist())
    columns = {name: np.array([row[name] for row in people[:4]]) for name in people[0]}
    sent = http.post(f"{of_people}/predict", content=npz(**columns), headers=headers)
    assert sent.json()["predictions"] == ask(http, of_people, people[:4])
    for content, words in (
        (npz(x=inputs[:, :3]), "a row of x is 3"),
        (b"PK", "not an npz file"),
        (npz(z=np.arange(3), w=np.arange(3)), "needs one array x"),
    ):
        refused = problem(http.post(f"{of_iris}/predict", content=content, headers=headers), 422)
        assert words in str(refused["errors"])


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_pictures_of_any_size_are_predicted(home: RunningHome, http: httpx.Client, folder: Path) -> None:
    checkpoint = train(home, http, {**SHORT, "dataset": "shapes", "architecture": "cnn"})
    test = http.get(f"{checkpoint.rpartition('/checkpoints')[0]}/split").json()["test"]
    hits = []
    for path, label in zip(test["paths"], test["labels"], strict=True):
        content = (folder / "shapes" / path).read_bytes()
        kind = "image/png" if path.endswith("png") else "image/jpeg"
        answer = http.post(f"{checkpoint}/predict", content=content, headers={"content-type": kind})
        hits.append(answer.json()["predictions"][0]["label"] == label)
    assert np.mean(hits) == pytest.approx(recorded(http, checkpoint)["test_accuracy"])
    refused = problem(http.post(f"{checkpoint}/predict", content=b"GIF", headers={"content-type": "image/png"}), 422)
    assert "is not a PNG" in str(refused["errors"])


def test_a_picture_has_the_levels_of_the_data_set(home: RunningHome, http: httpx.Client) -> None:
    checkpoint = train(home, http, {**SHORT, "dataset": "digits", "architecture": "cnn"})
    digits = np.load(BUILTIN / "digits" / "x.npy")[:20]
    wanted = ask(http, checkpoint, digits.tolist())
    for digit, expected in zip(digits, wanted, strict=True):
        file = io.BytesIO()
        Image.fromarray(np.round(digit[0].astype(float) / 16 * 255).astype(np.uint8)).save(file, "PNG")
        sent = http.post(f"{checkpoint}/predict", content=file.getvalue(), headers={"content-type": "image/png"})
        assert sent.json()["predictions"][0]["label"] == expected["label"]


def test_sequences_are_lists_of_steps_or_steps_with_an_id(
    home: RunningHome, http: httpx.Client, walks: list[Row]
) -> None:
    dataset = {"id": "walks", "target": "way", "sequence": {"id": "walk", "order": "at"}}
    checkpoint = train(home, http, {**SHORT, "dataset": dataset, "architecture": "rnn"})
    rows = [walks[row] for row in split_rows(http, checkpoint)]
    flat = ask(http, checkpoint, rows)
    ways = {row["walk"]: row["way"] for row in rows}
    hits = [each["label"] == ways[each["sequence"]] for each in flat]
    assert len(hits) == len(ways)
    assert np.mean(hits) == pytest.approx(recorded(http, checkpoint)["test_accuracy"])
    steps = [
        sorted((row for row in rows if row["walk"] == each["sequence"]), key=lambda row: int(row["at"]))
        for each in flat
    ]
    nested = ask(http, checkpoint, steps)
    for one, other in zip(nested, flat, strict=True):
        assert one["label"] == other["label"]
        assert one["probabilities"]["up"] == pytest.approx(other["probabilities"]["up"], abs=1e-6)
    assert list(refusals(http, checkpoint, [[], steps[0] * 9])) == ["/rows/0", "/rows/1"]
    assert list(refusals(http, checkpoint, [[{**steps[0][0], "height": "high"}]])) == ["/rows/0/0/height"]
    assert "has no walk" in refusals(http, checkpoint, [{"height": 1, "mood": "calm", "at": 1}])["/rows/0"]


def test_many_clients_get_their_own_answers(http: httpx.Client, of_iris: str) -> None:
    inputs = np.load(BUILTIN / "iris" / "x.npy").tolist()
    expected = ask(http, of_iris, inputs)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda row: ask(http, of_iris, [row])[0], inputs))
    for one, other in zip(found, expected, strict=True):
        assert one["label"] == other["label"]
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)


def test_limits(http: httpx.Client, of_iris: str) -> None:
    found = refusals(http, of_iris, [[1, 2, 3, 4]] * 10_001)
    assert found == {"/rows": "has 10,001 rows; at most 10,000 are allowed (BAKEHOUSE_MAX_PREDICTION_ROWS)"}
    assert len(ask(http, of_iris, [[1, 2, 3, 4]] * 10_000)) == 10_000
    large = http.post(f"{of_iris}/predict", content=b" " * (9 << 20), headers={"content-type": "application/json"})
    assert "BAKEHOUSE_MAX_PREDICTION_BYTES" in str(problem(large, 413)["detail"])
    text = http.post(f"{of_iris}/predict", content=b"1,2", headers={"content-type": "text/csv"})
    assert "application/json or image/png" in str(problem(text, 415)["detail"])


def test_what_is_not_there(http: httpx.Client, of_iris: str) -> None:
    rows = {"rows": [[1, 2, 3, 4]]}
    run = of_iris.rpartition("/checkpoints")[0]
    problem(http.post("/v1/runs/run_222222222222/checkpoints/best/predict", json=rows), 404)
    refused = problem(http.post(f"{run}/checkpoints/99/predict", json=rows), 404)
    assert refused["type"] == "/problems/checkpoint_not_found"
    assert http.get(f"{of_iris}/predict").status_code == 405


def test_a_checkpoint_that_cannot_be_used_says_why(
    home: RunningHome, http: httpx.Client, folder: Path, tmp_path: Path
) -> None:
    lost, changed = (train(home, http, {**IRIS, "seed": seed}) for seed in (11, 12))
    record = home.store.record(lost.split("/")[3])
    for checkpoint in record.checkpoints:
        path = home.artifacts.checkpoint_path(record.id, checkpoint.sha256)
        path.rename(tmp_path / checkpoint.sha256)
    rows = {"rows": [[1, 2, 3, 4]]}
    refused = problem(http.post(f"{lost}/predict", json=rows), 409)
    assert "cannot predict: the file is missing; restore it" in str(refused["detail"])
    record = home.store.record(changed.split("/")[3])
    for checkpoint in record.checkpoints:
        path = home.artifacts.checkpoint_path(record.id, checkpoint.sha256)
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    assert "does not have its digest" in str(problem(http.post(f"{changed}/predict", json=rows), 409)["detail"])


def test_a_data_set_that_has_changed_says_so(home: RunningHome, http: httpx.Client, folder: Path) -> None:
    random = np.random.default_rng(0)
    np.savez(folder / "moving.npz", x=random.normal(size=(60, 3)), y=np.arange(60) % 2)
    checkpoint = train(home, http, {**IRIS, "dataset": "moving"})
    np.savez(folder / "moving.npz", x=random.normal(size=(60, 3)), y=np.arange(60) % 3)
    wait_until(lambda: http.get("/v1/datasets/moving").json()["status"] == "ready")
    refused = wait_until(lambda: first_409(http.post(f"{checkpoint}/predict", json={"rows": [[1, 2, 3]]})))
    assert "the data set moving has changed since the run was trained" in str(refused["detail"])
    assert "this version of Bakehouse reads them in another way: train again" in str(refused["detail"])


def first_409(answer: httpx.Response) -> dict[str, Any] | None:
    """The document, unless the data set is being packed again."""
    document = problem(answer, 409)
    return None if document["type"] == "/problems/dataset_not_ready" else document


def test_a_predictor_that_is_killed_is_replaced(home: RunningHome, http: httpx.Client, of_iris: str) -> None:
    [pid] = predictors_of(home)
    kill(pid)
    wait_until(lambda: predictors_of(home) not in ([], [pid]))
    assert len(ask(http, of_iris, [[1, 2, 3, 4]])) == 1


def test_without_a_predictor_clients_are_told_when_to_try_again(
    home: RunningHome, http: httpx.Client, of_iris: str
) -> None:
    [pid] = predictors_of(home)
    os.kill(pid, signal.SIGSTOP)
    try:
        Redis.from_url(home.redis_url).delete(Keys().predictor())
        refused = http.post(f"{of_iris}/predict", json={"rows": [[1, 2, 3, 4]]})
        assert problem(refused, 503)["type"] == "/problems/no_task_process"
        assert int(refused.headers["retry-after"]) > 0
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: http.post(f"{of_iris}/predict", json={"rows": [[1, 2, 3, 4]]}).status_code == 200)
