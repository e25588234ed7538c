"""Verification of a finished run: when its repetition is killed, and how differences are named."""

import math
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.run import Expected, Verification
from worker.attempt.verification import Repeated, conclude

ENVIRONMENT: dict[str, Any] = {"device": "cpu", "threads": 1, "versions": {"torch": "2.13.0"}}
WEIGHTS = {
    "hidden1.weight": torch.tensor([[1.0, math.nan]]),
    "hidden1.bias": torch.tensor([0.5]),
    # Batch norm counts its batches in a tensor without dimensions.
    "hidden1.norm.num_batches_tracked": torch.tensor(7),
}


def save(artifacts: Artifacts, run_id: str, weights: dict[str, Tensor], header: str = "") -> str:
    """Stores the weights of a run; returns their digest."""
    content = safetensors.torch.save(weights, {"bakehouse": header})
    return artifacts.write_checkpoint(run_id, content, {"epoch": 1}).sha256


def verdict(folder: Path, *, weights: dict[str, Tensor] = WEIGHTS, header: str = "", **changes: Any) -> Verification:
    """Compares a run of two steps with its repetition, which has these weights and other results."""
    artifacts = Artifacts(folder)
    before = save(artifacts, "run_222222222222", WEIGHTS)
    after = save(artifacts, "run_333333333333", weights, header)
    expected = Expected(
        reason="epochs_done",
        step=2,
        weights={"best": before, "last": before},
        metrics={"test_loss": 0.25, "test_accuracy": None},
        **ENVIRONMENT,
    )
    results: dict[str, Any] = {"step": 2, "metrics": expected.metrics, "environment": ENVIRONMENT, **changes}
    repeated = Repeated(weights={"best": after, "last": after}, **results)
    return conclude(Verification(run="run_222222222222", expected=expected), repeated, artifacts, "run_333333333333")


def test_equal_results_are_identical_also_if_they_are_not_numbers(tmp_path: Path) -> None:
    found = verdict(tmp_path)
    assert (found.verdict, found.tensor, found.message) == ("identical", None, None)


def test_another_header_of_the_file_makes_no_difference(tmp_path: Path) -> None:
    assert verdict(tmp_path, header="of another version").verdict == "identical"


@pytest.mark.parametrize(
    ("changed", "tensor", "message"),
    [
        ({"hidden1.bias": torch.tensor([0.75])}, "hidden1.bias", "the tensor hidden1.bias differs by up to 0.25"),
        (
            {"hidden1.bias": torch.tensor([0.5, 0.5])},
            "hidden1.bias",
            "hidden1.bias has another shape or type",
        ),
        # Zero and minus zero are equal numbers with different bits.
        (
            {"hidden1.weight": -WEIGHTS["hidden1.weight"]},
            "hidden1.weight",
            "the tensor hidden1.weight differs by up to",
        ),
    ],
)
def test_the_first_tensor_that_differs_is_named(
    tmp_path: Path, changed: dict[str, Tensor], tensor: str, message: str
) -> None:
    found = verdict(tmp_path, weights={**WEIGHTS, **changed})
    assert (found.verdict, found.tensor) == ("different", tensor)
    assert message in (found.message or "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": 3}, "ended after step 3 instead of step 2"),
        ({"metrics": {"test_loss": 0.5, "test_accuracy": None}}, "test_loss is 0.5 instead of 0.25"),
        ({"metrics": {"test_loss": 0.25, "test_accuracy": 1.0}}, "test_accuracy is 1.0 instead of None"),
    ],
)
def test_other_steps_and_metrics_are_differences(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    found = verdict(tmp_path, **changes)
    assert (found.verdict, found.tensor) == ("different", None)
    assert message in (found.message or "")


def test_a_difference_names_what_has_changed_in_the_environment(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "threads": 2, "versions": {"torch": "2.14.0"}}
    found = verdict(tmp_path, step=3, environment=environment)
    assert "threads 2 instead of 1, torch 2.14.0 instead of 2.13.0" in (found.message or "")


def test_deleted_weights_are_said_to_be_deleted(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    expected = Expected(
        reason="epochs_done", step=2, weights={"best": "0" * 64, "last": "0" * 64}, metrics={}, **ENVIRONMENT
    )
    sha256 = save(artifacts, "run_333333333333", WEIGHTS)
    repeated = Repeated(step=2, metrics={}, weights={"best": sha256, "last": sha256}, environment=ENVIRONMENT)
    found = conclude(Verification(run="run_222222222222", expected=expected), repeated, artifacts, "run_333333333333")
    assert "the verified run was deleted" in (found.message or "")
