"""The page of a run, and the phrase for how it ended."""

import pytest

from bakehouse.cli.show import diagnostic_text, ending, failure_rows, metrics_table
from bakehouse.runs.run import Best, Diagnostic, Failure, Last
from tests.cli.examples import a_state, a_view, an_epoch


def test_only_values_for_the_whole_model_are_shown_of_a_diagnostic() -> None:
    values = {
        "layers": ["norm"],
        "ratio": [1.25],
        "worst_ratio": 1.25,
        "eval_mode_accuracy": 0.5,
        "first_to_last": None,
    }
    shown = diagnostic_text(Diagnostic(epoch=1, step=3, values=values))
    assert shown == "worst_ratio 1.25  eval_mode_accuracy 50.0%  first_to_last not finite"


def test_the_best_and_the_last_epoch_have_a_column_each() -> None:
    best = Best(
        epoch=4, monitor="validation_loss", value=0.7, metrics={"validation_loss": 0.7, "test_accuracy": 0.9375}
    )
    shown = metrics_table(best, Last(epoch=5, metrics={"validation_loss": 0.8}))
    assert [line.split() for line in shown.splitlines()] == [
        ["METRIC", "BEST,", "EPOCH", "4", "LAST,", "EPOCH", "5"],
        ["validation_loss", "0.7", "0.8"],
        ["test_accuracy", "93.8%", "-"],
    ]


@pytest.mark.parametrize(
    ("early_stopping", "status", "reason", "text"),
    [
        (1, "succeeded", "early_stopped", "stopped early at epoch 5: no better than 0.7 for 1 epoch; best epoch 4"),
        (
            "progress_quotient",
            "succeeded",
            "early_stopped",
            "stopped early at epoch 5 by progress_quotient; best epoch 4",
        ),
        (3, "succeeded", "epochs_done", "completed 5 epochs; best epoch 4"),
        (3, "succeeded", "time_budget", "the time budget was spent at epoch 5; best epoch 4"),
        (3, "succeeded", "stopped_by_user", "a user stopped it at epoch 5; best epoch 4"),
        (3, "cancelled", "cancelled_by_user", "a user cancelled it at epoch 5; best epoch 4"),
        (3, "failed", "non_finite", "non finite"),
    ],
)
def test_the_text_for_an_ending_depends_on_its_reason(
    early_stopping: object, status: str, reason: str, text: str
) -> None:
    view = a_view(early_stopping=early_stopping)
    for event in [an_epoch(4, 0.7), an_epoch(5, 0.8, since_best=1), a_state(status, reason)]:
        view.observe(event)
    assert ending(view) == text


def test_a_run_that_ended_before_its_first_epoch_has_no_best() -> None:
    view = a_view()
    view.observe(a_state("cancelled", "cancelled_by_user"))
    assert ending(view) == "a user cancelled it at epoch 0; no epoch was completed"


def test_a_failure_is_shown_with_its_pointer_and_whether_a_retry_may_help() -> None:
    lost = Failure(code="worker_lost", message="The worker ended.", retryable=True)
    assert failure_rows(lost) == [("failure", "The worker ended. (worker_lost; retryable)")]
    diverged = Failure(code="non_finite", message="It diverged.", pointer="/optimizer/lr", retryable=False)
    assert failure_rows(diverged) == [
        ("failure", "It diverged. (non_finite; change the recipe first)"),
        ("where", "/optimizer/lr"),
    ]
