"""The answers to the requests of a message, of which some cost far more than others."""

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.settings import Settings
from bakehouse.tasks.answers import TaskFailed, decode
from bakehouse.tasks.predictions import PredictionRequest, pack_request
from tests.plan.test_evaluation_script import train_here
from worker.tasks.predict import models as loading
from worker.tasks.predict.models import Models
from worker.tasks.predict.predict import answer_all, slices_of

RECIPE = {"dataset": "iris", "architecture": "mlp", "epochs": 1, "early_stopping": "none"}
ROW = [5.1, 3.5, 1.4, 0.2]
LARGE = 2000
Home = tuple[Settings, PredictionRequest]


class SlowModel(nn.Module):
    """A model that takes long for each full batch."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, rows: Tensor) -> Tensor:
        time.sleep(0.1 if len(rows) == 128 else 0)
        found: Tensor = self.module(rows)
        return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The settings of a home with a checkpoint, and the head of a request for it."""
    folder: Path = tmp_path_factory.mktemp("home")
    settings = Settings(home=folder, data=folder / "data", device="cpu", threads=1)
    record = train_here(RECIPE, settings, folder / "trained")
    content = (folder / "trained" / "best.safetensors").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    file = open_artifacts(settings).checkpoint_path(record.id, sha256)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    head = PredictionRequest(run=record.id, epoch=1, sha256=sha256, fingerprint=None, form="json", max_rows=10_000)
    return settings, head


def rows_of(head: PredictionRequest, count: int) -> bytes:
    return pack_request(head, json.dumps({"rows": [ROW] * count}).encode())


def failure_in(answer: bytes) -> str | None:
    try:
        decode(answer)
    except TaskFailed as error:
        return error.failure.code
    return None


def test_small_requests_are_answered_before_those_that_take_too_long(home: Home) -> None:
    settings, head = home
    models = Models(settings)
    model = models.get(head)
    models._kept[head.sha256] = replace(model, module=SlowModel(model.module))
    requests = [rows_of(head, count) for count in (LARGE, 1, LARGE, 3)]
    parts = list(answer_all(models, requests, time.monotonic() + 0.3))
    assert set(parts[0]) == {1, 3}
    answers: dict[int, bytes] = {place: answer for part in parts for place, answer in part.items()}
    assert {place: failure_in(answer) for place, answer in answers.items()} == {
        0: "timeout", 1: None, 2: "timeout", 3: None,
    }  # fmt: skip
    assert len(json.loads(decode(answers[3]))["predictions"]) == 3


def test_a_request_that_cannot_be_read_fails_alone(home: Home) -> None:
    settings, head = home
    requests = [pack_request(head, b"{"), rows_of(head, 1), rows_of(head, LARGE)]
    parts = list(answer_all(Models(settings), requests, time.monotonic() + 60))
    answers: dict[int, bytes] = {place: answer for part in parts for place, answer in part.items()}
    assert [failure_in(answers[place]) for place in range(3)] == ["malformed_json", None, None]


def test_few_bytes_are_answered_together() -> None:
    sizes = (300 << 10, 10, 200 << 10, 20, 100 << 10)
    assert list(slices_of([bytes(size) for size in sizes])) == [[1, 3, 4], [2], [0]]


def test_too_little_memory_is_no_fault_of_the_checkpoint(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, head = home

    def build_model(_: Any) -> nn.Module:
        return nn.Sequential(nn.Linear(1 << 40, 1 << 10))

    monkeypatch.setattr(loading, "build_model", build_model)
    [answers] = answer_all(Models(settings), [rows_of(head, 1)], time.monotonic() + 60)
    assert failure_in(answers[0]) == "out_of_memory"
