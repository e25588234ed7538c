"""Runs without a service that build on the weights of another run, some of which are lost, damaged or old."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, Prepared, prepare
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.local_runs import RECORD, LocalRuns
from bakehouse.runs.record import Record, new_run_id
from bakehouse.settings import Settings
from tests.small_trainings import DIGITS_CNN, Document, make_small_plan
from worker.attempt.checkpoint_writer import describe
from worker.attempt.failures import failure_of
from worker.attempt.sources import Source, SourceLost, read_sources
from worker.train import train


class Home:
    """A home with runs in its folders, without a service."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder, device="cpu", threads=1)
        self.local_runs = LocalRuns(self.settings.trained)

    def prepared(self, document: Document) -> Prepared:
        return prepare(document, Catalog(self.settings), Limits(parameters=10**6), runs=self.local_runs)

    def trained(self, prepared: Prepared) -> tuple[int, Record, Path]:
        """Trains; returns exit code, record and folder."""
        folder = self.settings.trained / prepared.plan.recipe.sha256()[:12]
        folder.mkdir(parents=True)
        code = train(prepared, folder, self.settings)
        return code, Record.model_validate_json((folder / RECORD).read_text(encoding="utf-8")), folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def frozen(run_id: str) -> Document:
    return {**DIGITS_CNN, "seed": 1, "pretraining": {"type": "transfer", "checkpoint": run_id, "freeze": True}}


def test_a_run_starts_from_the_weights_of_another(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    _, source, source_folder = home.trained(home.prepared(DIGITS_CNN))
    code, record, folder = home.trained(home.prepared(frozen(source.id)))
    assert (code, record.status, record.depends_on) == (0, "succeeded", (source.id,))
    assert record.provenance is not None
    assert source.checkpoints[0].dataset_fingerprint == record.provenance.dataset_fingerprint
    before, after = (safetensors.torch.load_file(each / "best.safetensors") for each in (source_folder, folder))
    for name in ("stage1.conv1.conv.weight", "stage1.conv1.norm.running_mean", "normalize.scale"):
        assert before[name].numpy().tobytes() == after[name].numpy().tobytes()
    types = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert types[-1] == "end"


def test_a_run_that_was_not_trained_here_is_unknown(home: Home) -> None:
    with pytest.raises(RecipeInvalid, match="there is no run run_aaaaaaaaaaaa in the folders of"):
        home.prepared(frozen("run_aaaaaaaaaaaa"))


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_run_whose_source_weights_are_lost_fails_and_names_them(
    home: Home, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, source, _ = home.trained(home.prepared(DIGITS_CNN))
    prepared = home.prepared(frozen(source.id))
    [best] = [item for item in source.checkpoints if "best" in item.roles]
    path = home.local_runs.artifacts(source.id).checkpoint_path(source.id, best.sha256)
    content = path.read_bytes()
    path.unlink() if harm == "gone" else path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, record, _ = home.trained(prepared)
    assert (code, record.status, record.reason) == (1, "failed", "checkpoint")
    assert record.failure is not None
    assert record.failure.pointer == "/pretraining/checkpoint"
    assert source.id in record.failure.message
    assert "Traceback" not in capsys.readouterr().err


def test_a_checkpoint_whose_header_has_the_old_names_of_fields_is_read(tmp_path: Path) -> None:
    document = {**DIGITS_CNN, "norm": {"type": "batch_renorm", "burn_in": 0.25}, "curriculum": "curriculum"}
    plan = make_small_plan(document)
    header = json.loads(describe(plan, 1))
    header["recipe"]["norm"]["plain_until"] = header["recipe"]["norm"].pop("burn_in")
    header["recipe"]["curriculum"]["steps"] = 4
    weights = {"head.weight": torch.ones(2)}
    content = safetensors.torch.save(weights, {"bakehouse": json.dumps(header)})
    [source] = read_stored(content, tmp_path).values()
    assert source.plan.recipe == plan.recipe
    assert source.weights["head.weight"].equal(weights["head.weight"])


def read_stored(content: bytes, folder: Path) -> dict[str, Source]:
    """Stores a checkpoint and reads it as the source of a recipe."""
    artifacts = Artifacts(folder)
    run_id = new_run_id()
    sha256 = artifacts.write_checkpoint(run_id, content, {}).sha256
    named = {"run": run_id, "epoch": 1, "sha256": sha256}
    recipe = read_recipe({**DIGITS_CNN, "pretraining": {"type": "transfer", "checkpoint": named}})
    return read_sources(recipe, Catalog(Settings(home=folder)), lambda _: artifacts)


def with_header(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


def with_description(description: str) -> bytes:
    return safetensors.torch.save({"head.weight": torch.ones(2)}, {"bakehouse": description})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        with_header(b"{"),
        with_header(b"\xff"),
        with_header(b"[]"),
        with_header(b'{"__metadata__": null}'),
        safetensors.torch.save({"head.weight": torch.ones(2)}),
        safetensors.torch.save({"head.weight": torch.ones(2)}, {"other": "{}"}),
        with_description("not JSON"),
        with_description("[]"),
        with_description("{}"),
        with_description('{"recipe": 1}'),
        with_description('{"recipe": {"dataset": "digits", "norm": 7}}'),
        with_description(describe(make_small_plan(DIGITS_CNN), 1))[:-1],
    ],
)
def test_a_checkpoint_whose_header_is_damaged_is_lost(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SourceLost) as caught:
        read_stored(content, tmp_path)
    failure = failure_of(caught.value, tmp_path)
    assert (failure.code, failure.pointer) == ("checkpoint", "/pretraining/checkpoint")
    assert "that this run builds on cannot be used: " in failure.message
    assert capsys.readouterr().err == ""
