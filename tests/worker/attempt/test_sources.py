"""Without a service: a run that builds on another one's file, and one whose file is gone or damaged."""

import json
from pathlib import Path

import pytest
import safetensors.torch

from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, Prepared, prepare
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.local_runs import RECORD, LocalRuns
from bakehouse.runs.record import Record
from bakehouse.settings import Settings
from tests.small_trainings import PICTURES, Document
from worker.train import train


class Laptop:
    """A home with runs in its folders."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, device="cpu", threads=1)
        self.folders = LocalRuns(self.settings.trained)

    def prepared(self, document: Document) -> Prepared:
        return prepare(document, Catalog(self.settings), Limits(parameters=10**6), saved=self.folders)

    def trained(self, prepared: Prepared) -> tuple[int, Record, Path]:
        """Exit code, record and folder."""
        folder = self.settings.trained / prepared.plan.recipe.sha256()[:12]
        folder.mkdir(parents=True)
        code = train(prepared, folder, self.settings)
        return code, Record.model_validate_json((folder / RECORD).read_text(encoding="utf-8")), folder


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


def frozen(run_id: str) -> Document:
    return {**PICTURES, "seed": 1, "pretraining": {"type": "transfer", "checkpoint": run_id, "freeze": True}}


def test_a_run_begins_with_the_file_of_another(laptop: Laptop, capsys: pytest.CaptureFixture[str]) -> None:
    _, source, source_folder = laptop.trained(laptop.prepared(PICTURES))
    code, record, folder = laptop.trained(laptop.prepared(frozen(source.id)))
    assert (code, record.status, record.depends_on) == (0, "succeeded", (source.id,))
    assert record.receipt is not None
    assert source.checkpoints[0].dataset_fingerprint == record.receipt.dataset_fingerprint
    before, after = (safetensors.torch.load_file(each / "best.safetensors") for each in (source_folder, folder))
    for name in ("stage1.conv1.conv.weight", "stage1.conv1.norm.running_mean", "normalize.scale"):
        assert before[name].numpy().tobytes() == after[name].numpy().tobytes()
    told = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert told[-1] == "end"


def test_a_run_that_was_not_trained_here_is_unknown(laptop: Laptop) -> None:
    with pytest.raises(RecipeInvalid, match="there is no run run_aaaaaaaaaaaa in the folders of"):
        laptop.prepared(frozen("run_aaaaaaaaaaaa"))


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_weights_that_are_lost_fail_the_run_and_say_so(
    laptop: Laptop, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, source, _ = laptop.trained(laptop.prepared(PICTURES))
    prepared = laptop.prepared(frozen(source.id))
    [best] = [item for item in source.checkpoints if "best" in item.roles]
    path = laptop.folders.artifacts(source.id).checkpoint_path(source.id, best.sha256)
    content = path.read_bytes()
    path.unlink() if harm == "gone" else path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, record, _ = laptop.trained(prepared)
    assert (code, record.status, record.reason) == (1, "failed", "checkpoint")
    assert record.failure is not None
    assert record.failure.pointer == "/pretraining/checkpoint"
    assert source.id in record.failure.message
    assert "Traceback" not in capsys.readouterr().err
