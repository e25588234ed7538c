"""The route that answers what other early stopping would have done."""

import httpx
import pytest

from service.recipe_examples import BODIES
from tests.fake_worker import FakeWorker
from tests.service.requests import create, problem

LOSSES = [0.7, 0.4, 0.5, 0.3, 0.6]


def ask(api: httpx.Client, run: str, *settings: object) -> httpx.Response:
    return api.post(f"/v1/runs/{run}/what-if", json={"early_stopping": settings})


def test_a_run_is_asked_while_it_trains_and_when_it_is_over(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api, epochs=5)
    refused = problem(ask(api, run, 3), 409)
    assert refused["type"] == "/problems/epochs_missing"
    assert refused["detail"] == f"The run {run} is queued and has no complete epoch, so it has no curve."
    worker.claim(run)
    worker.log_losses(run, LOSSES[:3])
    early = ask(api, run, 1, 3).json()
    assert (early["epochs"], early["is_complete"], early["best"]["epoch"]) == (3, False, 2)
    assert [answer["decision"] for answer in early["answers"]] == ["stops", "undecided"]
    worker.log_losses(run, LOSSES[3:])
    worker.succeed(run)
    found = ask(api, run, 1, 3).json()
    assert (found["run"], found["monitor"], found["epochs"], found["is_complete"]) == (run, "validation_loss", 5, True)
    first, second = found["answers"]
    assert first == {
        "early_stopping": {"type": "patience", "patience": 1, "min_delta": 0.0, "min_epochs": 0},
        "name": "patience 1",
        "decision": "stops",
        "stop_epoch": 3,
        "best": {
            "epoch": 2,
            "value": 0.4,
            "metrics": {"train_loss": 0.2, "validation_loss": 0.4, "validation_accuracy": 0.96},
        },
        "epochs_saved": 2,
        "seconds_saved": 2.0,
        "lost": pytest.approx(0.1),
        "sentence": found["sentence"],
    }
    assert (second["decision"], second["stop_epoch"], second["epochs_saved"]) == ("never_stops", 5, 0)


def test_what_cannot_be_answered_says_why(api: httpx.Client, worker: FakeWorker) -> None:
    assert problem(ask(api, "run_222222222222", 3), 404)["type"] == "/problems/run_not_found"
    run = create(api, epochs=5, evaluation="validation_accuracy")
    # The settings are checked before there is a curve.
    refused = ask(api, run, 3, {"type": "generalization_loss"}, {"patience": 0})
    assert problem(refused, 422)["type"] == "/problems/invalid_request"
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/early_stopping/2/patience"]
    refused = ask(api, run, 3, {"type": "generalization_loss"})
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/early_stopping/1/type"]
    worker.claim(run)
    worker.fail(run)
    assert "is failed and has no complete epoch" in str(problem(ask(api, run, 3), 409)["detail"])


def test_the_question_of_the_page_is_answered(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api, epochs=5)
    worker.train(run, LOSSES)
    [asked] = BODIES["ask_what_if"].values()
    assert len(api.post(f"/v1/runs/{run}/what-if", json=asked["value"]).json()["answers"]) == 3
