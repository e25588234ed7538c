"""The drift of layers' inputs, compared with the layers themselves."""

import pytest
import torch
from torch import Tensor

from tests.small_trainings import IRIS, Document, files_at, make_training, resume_to_end
from worker.diagnostics.drift import Drift, drift_between
from worker.training.events import DiagnosticLog, EpochLog

DOCUMENT: Document = {**IRIS, "diagnostics": {"type": "activation_drift", "rows": "all"}}


def test_mean_and_variance_now_against_the_epoch_before() -> None:
    training, seen, logged = make_training(DOCUMENT), [], []
    for item in training.run():
        if isinstance(item, EpochLog):
            with torch.no_grad():
                normalized = training.model[0](training.data.train.inputs)
                seen.append((normalized, training.model[1](normalized)))
        if isinstance(item, DiagnosticLog):
            logged.append(item.values)
    assert "mean_drift" not in logged[0]
    for before, now, values in zip([None, *seen], seen, logged, strict=False):
        assert values["layers"] == ["hidden1.linear", "head"]
        assert values["mean"] == pytest.approx([number(inputs.mean()) for inputs in now], abs=1e-6)
        assert values["variance"] == pytest.approx([number(inputs.var(correction=0)) for inputs in now], rel=1e-5)
        if before is not None:
            wanted = [
                abs(number(b.mean() - a.mean())) / number(a.std(correction=0)) for a, b in zip(before, now, strict=True)
            ]
            ratios = [number(b.var() / a.var()) for a, b in zip(before, now, strict=True)]
            assert values["mean_drift"] == pytest.approx(wanted, rel=1e-3, abs=1e-6)
            assert values["variance_ratio"] == pytest.approx(ratios, rel=1e-4)


def number(value: Tensor) -> float:
    return float(value)


def test_a_resumed_run_remembers_the_epoch_before() -> None:
    files = files_at(DOCUMENT, step=5, validated=1)
    logged = [item for item in resume_to_end(DOCUMENT, files).logged if "values" in item]
    assert [item["epoch"] for item in logged] == [2, 3]
    assert "mean_drift" in logged[0]["values"]


def test_an_epoch_that_is_measured_again_is_compared_with_the_one_before_it() -> None:
    training = make_training(DOCUMENT)
    list(training.run())
    assert training.diagnostics is not None
    drift, again = training.diagnostics.drift, Drift(training.plan)
    assert sorted(drift.epochs) == [2, 3]
    again.load_state_dict(drift.state_dict())
    assert again.epochs == drift.epochs


def test_what_did_not_vary_has_no_finite_drift() -> None:
    assert drift_between([(0.0, 0.0)], [(1.0, 1.0)]) == {"mean_drift": [float("inf")], "variance_ratio": [float("inf")]}
