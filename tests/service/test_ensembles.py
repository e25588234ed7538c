"""The runs of an arm as one model, over HTTP, trained and measured by real processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray
from typer.testing import CliRunner

from bakehouse.cli.main import app
from bakehouse.data.known_datasets import BUILTIN
from tests.processes import wait_until
from tests.running_home import RunningHome, run_home
from tests.service.requests import problem

Floats = NDArray[np.float64]
LINEAR = {"architecture": "linear", "epochs": 2, "early_stopping": "none"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    with run_home(tmp_path_factory.mktemp("home")) as home:
        wait_until(home.store.task_processes)
        yield home


@pytest.fixture(scope="module")
def http(home: RunningHome) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=home.url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def flowers(http: httpx.Client) -> str:
    """The path of a finished experiment on classes."""
    return train(http, {**LINEAR, "dataset": "iris"}, seeds=3)


def train(http: httpx.Client, recipe: dict[str, Any], **fields: object) -> str:
    variants = {"type": "variants", "variants": {"plain": {}, "one more/epoch": {"epochs": 3}}}
    created = http.post("/v1/experiments", json={"recipe": recipe, "design": variants, **fields})
    assert created.status_code == 201, created.text
    path = f"/v1/experiments/{created.json()['id']}"
    wait_until(lambda: http.get(path).json()["status"] == "finished")
    return path


def ask(http: httpx.Client, path: str, **fields: object) -> dict[str, Any]:
    answer = http.post(f"{path}/ensembles", json=fields)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def refusal(http: httpx.Client, path: str, status: int, **fields: object) -> dict[str, Any]:
    return problem(http.post(f"{path}/ensembles", json=fields), status)


def outputs_of(home: RunningHome, http: httpx.Client, run_id: str, dataset: str) -> tuple[Floats, Floats]:
    """The outputs of a linear model for its test rows, computed in NumPy, and their targets."""
    record = home.store.record(run_id)
    best = next(each for each in record.checkpoints if "best" in each.roles)
    weights = safetensors.numpy.load_file(home.artifacts.checkpoint_path(run_id, best.sha256))
    rows = http.get(f"/v1/runs/{run_id}/split").json()["test"]["rows"]
    inputs, targets = (np.load(BUILTIN / dataset / f"{name}.npy")[rows] for name in ("x", "y"))
    shift, scale, matrix, bias = (weights[name] for name in NAMES)
    outputs = (inputs.astype(np.float64) - shift) * scale @ matrix.T.astype(np.float64) + bias
    if "denormalize.std" in weights:
        outputs = outputs * weights["denormalize.std"] + weights["denormalize.mean"]
    return outputs, targets


NAMES = ("normalize.shift", "normalize.scale", "head.weight", "head.bias")


def softmax(logits: Floats) -> Floats:
    powers: Floats = np.exp(logits - logits.max(1, keepdims=True))
    found: Floats = powers / powers.sum(1, keepdims=True)
    return found


def test_the_metrics_are_those_of_the_mean_probabilities(home: RunningHome, http: httpx.Client, flowers: str) -> None:
    runs = [each["run"] for each in http.get(flowers).json()["runs"] if each["arm"] == "plain"]
    members = [outputs_of(home, http, run, "iris") for run in runs]
    probabilities = np.stack([softmax(outputs) for outputs, _ in members])
    targets = members[0][1]
    roots = probabilities.prod(0) ** (1 / 3)
    means = {"arithmetic": probabilities.mean(0), "geometric": roots / roots.sum(1, keepdims=True)}
    for mean, expected in means.items():
        found = ask(http, flowers, arm="plain", mean=mean)
        assert (found["n"], found["runs"], found["name"]) == (3, runs, f"plain-{mean}")
        loss = -np.log(expected[np.arange(len(targets)), targets]).mean()
        assert found["test"]["test_loss"] == pytest.approx(loss, rel=1e-5)
        assert found["test"]["test_accuracy"] == pytest.approx((expected.argmax(1) == targets).mean())
        assert set(found["validation"]) >= {"validation_loss", "validation_accuracy"}


def test_it_is_listed_beside_the_arms_and_measured_once(http: httpx.Client, flowers: str) -> None:
    made = ask(http, flowers, arm="one more/epoch")
    assert made["name"] == "one-more-epoch-arithmetic"
    again = http.post(f"{flowers}/ensembles", json={"arm": "one more/epoch"})
    assert (again.status_code, again.json()) == (200, made)
    results = http.get(f"{flowers}/results").json()
    arm = next(each for each in results["arms"] if each["name"] == "one more/epoch")
    assert made in results["ensembles"]
    assert made in http.get(f"{flowers}/ensembles").json()["data"]
    assert made["members"]["validation_accuracy"] == pytest.approx(arm["mean"])
    assert made["members"]["test_accuracy"] == pytest.approx(arm["test"]["test_accuracy"])
    assert "on average. One ensemble is one value, so it has no interval." in made["sentence"]


def download(http: httpx.Client, path: str, name: str, folder: Path) -> Path:
    answer = http.get(f"{path}/ensembles/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    with ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    [inside] = folder.iterdir()
    return inside


def run_script(folder: Path) -> str:
    """What the script of an ensemble prints, which must succeed without Bakehouse."""
    command = [sys.executable, "ensemble.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_folder_has_the_members_and_a_script_with_the_same_metrics(
    http: httpx.Client, flowers: str, tmp_path: Path
) -> None:
    made = ask(http, flowers, arm="plain")
    folder = download(http, flowers, made["name"], tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["ensemble"] == made
    for member in manifest["members"]:
        assert sha256((folder / member["file"]).read_bytes()).hexdigest() == member["sha256"]
    printed = run_script(folder)
    assert printed.count("identical") == len(made["test"])
    assert problem(http.get(f"{flowers}/ensembles/none"), 404)


def test_the_command_shows_it_beside_its_members_and_saves_it(
    home: RunningHome, http: httpx.Client, flowers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", home.url)
    file = tmp_path / "flowers.zip"
    command = ["experiment", "ensemble", flowers.rpartition("/")[2], "--arm", "plain", "-o", str(file)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    made = ask(http, flowers, arm="plain")
    assert made["sentence"] in result.stdout
    assert f"test_loss\t{made['test']['test_loss']:.4g}\t{made['members']['test_loss']:.4g}" in result.stdout
    assert file.read_bytes() == http.get(f"{flowers}/ensembles/{made['name']}").content
    shown = CliRunner().invoke(app, [*command[:5], "--json"])
    assert json.loads(shown.stdout) == made


def test_values_have_the_arithmetic_mean(home: RunningHome, http: httpx.Client) -> None:
    path = train(http, {**LINEAR, "dataset": "diabetes"}, seeds=2)
    found = ask(http, path, arm="plain")
    members = [outputs_of(home, http, run, "diabetes") for run in found["runs"]]
    outputs = np.mean([outputs[:, 0] for outputs, _ in members], axis=0)
    assert found["test"]["test_loss"] == pytest.approx(np.square(outputs - members[0][1]).mean(), rel=1e-5)
    refused = refusal(http, path, 422, arm="plain", mean="geometric")
    assert refused["errors"][0]["pointer"] == "/mean"


def test_what_cannot_be_one_model_is_refused(http: httpx.Client, flowers: str) -> None:
    for body, pointer in (({"arm": "pain"}, "/arm"), ({}, "/arm"), ({"arm": "plain", "mean": "median"}, "/mean")):
        assert refusal(http, flowers, 422, **body)["errors"][0]["pointer"] == pointer
    assert refusal(http, "/v1/experiments/exp_000000000000", 404, arm="plain")
    single = train(http, {**LINEAR, "dataset": "iris"}, seeds=1)
    assert "needs 2 finished runs" in refusal(http, single, 409, arm="plain")["detail"]
    folds = train(http, {**LINEAR, "dataset": "iris"}, seeds=1, folds=2)
    assert "cross-validation" in refusal(http, folds, 409, arm="plain")["detail"]


def test_a_damaged_member_is_named(home: RunningHome, http: httpx.Client, flowers: str) -> None:
    body = {"arm": "one more/epoch", "mean": "geometric"}
    run = next(each["run"] for each in http.get(flowers).json()["runs"] if each["arm"] == body["arm"])
    best = next(each for each in home.store.record(run).checkpoints if "best" in each.roles)
    file = home.artifacts.checkpoint_path(run, best.sha256)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused = refusal(http, flowers, 409, **body)
    assert refused["type"].endswith("no_ensemble")
    assert f"The weights of {run} cannot be used" in refused["detail"]
    file.write_bytes(content)
    assert ask(http, flowers, **body)["n"] == 3
