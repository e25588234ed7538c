"""The verdict that a real run ends with, in its record and in its log."""

import pytest
import torch

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import Resume
from bakehouse.runs.record import Record
from bakehouse.settings import Settings
from bakehouse.verdict.verdict import Verdict
from tests.small_trainings import DIABETES, DIGITS_CNN, IRIS, Document, make_training
from tests.worker.attempt.test_attempt import LONG, RecordStore, run_attempt
from worker.attempt import verdicts
from worker.attempt.setup import RunStorage
from worker.evaluation.predicted import PredictedClasses

DIGITS: Document = {
    "dataset": "digits",
    "architecture": {"type": "mlp", "hidden": [32]},
    "batch_size": 256,
    "epochs": 6,
}


@pytest.fixture
def storage(tmp_path_factory: pytest.TempPathFactory) -> RunStorage:
    home = tmp_path_factory.mktemp("home")
    return RunStorage(Settings(home=home, device="cpu"), Artifacts(home / "artifacts"))


def verdict_of(record: Record) -> Verdict:
    assert record.verdict is not None
    return record.verdict


def test_far_too_high_a_learning_rate_has_learned_nothing_and_the_patch_mends_it(storage: RunStorage) -> None:
    deep = {"type": "mlp", "hidden": [64, 64, 64]}
    record_store = RecordStore({**DIGITS, "architecture": deep, "optimizer": {"type": "adam", "lr": 100}})
    verdict = verdict_of(run_attempt(record_store, storage))
    assert record_store.record.status == "succeeded"
    assert (verdict.code, verdict.severity) == ("learned_nothing", "error")
    assert "always answering 3 (10.2% of the rows)" in verdict.message
    assert "above ln 10 = 2.3" in verdict.message
    [step] = verdict.patch
    assert (step.path, step.value) == ("/optimizer/lr", 0.001)
    [end] = record_store.logged("end")
    assert (end["verdict"], end["message"], end["patch"]) == (
        verdict.code,
        verdict.message,
        [step.model_dump(mode="json")],
    )
    healthy = run_attempt(RecordStore({**DIGITS, "epochs": 8}), storage)
    assert "learned_nothing" not in [item.code for item in (verdict_of(healthy), *healthy.further_verdicts)]
    assert [item.code for item in healthy.further_verdicts][-1:] == ["learned"]


def test_a_run_whose_loss_is_not_finite_says_what_to_try(storage: RunStorage) -> None:
    record = run_attempt(RecordStore({**IRIS, "optimizer": {"type": "sgd", "lr": 1e3}, "epochs": 50}), storage)
    assert record.status == "failed"
    verdict = verdict_of(record)
    assert (verdict.code, verdict.patch[0].path, verdict.patch[0].value) == ("non_finite", "/optimizer/lr", 0.05)


def test_a_regression_has_a_verdict_too(storage: RunStorage) -> None:
    record = run_attempt(RecordStore(DIABETES), storage)
    assert record.status == "succeeded"
    assert record.verdict is not None


def test_a_norm_after_dropout_is_measured_although_the_recipe_asks_for_no_diagnostic(storage: RunStorage) -> None:
    deep = {"type": "mlp", "hidden": [32, 32]}
    document: Document = {**IRIS, "architecture": deep, "norm": "batch_norm", "dropout": 0.8, "epochs": 60}
    record = run_attempt(RecordStore(document), storage)
    verdict = verdict_of(record)
    assert (verdict.code, verdict.patch[0].path) == ("variance_shift", "/dropout/0/placement")
    assert record.diagnostics == {}


def test_gradients_explode_in_forty_layers_of_batch_norm_and_not_in_four(storage: RunStorage) -> None:
    document: Document = {**DIGITS, "norm": "batch_norm", "optimizer": {"type": "sgd", "lr": 1e-4}, "epochs": 2}
    for depth, explodes in ((40, True), (4, False)):
        layers = {"type": "mlp", "hidden": [64] * depth}
        record = run_attempt(RecordStore({**document, "architecture": layers, "batch_size": 64}), storage)
        found = {verdict.code: verdict.message for verdict in (verdict_of(record), *record.further_verdicts)}
        assert ("exploding_gradients" in found) is explodes
        assert not explodes or "fewer layers" in found["exploding_gradients"]


def test_a_warmup_to_far_too_high_a_rate_leaves_the_first_epoch_the_best(storage: RunStorage) -> None:
    warmup = {"type": "constant", "warmup_epochs": 5}
    document: Document = {**DIGITS, "batch_size": 8, "schedule": warmup, "epochs": 5}
    high, usual = (
        run_attempt(RecordStore({**document, "optimizer": {"type": "adam", "lr": lr}}), storage) for lr in (0.3, 0.001)
    )
    verdict = verdict_of(high)
    assert (verdict.code, [step.path for step in verdict.patch]) == ("best_is_first_epoch", ["/optimizer/lr"])
    assert "best_is_first_epoch" not in [item.code for item in (verdict_of(usual), *usual.further_verdicts)]


def test_a_cancelled_run_says_how_far_it_came(storage: RunStorage) -> None:
    record_store = RecordStore({**LONG, "epochs": 100_000})
    record_store.request_at_epoch("cancel", epoch=3)
    verdict = verdict_of(run_attempt(record_store, storage))
    assert verdict.code == "cancelled_by_user"
    assert verdict.message.startswith("the run was cancelled after ")


def test_a_run_that_was_paused_gets_the_verdicts_of_one_that_was_not(storage: RunStorage) -> None:
    document: Document = {**DIGITS_CNN, "epochs": 8, "diagnostics": "variance_shift"}
    whole = run_attempt(RecordStore(document), storage)
    record_store = RecordStore(document)
    record_store.request_at_epoch("pause", epoch=3)
    assert run_attempt(record_store, storage).status == "paused"
    record_store.react = lambda: None
    record_store.write(Resume())
    resumed = run_attempt(record_store, storage)
    assert (resumed.verdict, resumed.further_verdicts) == (whole.verdict, whole.further_verdicts)


def test_a_model_that_always_gives_one_answer_never_predicts_the_other_classes() -> None:
    training = make_training({**IRIS, "epochs": 1})
    head = training.model.get_submodule("head")
    assert isinstance(head, torch.nn.Linear)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    predicted = PredictedClasses(training.plan)
    with torch.inference_mode():
        predicted.of(training.model)(training.data.test.inputs)
    assert predicted.classes() == [1]
    assert predicted.missing(training.data.test) == (0, 2)


def test_a_fault_in_a_rule_does_not_cost_a_training(storage: RunStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(outcome: object) -> None:
        raise KeyError(1)

    monkeypatch.setattr(verdicts, "judge", fail)
    record = run_attempt(RecordStore(DIGITS), storage)
    assert record.status == "succeeded"
    assert (verdict_of(record).code, verdict_of(record).severity) == ("not_judged", "info")
    assert "KeyError" in verdict_of(record).message
